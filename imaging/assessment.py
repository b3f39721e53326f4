"""Conclusions from a label map: the kind of photo, what the garment covers, what is doubtful."""

from typing import NamedTuple

import cv2
import numpy as np

from . import labels, masks

# Less mannequin than this share of the figure is a stray patch, not a mannequin.
LEAST_MANNEQUIN = 0.012
LEAST_SUPPORT = 0.0015


class Figure(NamedTuple):
    """Shape measurements of a labelled figure; heights and widths are shares of its own box.

    Attributes:
        mannequin: Share of the figure that is mannequin.
        support: Share that is support.
        support_over: Share of the support that lies above the garment's upper fifth.
        over: Height of the mannequin above the garment.
        under: Height of the mannequin below the garment.
        under_width: Median width of the mannequin below the garment, by the garment's width.
        beside: Share of the mannequin that lies left or right of the garment's rows.
        neck: Narrowest row of the upper mannequin by the widest row over it; 1 is no head.
        garment_height: By the garment's width.
        lean: Asymmetry of the garment's outline about its axis, 0 to 1.
    """

    mannequin: float = 0.0
    support: float = 0.0
    support_over: float = 0.0
    over: float = 0.0
    under: float = 0.0
    under_width: float = 0.0
    beside: float = 0.0
    neck: float = 1.0
    garment_height: float = 1.0
    lean: float = 0.0


def measure(label_map: np.ndarray) -> Figure:
    """Measures the shapes of a label map; (H, W) uint8, at least one garment pixel."""
    garment = masks.largest(label_map == labels.GARMENT)
    box = masks.bounds(garment)
    if box is None:
        return Figure()
    mannequin, support = label_map == labels.MANNEQUIN, label_map == labels.SUPPORT
    solid = garment | mannequin | support
    whole = masks.bounds(solid) or box
    mass = float(solid.sum())
    above = mannequin[: box.top + box.height // 12]
    below = mannequin[box.bottom - box.height // 12 :]
    widths = below.sum(1)[below.any(1)]
    rows = np.flatnonzero(mannequin.any(1))
    first = rows[0] if len(rows) else box.top
    middle = mannequin[box.top : box.bottom]
    flipped = garment[box.top : box.bottom, box.left : box.right]
    return Figure(
        mannequin=float(mannequin.sum()) / mass,
        support=float(support.sum()) / mass,
        support_over=float(support[: box.top + box.height // 5].sum())
        / max(1.0, float(support.sum())),
        over=max(0, box.top - int(first)) / whole.height,
        under=max(0, (int(rows[-1]) if len(rows) else 0) - box.bottom) / whole.height,
        under_width=float(np.median(widths)) / box.width if len(widths) else 0.0,
        beside=float(middle.sum()) / max(1.0, float(mannequin.sum())),
        neck=_neck(above),
        garment_height=box.height / box.width,
        lean=float((flipped != flipped[:, ::-1]).mean()),
    )


def _neck(above: np.ndarray) -> float:
    """Compares the narrowest row under the head with the head; 1 where there is no head."""
    widths = cv2.blur(above.sum(1).astype(np.float32)[:, None], (1, 5))[:, 0]
    rows = np.flatnonzero(widths > 0)
    if len(rows) < 8:
        return 1.0
    widths = widths[rows[0] : rows[-1] + 1]
    widest_before = np.maximum.accumulate(widths)
    widest_after = np.maximum.accumulate(widths[::-1])[::-1]
    waist = widths / np.maximum(np.minimum(widest_before, widest_after), 1)
    return float(waist.min())


def kind(figure: Figure) -> str:
    """Names the kind of mannequin, one of `parsing.KINDS`."""
    if figure.mannequin < LEAST_MANNEQUIN:
        hangs = figure.support > LEAST_SUPPORT and figure.support_over > 0.5
        return "hanger" if hangs else "ghost"
    if figure.over > 0.1 and figure.neck < 0.85:
        return "full"
    if figure.over < 0.12 and figure.under > 0.02 and figure.beside < 0.08:
        return "legs" if figure.support_over < 0.3 and figure.over < 0.1 else "armless"
    if figure.under < 0.04 and figure.support > LEAST_SUPPORT:
        return "dressform"
    return "headless" if figure.beside > 0.25 else "armless"


def expected_iou(areas: np.ndarray, posterior: np.ndarray) -> float:
    """Estimates the garment mask's overlap with the truth, from the classifier's own doubts.

    Args:
        areas: (count,) of every superpixel.
        posterior: (count, 5).

    Returns:
        Expected intersection over expected union, 0 to 1.
    """
    chosen = posterior.argmax(1) == labels.GARMENT
    garment = posterior[:, labels.GARMENT]
    # The inside of a garment may count either way.
    solid = 1 - posterior[:, labels.INTERIOR]
    both = (areas * garment)[chosen].sum()
    union = (areas * solid)[chosen].sum() + (areas * garment)[~chosen].sum()
    return float(both / union) if union else 0.0
