"""The guided filter on a hard mask alone: a baseline of the matting."""

import cv2
import numpy as np
from dressform.imaging import matting

# For colours in [0, 1]: contrasts under sqrt(4e-4) = 2 % are noise.
EPSILON = 4e-4
# Opacity is stretched by this much around 0.5: the filter's tails would leave a haze.
STRETCH = 1.5


def alpha(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the (H, W) float32 opacity in [0, 1] of a hard mask (H, W) on a uint8 photo.

    Reference:
        He, Sun and Tang, Guided Image Filtering, ECCV 2010, with a colour guide.
    """
    radius = matting.band_px(*mask.shape)
    guide, target = image.astype(np.float32) / 255, mask.astype(np.float32)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, (2 * radius + 1,) * 2, borderType=cv2.BORDER_REFLECT)

    middle, level = mean(guide), mean(target)
    covariance = mean(guide * target[..., None]) - middle * level[..., None]
    products = mean((guide[..., :, None] * guide[..., None, :]).reshape(*target.shape, 9))
    sigma = products.reshape(*target.shape, 3, 3) - middle[..., :, None] * middle[..., None, :]
    slope = np.linalg.solve(sigma + EPSILON * np.eye(3), covariance[..., None])[..., 0]
    slope = slope.astype(np.float32)
    offset = level - (slope * middle).sum(-1)
    filtered = (mean(slope) * guide).sum(-1) + mean(offset)
    return np.clip((filtered - 0.5) * STRETCH + 0.5, 0, 1)
