"""Superpixels: small patches of one colour, the units in which a photo is labelled."""

from dataclasses import dataclass

import cv2
import numpy as np

# Distance between patch seeds in pixels of the working copy: fine enough for straps and stand
# poles, few enough for a comparison of every patch with every other.
SPACING_PX = 11


@dataclass(frozen=True)
class Superpixels:
    """A partition of a picture.

    Attributes:
        index_map: (H, W) int32, which patch every pixel belongs to, 0 to count - 1.
        areas: (count,) float64, pixels in every patch.
    """

    index_map: np.ndarray
    areas: np.ndarray

    @property
    def count(self) -> int:
        return len(self.areas)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Returns (count,) the mean of an (H, W) map over every patch."""
        weights = values.ravel().astype(np.float64)
        return np.bincount(self.index_map.ravel(), weights, self.count) / self.areas

    def paint(self, values: np.ndarray) -> np.ndarray:
        """Returns (H, W, ...) the (count, ...) values, spread over their patches."""
        return values[self.index_map]

    def neighbours(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns touching pairs (first, second) in both orders, and their common rim in px."""
        across = self.index_map[:, :-1], self.index_map[:, 1:]
        down = self.index_map[:-1], self.index_map[1:]
        first = np.concatenate([across[0].ravel(), down[0].ravel()]).astype(np.int64)
        second = np.concatenate([across[1].ravel(), down[1].ravel()]).astype(np.int64)
        differ = first != second
        first, second = first[differ], second[differ]
        keys = np.concatenate([first * self.count + second, second * self.count + first])
        pairs, lengths = np.unique(keys, return_counts=True)
        return pairs // self.count, pairs % self.count, lengths.astype(np.float64)


def partition(image: np.ndarray, spacing_px: int = SPACING_PX) -> Superpixels:
    """Cuts a picture into patches that keep to its edges.

    Args:
        image: (H, W, 3) uint8 sRGB.
        spacing_px: Distance between seeds.

    Returns:
        The partition; every patch has at least one pixel.

    Reference:
        Meyer's flooding from a grid of seeds, as in Machairas et al., Waterpixels, IEEE TIP 2015.
    """
    height, width = image.shape[:2]
    smooth = cv2.medianBlur(image, 3)
    seeds = np.zeros((height, width), np.int32)
    ys = np.arange(min(spacing_px // 2, height - 1), height, spacing_px)
    xs = np.arange(min(spacing_px // 2, width - 1), width, spacing_px)
    seeds[np.ix_(ys, xs)] = 1 + np.arange(len(ys) * len(xs)).reshape(len(ys), len(xs))
    flooded = cv2.watershed(smooth, seeds)
    while (flooded < 1).any():
        # The flooding leaves lines (-1) between patches; they go to a neighbour.
        wider = cv2.dilate(flooded.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
        flooded = np.where(flooded < 1, wider, flooded)
    areas = np.bincount(flooded.ravel())
    index_map = (np.cumsum(areas > 0, dtype=np.int32) - 1)[flooded]
    return Superpixels(index_map, areas[areas > 0].astype(np.float64))
