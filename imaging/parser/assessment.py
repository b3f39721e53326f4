"""Conclusions from a label map: kind of photo, what the garment covers, view, and how sure."""

import cv2
import numpy as np

from .. import labels, masks
from ..parsing import Parsing
from . import background, classifier, measures
from .conclusions import CONFIDENCE, KIND, REGION, VIEW

# Kinds on which no mannequin shows.
BARE = ("ghost", "hanger", "flatlay")
# A mannequin is denied, and a back or turned view claimed, only on odds better than even: where
# they are wrong, a mannequin is left in the picture or the body is placed askew.
SURE_BARE, SURE_VIEW = 0.6, 0.6
# A head shows at least this share of the figure's height above the garment, and this many pixels.
LEAST_HEAD, LEAST_HEAD_PX = 0.06, 150
# Hair and skin: share of the smaller one; their distance in (L / 2, a, b); and in (a, b) alone,
# which shading on one material hardly changes.
LEAST_TONE, TONES_APART, HUES_APART = 0.15, 14.0, 9.0
# Names, and the table of their weights.
Conclusion = tuple[tuple[str, ...], dict[str, tuple[float, ...]]]
# Keeps the logarithm of certain odds finite.
LEAST_ODDS = 1e-3


def complete(parsing: Parsing) -> Parsing:
    """Fills in kind, region and view where the kind is unknown; other parsings pass unchanged."""
    found = measures.measure(parsing.label_map) if parsing.kind == "unknown" else {}
    if not found:
        return parsing
    return parsing._replace(kind=kind(found), region=region(found), view=view(found))


def kind(found: dict[str, float]) -> str:
    """Names the kind of mannequin, one of `parsing.KINDS` (never "person" or "unknown").

    Args:
        found: See `measures.measure`.
    """
    odds = _odds(KIND, found)
    bare = sum(odds[name] for name in BARE) > SURE_BARE
    return max((name for name in odds if (name in BARE) == bare), key=lambda name: odds[name])


def region(found: dict[str, float]) -> str:
    """Names what the garment covers, one of `parsing.REGIONS` (never "layered")."""
    odds = _odds(REGION, found)
    return max(odds, key=lambda name: odds[name])


def view(found: dict[str, float]) -> str:
    """Names the view, one of `parsing.VIEWS`; "front" unless another one is clear."""
    odds = _odds(VIEW, found)
    return next((name for name in odds if name != "front" and odds[name] > SURE_VIEW), "front")


def _odds(conclusion: Conclusion, found: dict[str, float]) -> dict[str, float]:
    names, table = conclusion
    odds = classifier.odds(table, tuple(found), np.array([list(found.values())]))[0]
    return {name: float(odds[index]) for index, name in enumerate(names)}


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
    scaled = (colors * np.array([0.5, 1, 1])).astype(np.float32)
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


def confidence(label_map: np.ndarray, figure: np.ndarray, expected: float) -> float:
    """Estimates the garment mask's overlap with the truth, as calibrated on the training scenes.

    Args:
        label_map: (H, W) uint8, without clutter.
        figure: (H, W) bool, see `foreground.find`.
        expected: See `expected_iou`.

    Returns:
        0 to 1.
    """
    found = trust(label_map, figure, expected)
    values = np.array([list(found.values())])
    return float(classifier.odds(CONFIDENCE, tuple(found), values)[0][1])


def trust(label_map: np.ndarray, figure: np.ndarray, expected: float) -> dict[str, float]:
    """Measures what speaks for a label map: the classifier's own odds, and a second opinion."""
    bounded = min(max(expected, LEAST_ODDS), 1 - LEAST_ODDS)
    labelled = label_map != labels.BACKGROUND
    garment = label_map == labels.GARMENT
    either = max(1, np.count_nonzero(labelled | figure))
    compact = np.count_nonzero(masks.largest(garment)) / max(1, np.count_nonzero(garment))
    return {
        "expected": float(np.log(bounded / (1 - bounded))),
        "agreement": np.count_nonzero(labelled & figure) / either,
        "compact": compact,
    }
