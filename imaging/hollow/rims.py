"""Openings that show some of the inside beside an arm or a leg: sleeves, hems and armholes."""

import cv2
import numpy as np

from .. import masks

# Inside that was photographed has at least this area, in shares of the garment's: less is a ragged
# label.
LEAST = 1e-4
# How far apart the photographed inside and the edge it belongs to may lie, at a long side of
# 1024 px: the labels' own uncertainty.
TOUCH_PX = 3.0
# Where inside was photographed on one side of the limb only, the opening goes on for this many
# times its length, and as deep: an opening is round, and the limb stands in its middle.
ONWARD, DEEP = 1.5, 1.2


def find(
    garment: np.ndarray, interior: np.ndarray, removed: np.ndarray
) -> list[tuple[masks.Bounds, np.ndarray]]:
    """Finds what a limb hides of an opening whose inside is seen beside it.

    Inside that is seen on both sides of the limb spans the opening: its convex hull with the
    garment's edge between. Inside on one side goes on along the edge and tapers off.

    Args:
        garment: (H, W) bool.
        interior: (H, W) bool, photographed inside.
        removed: (H, W) bool, mannequin and support.

    Returns:
        Rectangle and (h, w) bool region for each opening.
    """
    box = masks.bounds(interior)
    if box is None:
        return []
    touch = max(1, round(TOUCH_PX * max(garment.shape) / 1024))
    edge = garment & masks.grow(removed, 1)
    joined = masks.grow(edge | interior, touch)
    _, groups = cv2.connectedComponents(joined.astype(np.uint8))
    least = LEAST * garment.sum()
    found = []
    sizes = np.bincount(np.asarray(groups)[interior])
    for number in np.flatnonzero(sizes >= least):
        pieces = _large(interior & (groups == number), least)
        where = masks.bounds(pieces)
        if where is None:
            continue
        reach = round(ONWARD * max(where.height, where.width)) + 2 * touch
        frame = masks.Bounds(
            max(0, where.top - reach),
            max(0, where.left - reach),
            min(garment.shape[0], where.bottom + reach),
            min(garment.shape[1], where.right + reach),
        )
        window = (slice(frame.top, frame.bottom), slice(frame.left, frame.right))
        own = edge[window] & (groups[window] == number)
        region = _hidden(pieces[window], own, garment[window], removed[window], touch)
        # A thin strip along the edge would look like a second edge.
        solid = masks.grow(masks.shrink(region | interior[window], touch), touch)
        region &= solid & ~interior[window]
        if region.any():
            found.append(_tight(frame, region))
    return found


def _tight(frame: masks.Bounds, region: np.ndarray) -> tuple[masks.Bounds, np.ndarray]:
    box = masks.bounds(region) or masks.Bounds(0, 0, *region.shape)
    top, left, bottom, right = box
    placed = masks.Bounds(
        top + frame.top, left + frame.left, bottom + frame.top, right + frame.left
    )
    return placed, region[top:bottom, left:right]


def _large(pieces: np.ndarray, least: float) -> np.ndarray:
    count, components, stats, _ = cv2.connectedComponentsWithStats(pieces.astype(np.uint8))
    keep = stats[:, cv2.CC_STAT_AREA] >= least
    keep[0] = False
    return keep[components] if count > 1 else np.zeros_like(pieces)


def _hidden(
    pieces: np.ndarray, edge: np.ndarray, garment: np.ndarray, removed: np.ndarray, touch: int
) -> np.ndarray:
    """Selects what the limb hides of one opening."""
    components = cv2.connectedComponents(masks.grow(pieces, touch).astype(np.uint8))[1]
    parts = [np.argwhere(pieces & (components == n)) for n in range(1, int(components.max()) + 1)]
    if len(parts) > 1:
        return _hull(pieces | edge & _between(parts, edge.shape)) & removed
    box = masks.bounds(pieces) or masks.Bounds(0, 0, *pieces.shape)
    away = cv2.distanceTransform((~garment).astype(np.uint8), cv2.DIST_L2, 5)
    along = cv2.distanceTransform((~pieces).astype(np.uint8), cv2.DIST_L2, 5)
    place = along / (ONWARD * max(box.height, box.width))
    deep = DEEP * float(away[pieces].max()) * np.sqrt(np.clip(1 - place**2, 0, 1))
    return _hull(pieces | edge & (place <= 1)) & removed & (away <= deep)


def _between(parts: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Selects the belt between the two pieces farthest apart, as wide as it is long."""
    centres = np.array([part.mean(0) for part in parts])
    gaps = np.linalg.norm(centres[:, None] - centres, axis=-1)
    first, second = np.unravel_index(int(gaps.argmax()), gaps.shape)
    length = max(float(gaps[first, second]), 1.0)
    along = (centres[second] - centres[first]) / length
    ends = [(part - centres[first]) @ along for part in (parts[first], parts[second])]
    y, x = np.mgrid[: shape[0], : shape[1]]
    place = (y - centres[first, 0]) * along[0] + (x - centres[first, 1]) * along[1]
    aside = (y - centres[first, 0]) * along[1] - (x - centres[first, 1]) * along[0]
    return (place >= ends[0].min()) & (place <= ends[1].max()) & (np.abs(aside) <= length / 2)


def _hull(mask: np.ndarray) -> np.ndarray:
    filled = np.zeros(mask.shape, np.uint8)
    points = np.argwhere(mask)[:, ::-1].astype(np.int32)
    cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    return filled > 0
