"""Encoding: what compression and a sensor short of light leave in a photo."""

import cv2
import numpy as np

from ...imaging import masks
from .. import color
from ..measure import Measure, unmeasurable
from .shot import Shot

BLOCK_PX = 8  # of JPEG, ITU-T T.81
MAX_STEP = 16.0  # levels; a higher step is an edge, and one straight edge must not pass for blocks
# Looked at in the photo as it came, since reducing it hides both: at most this much of its middle.
WINDOW_PX = 1536
TILE_PX = 16
# Of the tiles with the least structure: a smooth wall shows grain, cloth shows its weave.
SMOOTHEST_PERCENTILE = 15
# Of a normal distribution, standard deviation over median absolute deviation.
MAD_TO_SIGMA = 1.4826
CLIPPED_LEVELS = (3, 252)  # tiles beyond these show no grain, whatever the sensor does
LEAST_TILES = 12
# Laplacian difference that planes and edges do not answer; its response to noise of sigma 1 is 6.
NOISE_KERNEL = np.array(((1, -2, 1), (-2, 4, -2), (1, -2, 1)), np.float32)
NOISE_GAIN = 6.0


def compression(shot: Shot) -> Measure:
    """Measures how much steps gather at every eighth pixel.

    Returns:
        How much larger the steps at the blocks' borders are than those beside them, in levels of
        255; 0 where there are no blocks. The grid may lie anywhere, so a cropped JPEG shows as
        well; it has to show in both directions.

    Reference:
        Wang, Bovik and Evans, Blind measurement of blocking artifacts in images, ICIP 2000: the
        period of the differences; here without their spectrum.
    """
    light = _window(shot) * 255
    if min(light.shape) < 4 * BLOCK_PX:
        return unmeasurable("The photo is too small to judge its compression.")
    across, down = _steps(light), _steps(light.T)
    return Measure(max(0.0, min(across, down)))


def noise(shot: Shot) -> Measure:
    """Measures the grain, as standard deviation in levels of 255, where the photo is smoothest.

    Reference:
        Immerkaer, Fast noise variance estimation, CVIU 1996; over the smoothest tiles.
    """
    light = _window(shot) * 255
    rows, columns = light.shape[0] // TILE_PX, light.shape[1] // TILE_PX
    if rows * columns < LEAST_TILES:
        return unmeasurable("The photo is too small to judge its noise.")
    response = cv2.filter2D(light, cv2.CV_32F, NOISE_KERNEL) / NOISE_GAIN
    grain = np.median(np.abs(_tiles(response, rows, columns)), axis=1) * MAD_TO_SIGMA
    level = _tiles(light, rows, columns).mean(axis=1)
    usable = (level > CLIPPED_LEVELS[0]) & (level < CLIPPED_LEVELS[1])
    if np.count_nonzero(usable) < LEAST_TILES:
        return unmeasurable("The photo is black or white nearly everywhere.")
    return Measure(float(np.percentile(grain[usable], SMOOTHEST_PERCENTILE)))


def _window(shot: Shot) -> np.ndarray:
    """Returns the luma of the original around the middle of the garment, at most WINDOW_PX."""
    height, width = shot.original.shape[:2]
    box = masks.bounds(shot.garment) or masks.Bounds(0, 0, *shot.garment.shape)
    middle = (box.top + box.bottom) / 2 / shot.scale, (box.left + box.right) / 2 / shot.scale
    top = int(np.clip(middle[0] - WINDOW_PX / 2, 0, max(0, height - WINDOW_PX)))
    left = int(np.clip(middle[1] - WINDOW_PX / 2, 0, max(0, width - WINDOW_PX)))
    return color.luma(shot.original[top : top + WINDOW_PX, left : left + WINDOW_PX])


def _steps(light: np.ndarray) -> float:
    """Returns the excess of the steps between columns at the block borders."""
    step = np.minimum(np.abs(np.diff(light, axis=1)), MAX_STEP)
    # What a step has more than its neighbours: slopes and cloth step everywhere.
    excess = (step[:, 1:-1] - (step[:, :-2] + step[:, 2:]) / 2).mean(axis=0)
    phases = excess[: len(excess) // BLOCK_PX * BLOCK_PX].reshape(-1, BLOCK_PX).mean(axis=0)
    return float(phases.max() - np.median(phases))


def _tiles(light: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Returns (tiles, TILE_PX ** 2)."""
    cut = light[: rows * TILE_PX, : columns * TILE_PX]
    blocks = cut.reshape(rows, TILE_PX, columns, TILE_PX).swapaxes(1, 2)
    return blocks.reshape(rows * columns, TILE_PX**2)
