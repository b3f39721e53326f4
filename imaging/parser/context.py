"""What the labels found so far say about every superpixel: by colour, by neighbour, by place."""

import cv2
import numpy as np

from .. import labels
from .cues import TOLERANCES, Scene

# Cells of the coarse grid on which labels above, below and beside a patch are summed.
GRID = 32
# Sums over a column are given in this many cells, a quarter of the photo.
DIRECTION_CELLS = 8
# Keeps logarithms of empty shares finite.
FLOOR = 1e-3


def measure(scene: Scene, posterior: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Measures the surroundings of every superpixel in the labels found so far.

    Args:
        scene: See `cues.measure`.
        posterior: (count, 5) probabilities of the labels background to interior.

    Returns:
        n names and (count, n) float32: own odds, the odds of like colours at three tolerances, of
        touching patches, of the patches above, below and in the same row, of the whole photo.

    Reference:
        Tu and Bai, Auto-context, IEEE TPAMI 2010.
    """
    near = _spread(scene, posterior)
    groups = {
        "own": np.log(posterior + FLOOR),
        **{
            f"like_{tolerance}": np.log(affinity.average(posterior) + FLOOR)
            for tolerance, affinity in zip(TOLERANCES, scene.affinity, strict=True)
        },
        "touching": near,
        "around": _spread(scene, _spread(scene, near)),
        **_directions(scene, posterior),
        **_whole(scene, posterior),
    }
    names = tuple(
        f"{group}_{labels.NAMES[label]}"
        for group, columns in groups.items()
        for label in _columns_of(columns)
    )
    return names, np.clip(np.concatenate(list(groups.values()), 1), -8, 8).astype(np.float32)


def _columns_of(columns: np.ndarray) -> tuple[int, ...]:
    """Returns which labels the columns stand for: all, the figure's, or its solids."""
    return {5: (0, 1, 2, 3, 4), 4: (1, 2, 3, 4), 3: (1, 2, 3)}[columns.shape[1]]


def _whole(scene: Scene, posterior: np.ndarray) -> dict[str, np.ndarray]:
    """Returns each label's share of the figure, and how far below its mean height a patch lies."""
    areas = scene.patches.areas
    mass = areas @ posterior
    whole = mass / areas.sum()
    share = np.log(whole[1:] + FLOOR) - np.log(whole[1:].sum() + FLOOR)
    heights = (areas[:, None] * posterior * scene.place[:, :1]).sum(0) / (mass + 1e-6)
    return {
        "share": np.broadcast_to(share, (len(posterior), len(share))),
        "below": scene.place[:, :1] - heights[None],
    }


def _spread(scene: Scene, values: np.ndarray) -> np.ndarray:
    first, second, weight = scene.links
    sums = [np.bincount(first, weight * column[second], len(values)) for column in values.T]
    return np.stack(sums, 1)


def _directions(scene: Scene, posterior: np.ndarray) -> dict[str, np.ndarray]:
    """Returns sums over the cells above, below, and in the same row, near the same column."""
    cells = np.minimum((scene.place * GRID).astype(int), GRID - 1)
    flat = cells[:, 0] * GRID + cells[:, 1]
    areas = scene.patches.areas
    size = GRID * GRID
    count = np.maximum(np.bincount(flat, areas, size), 1e-6)
    found: dict[str, list[np.ndarray]] = {"over": [], "under": [], "level": []}
    for column in posterior.T[1:4]:
        plane = (np.bincount(flat, areas * column, size) / count).reshape(GRID, GRID)
        plane = cv2.blur(plane, (5, 1))
        above = np.cumsum(plane, 0) - plane
        below = plane.sum(0, keepdims=True) - above - plane
        row = np.broadcast_to(plane.mean(1, keepdims=True), plane.shape) * GRID
        for values, into in zip((above, below, row), found.values(), strict=True):
            into.append(values.ravel()[flat] / DIRECTION_CELLS)
    return {name: np.stack(columns, 1) for name, columns in found.items()}
