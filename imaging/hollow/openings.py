"""The openings of a garment: where its inside would be seen if nobody stood in it."""

from typing import NamedTuple

import cv2
import numpy as np

from .. import masks
from . import rims
from .edge import Edge, back_edge

# Share of the garment's height within which its neck or waist opening begins.
TOP = 0.3
# Share of the garment's width that a strap has at least: beside a thinner strip is an armhole.
STRAP = 0.04
# Notches between pleats or in a ragged mask are no openings: share of the garment's width.
NOTCH = 0.02
# An opening is filled whole where at least this share of it showed the mannequin; else what is
# no mannequin in it is the room behind, and stays.
MOSTLY = 0.6


class Opening(NamedTuple):
    """One opening.

    Attributes:
        box: Rectangle in the photo; `region` and `edge` are in its pixels.
        region: (h, w) bool, where the inside is to be filled in.
        edge: The back edge's course, None where cloth surrounds the opening.
    """

    box: masks.Bounds
    region: np.ndarray
    edge: Edge | None


def find(
    garment: np.ndarray, interior: np.ndarray, removed: np.ndarray, *, necks: bool = True
) -> list[Opening]:
    """Finds neck, waist, front, sleeve and hem openings that the mannequin was seen through.

    Args:
        garment: (H, W) bool, the outside of the garment.
        interior: (H, W) bool, what was photographed of its inside.
        removed: (H, W) bool, mannequin and support.
        necks: Whether the garment's neck, waist and front are on this side.

    Returns:
        Openings without overlap, uppermost first; those at sleeves and hems only where some of the
        inside was photographed, as else one does not look into them.
    """
    box = masks.bounds(garment)
    if box is None:
        return []
    local = (slice(box.top, box.bottom), slice(box.left, box.right))
    part, inside, gone = garment[local], interior[local], removed[local]
    found = [_shifted(opening, box) for opening in (_necks(part, inside, gone) if necks else [])]
    taken = np.zeros_like(garment)
    for opening in found:
        taken[_window(opening.box)] |= opening.region
    # What was photographed beside a neck opening belongs to that one.
    beside = _touching(interior, masks.grow(taken, 2))
    found += [
        Opening(where, region, None)
        for where, region in rims.find(garment, interior & ~beside, removed & ~taken)
    ]
    return sorted(found, key=lambda opening: opening.box.top)


def area(openings: list[Opening], shape: tuple[int, int]) -> np.ndarray:
    """Returns all openings as one (H, W) bool mask."""
    whole = np.zeros(shape, bool)
    for opening in openings:
        whole[_window(opening.box)] |= opening.region
    return whole


def split(mask: np.ndarray) -> list[Opening]:
    """Returns each component of a (H, W) bool mask as an opening without edge."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    found = []
    for number in range(1, count):
        x, y, width, height, _ = stats[number]
        box = masks.Bounds(int(y), int(x), int(y + height), int(x + width))
        found.append(Opening(box, pieces[_window(box)] == number, None))
    return found


def _touching(mask: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """Selects the components of a mask that meet the seed."""
    components = np.asarray(cv2.connectedComponents(mask.astype(np.uint8))[1])
    return np.isin(components, np.unique(components[seed & mask])) & mask


def _window(box: masks.Bounds) -> tuple[slice, slice]:
    return slice(box.top, box.bottom), slice(box.left, box.right)


def _shifted(opening: Opening, box: masks.Bounds) -> Opening:
    top, left, bottom, right = opening.box
    return opening._replace(
        box=masks.Bounds(top + box.top, left + box.left, bottom + box.top, right + box.left)
    )


def enclosed(part: np.ndarray) -> np.ndarray:
    """Selects what has cloth to the left, to the right and below."""
    across = np.ones((1, max(1, round(STRAP * part.shape[1]))), np.uint8)
    thick = cv2.morphologyEx(part.astype(np.uint8), cv2.MORPH_OPEN, across) > 0
    left = np.logical_or.accumulate(thick, 1)
    right = np.logical_or.accumulate(thick[:, ::-1], 1)[:, ::-1]
    below = np.logical_or.accumulate(part[::-1], 0)[::-1]
    return left & right & below & ~part


def open_front(part: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Selects the mannequin between two front panels: cloth right beside it, none above it."""
    columns = np.arange(part.shape[1])
    last = np.maximum.accumulate(np.where(gone, -1, columns), 1)
    following = np.minimum.accumulate(np.where(gone, part.shape[1], columns)[:, ::-1], 1)[:, ::-1]
    rows = np.arange(part.shape[0])[:, None]
    beside = (last >= 0) & part[rows, np.maximum(last, 0)]
    beside &= (following < part.shape[1]) & part[rows, np.minimum(following, part.shape[1] - 1)]
    return gone & beside & ~np.logical_or.accumulate(part, 0)


def _necks(part: np.ndarray, inside: np.ndarray, gone: np.ndarray) -> list[Opening]:
    found = []
    candidates = (enclosed(part) | open_front(part, gone)).astype(np.uint8)
    _, regions, stats, _ = cv2.connectedComponentsWithStats(candidates, connectivity=4)
    above = np.logical_or.accumulate(part, 0)
    for number in 1 + np.argsort(stats[1:, cv2.CC_STAT_AREA])[::-1]:
        x, y, width, height, _ = stats[number]
        if width < max(3, round(NOTCH * part.shape[1])) or height < 2:
            continue
        # A collar and the neckline below it are one opening.
        if any(o.box.left < x + width / 2 < o.box.right for o in found):
            continue
        # Lower down it is an arm in front of the garment, or the room between sleeve and torso.
        if y > TOP * part.shape[0]:
            continue
        edge = back_edge(part, regions == number, inside, gone)
        box = _frame(part, edge, masks.Bounds(y, x, y + height, x + width))
        window = _window(box)
        region = (regions[window] == number) | _higher(
            part[window], edge.moved(box.left, box.top), y - box.top
        )
        region &= (edge.below(box) | above[window]) & ~part[window] & ~inside[window]
        shown = gone[window] & region
        if shown.sum() < MOSTLY * region.sum():
            region = shown
        if region.any():
            found.append(Opening(box, region, edge.moved(box.left, box.top)))
    return found


def _frame(part: np.ndarray, edge: Edge, box: masks.Bounds) -> masks.Bounds:
    """Extends the rectangle of an opening to its collar points."""
    return masks.Bounds(
        max(0, min(box.top, int(edge.left[1]), int(edge.right[1]))),
        max(0, min(box.left, int(edge.left[0]))),
        box.bottom,
        min(part.shape[1], max(box.right, int(edge.right[0]) + 1)),
    )


def _higher(part: np.ndarray, edge: Edge, bottom: int) -> np.ndarray:
    """Selects what lies between the collars above a row, where cloth stands on one side only."""
    middle = round((edge.left[0] + edge.right[0]) / 2)
    free = np.zeros_like(part)
    free[:, :middle] = ~np.logical_or.accumulate(part[:, :middle][:, ::-1], 1)[:, ::-1]
    free[:, middle:] = ~np.logical_or.accumulate(part[:, middle:], 1)
    free[bottom:] = False
    return free
