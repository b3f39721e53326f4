"""Labels found on a small copy of a photo, brought to its full size along the photo's own edges."""

import cv2
import numpy as np

# Rows of the full photo that are worked on at once: bounds the memory for very large photos.
STRIP_PX = 256
# Guided filter on the small copy: window radius in pixels, and the variance (of intensities in
# [0, 1]) below which a window counts as flat. He et al. use 1e-2 to 1e-4 for matting.
RADIUS_PX = 3
FLAT_VARIANCE = 2e-4


def upsample(shares: np.ndarray, small: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Picks each full-size pixel's label so that borders snap to the edges of the full photo.

    Every label's share is modelled on the small copy as a local linear function of the three colour
    channels; the full photo then evaluates that function. Strips bound the memory.

    Args:
        shares: (h, w, n) float32, how much every pixel belongs to labels 0 to n - 1.
        small: (h, w, 3) uint8 sRGB, the copy that shares was found on.
        image: (H, W, 3) uint8 sRGB, the full photo.

    Returns:
        (H, W) uint8, labels with a share above zero somewhere.

    Reference:
        He and Sun, Fast Guided Filter, arXiv:1505.00996, 2015.
    """
    present = np.flatnonzero(shares.reshape(-1, shares.shape[-1]).max(0) > 0)
    height, width = image.shape[:2]
    if len(present) == 1:
        return np.full((height, width), present[0], np.uint8)
    guide = small.astype(np.float32) / 255
    planes = [_linear(guide, np.ascontiguousarray(shares[..., value])) for value in present]
    result = np.empty((height, width), np.uint8)
    for top in range(0, height, STRIP_PX):
        rows = image[top : top + STRIP_PX].astype(np.float32) / 255
        best = np.full(rows.shape[:2], -np.inf, np.float32)
        chosen = np.zeros(rows.shape[:2], np.uint8)
        for value, plane in zip(present, planes, strict=True):
            lifted = _lift(plane, top, rows.shape[:2], height)
            score = (lifted[..., :3] * rows).sum(-1) + lifted[..., 3]
            better = score > best
            best[better] = score[better]
            chosen[better] = value
        result[top : top + STRIP_PX] = chosen
    return result


def _linear(guide: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns (h, w, 4): the weights of the three channels, and the offset, at every pixel."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, (2 * RADIUS_PX + 1,) * 2)

    center, level = mean(guide), mean(mask)
    outer = mean((guide[..., :, None] * guide[..., None, :]).reshape(*guide.shape[:2], 9))
    covariance = outer.reshape(*guide.shape[:2], 3, 3) - center[..., :, None] * center[..., None, :]
    covariance += FLAT_VARIANCE * np.eye(3, dtype=np.float32)
    shared = mean(guide * mask[..., None]) - center * level[..., None]
    weights = np.linalg.solve(covariance, shared[..., None])[..., 0]
    offset = level - (weights * center).sum(-1)
    return mean(np.dstack([weights, offset]).astype(np.float32))


def _lift(plane: np.ndarray, top: int, shape: tuple[int, int], height: int) -> np.ndarray:
    """Samples the small plane bilinearly at rows `top`... of a full photo of `height` rows."""
    scale_y, scale_x = plane.shape[0] / height, plane.shape[1] / shape[1]
    ys = ((np.arange(shape[0], dtype=np.float32) + top + 0.5) * scale_y - 0.5)[:, None]
    xs = ((np.arange(shape[1], dtype=np.float32) + 0.5) * scale_x - 0.5)[None]
    map_x, map_y = np.broadcast_to(xs, shape).copy(), np.broadcast_to(ys, shape).copy()
    return cv2.remap(plane, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
