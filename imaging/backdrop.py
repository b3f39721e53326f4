"""Filling a photo's backdrop in where something stood: smooth colour, and the photo's own noise."""

import cv2
import numpy as np

# Boards, panels and skirtings run one way; with gradients this much stronger across one axis
# than along it the fill follows that axis alone.
DIRECTED = 1.8
# Long side at which the smooth colour is found; a backdrop holds nothing finer that is worth
# inventing.
LONG_SIDE = 512


def fill(image: np.ndarray, hole: np.ndarray, source: np.ndarray | None = None) -> np.ndarray:
    """Fills a hole with the low frequencies around it and noise of the same strength.

    Args:
        image: (H, W, 3) uint8 sRGB.
        hole: (H, W) bool.
        source: (H, W) bool, where colours may come from; None for everything outside the hole.

    Returns:
        (H, W, 3) uint8; equal to `image` outside of the hole. Without any source it is `image`.

    Reference:
        Push-pull: Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4.
    """
    known = ~hole if source is None else source & ~hole
    if not hole.any() or not known.any():
        return image.copy()
    height, width = hole.shape
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    weight = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    premultiplied = np.where(known[..., None], image, 0)
    color = cv2.resize(premultiplied, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    color /= np.maximum(weight, 1e-3)[..., None]
    weight = np.where(weight > 0.25, weight, 0).astype(np.float32)
    steps = _steps(color, weight)
    smooth = _push_pull(color, weight, steps)
    smooth = cv2.resize(np.clip(smooth, 0, 255), (width, height), interpolation=cv2.INTER_LINEAR)
    result = image.copy()
    noise = _noise(image, known, int(hole.sum()))
    result[hole] = np.clip(np.rint(smooth[hole] + noise), 0, 255).astype(np.uint8)
    return result


def _steps(color: np.ndarray, weight: np.ndarray) -> tuple[bool, bool]:
    """Decides along which axes colours may spread: rows, columns."""
    sure = cv2.erode((weight > 0.9).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if not sure.any():
        return True, True
    calm = cv2.GaussianBlur(color, (0, 0), 1.5)
    down, across = (
        float(np.abs(cv2.Sobel(calm, cv2.CV_32F, dx, dy))[sure].mean())
        for dx, dy in ((0, 1), (1, 0))
    )
    if across > DIRECTED * max(down, 0.5):
        return True, False
    if down > DIRECTED * max(across, 0.5):
        return False, True
    return True, True


def _push_pull(color: np.ndarray, weight: np.ndarray, axes: tuple[bool, bool]) -> np.ndarray:
    """Averages known colours into ever coarser pictures, and fills gaps from those."""
    height, width = weight.shape
    size = (
        (width + 1) // 2 if axes[1] else width,
        (height + 1) // 2 if axes[0] else height,
    )
    if (weight > 0).all() or size == (width, height):
        if not (weight > 0).all() and (height > 1 or width > 1):
            return _push_pull(color, weight, (True, True))
        return color
    coarse_weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(color * weight[..., None], size, interpolation=cv2.INTER_AREA)
    coarse = coarse / np.maximum(coarse_weight, 1e-6)[..., None]
    # Saturating keeps well known places from being washed out by the coarser level.
    filled = _push_pull(coarse, np.minimum(1, 4 * coarse_weight), axes)
    finer = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    share = np.minimum(weight, 1)[..., None]
    return color * share + finer * (1 - share)


def _noise(image: np.ndarray, known: np.ndarray, count: int) -> np.ndarray:
    """Draws the backdrop's own fine noise, (count, 3), so that the fill is no smooth patch."""
    detail = cv2.subtract(image, cv2.medianBlur(image, 5), dtype=cv2.CV_16S)
    # The median of absolute deviations ignores edges; 1.4826 makes it a standard deviation.
    step = max(1, int(known.sum()) // 100_000)
    sigma = 1.4826 * np.median(np.abs(detail[known][::step]), axis=0)
    generator = np.random.default_rng(0)
    luminance = generator.standard_normal((count, 1), np.float32)
    return luminance * sigma.astype(np.float32)


def cover(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scales a picture until it covers a size, and crops its middle.

    Args:
        picture: (h, w, 3) uint8 sRGB of any size.
        height: Wanted, in pixels.
        width: Wanted, in pixels.

    Returns:
        (height, width, 3) uint8.
    """
    scale = max(height / picture.shape[0], width / picture.shape[1])
    # Crop before scaling: a narrow banner behind a huge photo would be blown up whole.
    part = min(picture.shape[0], max(1, round(height / scale)))
    across = min(picture.shape[1], max(1, round(width / scale)))
    top, left = (picture.shape[0] - part) // 2, (picture.shape[1] - across) // 2
    middle = picture[top : top + part, left : left + across]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(middle, (width, height), interpolation=method)
