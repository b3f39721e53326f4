"""Conclusions from a label map: the kind of photo, what the garment covers, what is doubtful."""

from typing import NamedTuple

import cv2
import numpy as np

from . import background, labels, masks

# Less mannequin than this share of the figure is a stray patch, not a mannequin.
LEAST_MANNEQUIN = 0.012
LEAST_SUPPORT = 0.0015
# A neck is narrower than this share of the head above and the shoulders below it.
HEAD_NECK = 0.85
# Height by width, from which a garment hangs below the hips.
DRESS_HEIGHT = 1.45
# Share of the garment's box that differs from its mirror image; fitted on the training scenes.
THREE_QUARTER_LEAN = 0.17
# A head shows at least this share of the figure's height above the garment, and this many pixels.
LEAST_HEAD, LEAST_HEAD_PX = 0.06, 150
# Hair and skin: share of the smaller one; their distance in (L / 2, a, b); and in (a, b) alone,
# which shading on one material hardly changes.
LEAST_TONE, TONES_APART, HUES_APART = 0.15, 14.0, 9.0


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
    if figure.over > 0.1 and figure.neck < HEAD_NECK:
        return "full"
    if figure.over < 0.12 and figure.under > 0.02 and figure.beside < 0.08:
        return "legs" if figure.support_over < 0.3 and figure.over < 0.1 else "armless"
    if figure.under < 0.04 and figure.support > LEAST_SUPPORT:
        return "dressform"
    return "headless" if figure.beside > 0.25 else "armless"


def region(figure: Figure) -> str:
    """Names what the garment covers, one of `parsing.REGIONS` (never "layered")."""
    torso_above = figure.over > (0.3 if figure.neck < HEAD_NECK else 0.2)
    if kind(figure) == "legs" or (torso_above and figure.mannequin > LEAST_MANNEQUIN):
        return "lower"
    return "dress" if figure.garment_height > DRESS_HEIGHT else "upper"


def view(figure: Figure) -> str:
    """Names the view; front and back look alike to this measure, so that it never says "back"."""
    return "three-quarter" if figure.lean > THREE_QUARTER_LEAN else "front"


def is_person(image: np.ndarray, label_map: np.ndarray, figure: np.ndarray) -> bool:
    """Tells whether hair and skin, rather than one material, show above the garment.

    Args:
        image: (H, W, 3) uint8 sRGB.
        label_map: (H, W) uint8.
        figure: (H, W) bool, see `foreground.find`.
    """
    box = masks.bounds(masks.largest(label_map == labels.GARMENT))
    whole = masks.bounds(figure)
    if box is None or whole is None or box.top - whole.top < LEAST_HEAD * whole.height:
        return False
    head = figure.copy()
    head[box.top :] = False
    head &= label_map != labels.SUPPORT
    head = masks.shrink(head, 2)
    colors = background.to_lab(cv2.medianBlur(image, 5))[head]
    if len(colors) < LEAST_HEAD_PX:
        return False
    cv2.setRNGSeed(0)  # kmeans draws its first centres from OpenCV's global generator
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 15, 0.1)
    scaled = (colors * np.float32([0.5, 1, 1])).astype(np.float32)
    _, member, centers = cv2.kmeans(scaled, 2, None, stop, 1, cv2.KMEANS_PP_CENTERS)  # pyright: ignore
    share = np.count_nonzero(member) / len(colors)
    apart = float(np.linalg.norm(centers[0] - centers[1]))
    hues = float(np.linalg.norm(centers[0, 1:] - centers[1, 1:]))
    skin = max(_skin_likeness(center) for center in centers)
    two = min(share, 1 - share) > LEAST_TONE and apart > TONES_APART and hues > HUES_APART
    return bool(two and skin > 0.5)


def _skin_likeness(scaled_lab: np.ndarray) -> float:
    a, b = float(scaled_lab[1]), float(scaled_lab[2])
    return float(np.exp(-(((np.arctan2(b, a + 1e-3) - 0.85) / 0.35) ** 2)) * (np.hypot(a, b) > 10))


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
