"""The superpixels of a photo as a graph: which touch, how their colours differ, how far it is."""

from typing import NamedTuple

import cv2
import numpy as np

from .. import color
from . import superpixels
from .superpixels import Superpixels

SPACING_PX = 8  # finer than the parser's own patches: a strap is a few pixels wide
UNREACHED = 1e6  # farther than any way through a picture
# Ways are relaxed this often at most; a picture is 64 patches wide, a winding way longer.
MAX_ROUNDS = 400


class PatchGraph(NamedTuple):
    """A picture cut into patches, and their neighbourhood.

    Attributes:
        patches: The partition.
        lab: (count, 3) float64, mean CIE Lab of every patch.
        first, second: (edges,) int64, touching pairs in both orders, sorted by `second`.
        steps: (edges,) float64, Lab distance over every edge.
        rims: (edges,) float64, length of the common border in pixels.
        starts: (count,) int64, where the edges into every patch start.
    """

    patches: Superpixels
    lab: np.ndarray
    first: np.ndarray
    second: np.ndarray
    steps: np.ndarray
    rims: np.ndarray
    starts: np.ndarray


def cut(image: np.ndarray, label_map: np.ndarray) -> PatchGraph:
    """Cuts a picture into patches that keep to its edges and to those of a label map.

    Args:
        image: (H, W, 3) uint8 sRGB, large enough for at least two patches.
        label_map: (H, W) uint8; no patch has pixels of two labels.
    """
    patches = _divided(superpixels.partition(image, SPACING_PX), label_map)
    lab_image = color.to_lab(image)
    lab = np.stack([patches.mean(lab_image[..., channel]) for channel in range(3)], 1)
    # Every pair comes in both orders, sorted by the one that is called second here.
    second, first, rims = patches.neighbours()
    steps = np.linalg.norm(lab[first] - lab[second], axis=1)
    starts = np.searchsorted(second, np.arange(patches.count))
    return PatchGraph(patches, lab, first, second, steps, rims, starts)


def _divided(patches: Superpixels, label_map: np.ndarray) -> Superpixels:
    count = int(label_map.max()) + 1
    keys = patches.index_map * np.int32(count) + label_map
    areas = np.bincount(keys.ravel())
    numbers = np.cumsum(areas > 0, dtype=np.int32) - 1
    return Superpixels(numbers[keys], areas[areas > 0].astype(np.float64))


def distances(
    graph: PatchGraph, seeds: np.ndarray, costs: np.ndarray, *, bottleneck: bool = False
) -> np.ndarray:
    """Measures the cheapest way from the seeds to every patch.

    Args:
        seeds: (count,) bool.
        costs: (edges,) float64, not negative.
        bottleneck: A way costs its dearest edge instead of the sum of its edges.

    Returns:
        (count,) float64; UNREACHED where no way leads.
    """
    found = np.where(seeds, 0.0, UNREACHED)
    for _ in range(MAX_ROUNDS):
        via = found[graph.first]
        via = np.maximum(via, costs) if bottleneck else via + costs
        nearer = np.minimum(found, np.minimum.reduceat(via, graph.starts))
        if np.array_equal(nearer, found):
            break
        found = nearer
    return np.minimum(found, UNREACHED)


def parts(graph: PatchGraph, values: np.ndarray) -> np.ndarray:
    """Returns (count,) int64: one number for each connected run of patches of one value."""
    alike = values[graph.first] == values[graph.second]
    numbers = np.arange(len(values))
    for _ in range(MAX_ROUNDS):
        via = np.where(alike, numbers[graph.first], len(values))
        lower = np.minimum(numbers, np.minimum.reduceat(via, graph.starts))
        lower = lower[lower]
        if np.array_equal(lower, numbers):
            break
        numbers = lower
    return numbers


def at_sides(graph: PatchGraph) -> np.ndarray:
    """Selects the patches that touch a side of the picture, as (count,) bool."""
    found = np.zeros(graph.patches.count, bool)
    index_map = graph.patches.index_map
    for line in (index_map[0], index_map[-1], index_map[:, 0], index_map[:, -1]):
        found[line] = True
    return found


def remoteness(graph: PatchGraph, mask: np.ndarray) -> np.ndarray:
    """Measures how far every patch lies from an (H, W) bool mask, in shares of the long side."""
    pixels = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    return graph.patches.mean(pixels) / max(mask.shape)
