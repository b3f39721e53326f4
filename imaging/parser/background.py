"""What a photo's background would look like without the figure, learned from the photo's border."""

import cv2
import numpy as np

# Share of the width, at each side, that is taken for background.
STRIP_SHARE = 0.04
# Lab units: camera noise and JPEG leave about this much on a flat wall.
NOISE_LAB = 1.2
PALETTE_COLORS = 10


def to_lab(image: np.ndarray) -> np.ndarray:
    """Returns (H, W, 3) float32 CIE Lab (L 0 to 100) of an sRGB uint8 picture."""
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def distances(lab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measures how unlike the border's colours every pixel is, in two ways.

    The first distance is to the row's own left and right rim: walls, floors, skirting lines and
    gradients run across the picture. The second is to the palette of the whole rim: planks and
    bricks do not.

    Args:
        lab: (H, W, 3) float32 CIE Lab.

    Returns:
        Two (H, W) float32, in multiples of the background's own spread; about 1 on background.
    """
    return _from_rows(lab), _from_palette(lab)


def _strip_px(width: int) -> int:
    return max(2, round(width * STRIP_SHARE))


def _from_rows(lab: np.ndarray) -> np.ndarray:
    height, width = lab.shape[:2]
    strip = _strip_px(width)
    sides = []
    for part in (lab[:, :strip], lab[:, -strip:]):
        center = np.median(part, axis=1)
        spread = np.abs(part - center[:, None]).mean(axis=(1, 2))
        spread = cv2.blur(spread[:, None], (1, max(3, height // 40)))[:, 0]
        sides.append((center, np.maximum(spread, NOISE_LAB)))
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    (left, left_spread), (right, right_spread) = sides
    between = left[:, None] * (1 - across) + right[:, None] * across
    distance = (
        np.linalg.norm(lab - between, axis=-1) / np.maximum(left_spread, right_spread)[:, None]
    )
    return distance.astype(np.float32)


def _from_palette(lab: np.ndarray) -> np.ndarray:
    strip = _strip_px(lab.shape[1])
    rim = np.concatenate([lab[:, :strip].reshape(-1, 3), lab[:, -strip:].reshape(-1, 3)])
    rim = np.concatenate([rim, lab[: max(1, strip // 2)].reshape(-1, 3)]).astype(np.float32)
    count = min(PALETTE_COLORS, len(rim))
    cv2.setRNGSeed(0)  # kmeans draws its first centres from OpenCV's global generator
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 15, 0.1)
    _, member, centers = cv2.kmeans(rim, count, None, stop, 1, cv2.KMEANS_PP_CENTERS)  # pyright: ignore
    nearest = np.full(lab.shape[:2], np.inf, np.float32)
    for index, center in enumerate(centers):
        own = rim[member[:, 0] == index]
        if len(own) < 0.02 * len(rim):
            continue
        spread = max(NOISE_LAB, float(np.linalg.norm(own - center, axis=1).mean()))
        nearest = np.minimum(nearest, np.linalg.norm(lab - center, axis=-1) / spread)
    return nearest.astype(np.float32)
