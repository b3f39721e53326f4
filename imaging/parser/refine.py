"""Labels found on a small copy of a photo, brought to its full size along the photo's own edges."""

import cv2
import numpy as np

# Rows of the full photo that are worked on at once: bounds the memory for very large photos.
STRIP_PX = 256
# Guided filter on the small copy: window radius in pixels, and the variance (of intensities in
# [0, 1]) below which a window counts as flat. He et al. use 1e-2 to 1e-4 for matting.
RADIUS_PX = 6
FLAT_VARIANCE = 2e-4
# A pixel of the copy with a smaller share than this for its label is settled at full size.
SURE = 0.95


def upsample(shares: np.ndarray, small: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Picks each full-size pixel's label so that borders snap to the edges of the full photo.

    Every label's share is modelled on the small copy as a local linear function of the three colour
    channels; near borders the full photo then evaluates that function. Strips bound the memory.

    Args:
        shares: (h, w, n) float32, how much every pixel belongs to labels 0 to n - 1.
        small: (h, w, 3) uint8 sRGB, the copy that shares was found on.
        image: (H, W, 3) uint8 sRGB, the full photo.

    Returns:
        (H, W) uint8, labels that have the largest share somewhere.

    Reference:
        He and Sun, Fast Guided Filter, arXiv:1505.00996, 2015.
    """
    found = shares.argmax(-1).astype(np.uint8)
    present = np.unique(found)
    height, width = image.shape[:2]
    if len(present) == 1:
        return np.full((height, width), present[0], np.uint8)
    guide = small.astype(np.float32) / 255
    planes = _planes(guide, [np.ascontiguousarray(shares[..., value]) for value in present])
    unsure = _unsure(shares, found)
    result = np.empty((height, width), np.uint8)
    for top in range(0, height, STRIP_PX):
        strip = slice(top, min(top + STRIP_PX, height))
        rows, columns = (
            _nearest(strip, height, found.shape[0]),
            _nearest(slice(0, width), width, found.shape[1]),
        )
        labels = found[rows[:, None], columns]
        y, x = np.nonzero(unsure[rows[:, None], columns])
        if len(y):
            colors = image[strip][y, x].astype(np.float32) / 255
            map_x = (x.astype(np.float32) + 0.5) * (found.shape[1] / width) - 0.5
            map_y = (y.astype(np.float32) + (top + 0.5)) * (found.shape[0] / height) - 0.5
            scores = [_evaluate(plane, map_x, map_y, colors) for plane in planes]
            labels[y, x] = present[np.argmax(scores, axis=0)]
        result[strip] = labels
    return result


def _nearest(part: slice, full: int, small: int) -> np.ndarray:
    """Returns which row (or column) of the copy each of a part of the full photo lies in."""
    places = (np.arange(part.start, part.stop) + 0.5) * (small / full)
    return np.minimum(places.astype(np.intp), small - 1)


def _unsure(shares: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Selects the pixels of the copy that the full photo decides: near borders, or unsure."""
    kernel = np.ones((2 * RADIUS_PX + 1,) * 2, np.uint8)
    border = cv2.morphologyEx(found, cv2.MORPH_GRADIENT, kernel) > 0
    return border | (shares.max(-1) < SURE)


def _planes(guide: np.ndarray, masks: list[np.ndarray]) -> list[np.ndarray]:
    """Returns for every mask (h, w, 4): weights of the three channels, and the offset."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, (2 * RADIUS_PX + 1,) * 2)

    channels = [np.ascontiguousarray(guide[..., index]) for index in range(3)]
    centers = [mean(channel) for channel in channels]
    inverse = _inverse_covariance(channels, centers, mean)
    planes = []
    for mask in masks:
        level = mean(mask)
        shared = [
            mean(channel * mask) - center * level
            for channel, center in zip(channels, centers, strict=True)
        ]
        weights = [row[0] * shared[0] + row[1] * shared[1] + row[2] * shared[2] for row in inverse]
        offset = level - sum(w * center for w, center in zip(weights, centers, strict=True))
        planes.append(mean(cv2.merge([*weights, offset])))
    return planes


def _inverse_covariance(channels, centers, mean) -> list[list[np.ndarray]]:
    """Inverts every window's 3 x 3 covariance by cofactors; numpy's solver is 20 times slower."""
    s = {}
    for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        s[i, j] = mean(channels[i] * channels[j]) - centers[i] * centers[j]
        if i == j:
            s[i, j] += FLAT_VARIANCE
    aa = s[1, 1] * s[2, 2] - s[1, 2] ** 2
    ab = s[0, 2] * s[1, 2] - s[0, 1] * s[2, 2]
    ac = s[0, 1] * s[1, 2] - s[0, 2] * s[1, 1]
    bb = s[0, 0] * s[2, 2] - s[0, 2] ** 2
    bc = s[0, 1] * s[0, 2] - s[0, 0] * s[1, 2]
    cc = s[0, 0] * s[1, 1] - s[0, 1] ** 2
    # In exact numbers the determinant is at least the cube of the added variance.
    determinant = s[0, 0] * aa + s[0, 1] * ab + s[0, 2] * ac
    scale = 1 / np.maximum(determinant, FLAT_VARIANCE**3)
    return [[v * scale for v in row] for row in ((aa, ab, ac), (ab, bb, bc), (ac, bc, cc))]


def _evaluate(
    plane: np.ndarray, map_x: np.ndarray, map_y: np.ndarray, colors: np.ndarray
) -> np.ndarray:
    """Returns a mask's (count,) value at places of its plane, for (count, 3) colours there."""
    # OpenCV's maps are bounded to 32767 rows.
    values = [
        cv2.remap(
            plane,
            map_x[start : start + 32_000, None],
            map_y[start : start + 32_000, None],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )[:, 0]
        for start in range(0, len(map_x), 32_000)
    ]
    lifted = np.concatenate(values)
    return (lifted[:, :3] * colors).sum(1) + lifted[:, 3]
