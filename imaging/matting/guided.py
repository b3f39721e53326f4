"""Soft garment edges: opacity from a hard mask, and edge colours free of the old background."""

import cv2
import numpy as np

from .. import masks

# Width of the soft border at a long side of 1024 px: the antialiasing of a camera plus JPEG blur.
BAND_PX = 3.0
# Of the guided filter, for colours in [0, 1]: contrasts under sqrt(4e-4) = 2 % are noise.
EPSILON = 4e-4
# Opacity is stretched by this much around 0.5: the filter's tails would leave a haze.
STRETCH = 1.5
# Pixels per pass, so that a 100-megapixel photo needs little more memory than a small one.
STRIP_PIXELS = 1 << 20
# Opacity above which a pixel is taken to show nothing but garment.
SURE = 0.95


def band_px(height: int, width: int) -> int:
    """Returns the half width of the soft border for a photo of this size, in pixels."""
    return max(2, round(BAND_PX * max(height, width) / 1024))


def alpha(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Refines a hard mask to opacity that follows the photo's own edges.

    Args:
        image: (H, W, 3) uint8 sRGB.
        mask: (H, W) bool; the garment.

    Returns:
        (H, W) float32 in [0, 1]; equal to the mask away from its border.

    Raises:
        ValueError: The mask has another size than the image.

    Reference:
        He, Sun and Tang, Guided Image Filtering, ECCV 2010, with a colour guide.
    """
    if mask.shape != image.shape[:2]:
        raise ValueError(
            f"mask must be {image.shape[0]}x{image.shape[1]} like image, got "
            f"{'x'.join(map(str, mask.shape))}. Connect the mask of the same photo."
        )
    soft = mask.astype(np.float32)
    radius = band_px(*mask.shape)
    box = masks.bounds(mask)
    if box is None:
        return soft
    margin = 3 * radius
    left, right = max(0, box.left - margin), box.right + margin
    end = min(mask.shape[0], box.bottom + margin)
    rows = max(64, STRIP_PIXELS // (box.width + 2 * margin))
    for top in range(max(0, box.top - margin), end, rows):
        bottom = min(end, top + rows)
        above, below = max(0, top - margin), bottom + margin
        window = (slice(above, below), slice(left, right))
        refined = _refine(image[window], mask[window], radius)
        soft[top:bottom, left:right] = refined[top - above : top - above + bottom - top]
    return soft


def foreground(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Replaces every colour that the background touched by the nearest pure garment colour.

    Args:
        image: (H, W, 3) uint8 sRGB.
        alpha: (H, W) float32 in [0, 1].

    Returns:
        (H, W, 3) uint8; unchanged where the garment is pure, else its colours extended outward.
    """
    radius = band_px(*alpha.shape)
    pure = _pure(alpha, radius)
    if not pure.any():
        return image.copy()
    nearest = np.asarray(
        cv2.distanceTransformWithLabels(
            (~pure).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
        )[1],
        np.int32,
    )
    # Labels count the pure pixels in an order of OpenCV's own, so look up what each one shows.
    palette = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    palette[nearest[pure]] = image[pure]
    filled = np.where(pure[..., None], image, palette[nearest])
    # Nearest colours leave rays outside the border; a small blur there merges them.
    blurred = cv2.GaussianBlur(filled, (0, 0), max(0.8, radius / 3))
    np.copyto(filled, blurred, where=~pure[..., None])
    return filled


def _pure(alpha: np.ndarray, radius: int) -> np.ndarray:
    """Selects what certainly shows only garment; thin straps keep their middle."""
    sure = alpha >= SURE
    inner = masks.shrink(sure, max(1, radius // 2))
    thin = sure & ~masks.grow(inner, radius)
    return inner | thin


def _refine(image: np.ndarray, mask: np.ndarray, radius: int) -> np.ndarray:
    soft = mask.astype(np.float32)
    band = masks.grow(mask, radius) & masks.grow(~mask, radius)
    if not band.any():
        return soft
    filtered = _guided(image.astype(np.float32) / 255, soft, radius)
    stretched = np.clip((filtered - 0.5) * STRETCH + 0.5, 0, 1)
    return np.where(band, stretched, soft)


def _guided(guide: np.ndarray, target: np.ndarray, radius: int) -> np.ndarray:
    """The guided filter with a colour guide: target as a local linear function of colour."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, (2 * radius + 1,) * 2, borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_target = mean(guide), mean(target)
    covariance = mean(guide * target[..., None]) - mean_guide * mean_target[..., None]
    sigma = np.empty((*target.shape, 3, 3), np.float32)
    for first, second in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        product = mean(guide[..., first] * guide[..., second])
        product -= mean_guide[..., first] * mean_guide[..., second]
        sigma[..., first, second] = sigma[..., second, first] = product
    sigma += np.eye(3, dtype=np.float32) * np.float32(EPSILON)
    slope = _solve(sigma, covariance)
    offset = mean_target - (slope * mean_guide).sum(-1)
    return (mean(slope) * guide).sum(-1) + mean(offset)


def _solve(sigma: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Solves symmetric 3x3 systems per pixel by cofactors; numpy's solver is 20 times slower."""
    a, b, c = sigma[..., 0, 0], sigma[..., 0, 1], sigma[..., 0, 2]
    d, e, f = sigma[..., 1, 1], sigma[..., 1, 2], sigma[..., 2, 2]
    x, y, z = covariance[..., 0], covariance[..., 1], covariance[..., 2]
    aa, ab, ac = d * f - e * e, c * e - b * f, b * e - c * d
    bb, bc, cc = a * f - c * c, b * c - a * e, a * d - b * b
    determinant = a * aa + b * ab + c * ac
    solved = (aa * x + ab * y + ac * z, ab * x + bb * y + bc * z, ac * x + bc * y + cc * z)
    return np.stack(solved, -1) / np.maximum(determinant, np.float32(EPSILON**3))[..., None]
