"""Hair and skin above the garment: a second opinion on whether a person wears it.

The network has seen few people, and a mannequin in skin colour with a wig looks like one; a real
head shows two materials of different hues, one of them skin.
"""

import cv2
import numpy as np

from .. import color, labels, masks

# A head shows at least this share of the figure's height above the garment, and this many pixels.
LEAST_HEAD, LEAST_HEAD_PX = 0.06, 150
# Hair and skin: share of the smaller one; their distance in (L / 2, a, b); and in (a, b) alone,
# which shading on one material hardly changes.
LEAST_TONE, TONES_APART, HUES_APART = 0.15, 14.0, 9.0
# How much likelier a person is where hair and skin show, and where they do not; seen on the
# development scenes, where no mannequin and half of the people then count as people.
SHOWN, NOT_SHOWN = 8.0, 0.04


def weigh(odds: dict[str, float], image: np.ndarray, label_map: np.ndarray) -> dict[str, float]:
    """Weighs the network's odds of the kinds by whether hair and skin show.

    Args:
        odds: Probability of every kind.
        image: (H, W, 3) uint8 sRGB.
        label_map: (H, W) uint8.
    """
    factor = SHOWN if shows_hair_and_skin(image, label_map) else NOT_SHOWN
    weighed = {**odds, "person": factor * odds["person"]}
    total = sum(weighed.values())
    return {name: value / total for name, value in weighed.items()}


def shows_hair_and_skin(image: np.ndarray, label_map: np.ndarray) -> bool:
    """Tells whether hair and skin, rather than one material, show above the garment.

    Args:
        image: (H, W, 3) uint8 sRGB.
        label_map: (H, W) uint8.
    """
    figure = np.isin(label_map, (labels.GARMENT, labels.MANNEQUIN))
    box = masks.bounds(masks.largest(label_map == labels.GARMENT))
    whole = masks.bounds(figure)
    if box is None or whole is None or box.top - whole.top < LEAST_HEAD * whole.height:
        return False
    head = figure.copy()
    head[box.top :] = False
    head = masks.shrink(head, 2)
    colors = color.to_lab(cv2.medianBlur(image, 5))[head]
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
