"""Whether two pictures show a garment in the same place, and what moves one onto the other."""

from typing import NamedTuple

import cv2
import numpy as np

from ..imaging import masks
from ..imaging.masks import Bounds
from . import color, tiles

SMOOTH_PX = 2.0  # sigma; sensor noise and JPEG blocks are not what two pictures share
# Same garment, same place, other wearer: 0.90 or more in 38 rendered pairs; a 2.5 px blur 0.89
# or more; moved by 3 px 0.84 in the median, by 8 px 0.42, another garment 0.28 at most.
MIN_CORRELATION = 0.85
MIN_TILES = 3  # the median of fewer is chance
MIN_STRUCTURE = 0.006  # standard deviation of luma in a tile, 1.5 levels; less is noise
FLOW_SIDE_PX = 640  # long side of the pictures between which the flow is found
LEAST_FLOW_PX = 32  # a shorter side has no room for the flow's patches
MAX_MOTION = 0.03  # of the long side, median; farther is another place, not another drawing of it
MARGIN_PX = 24  # around the garment; it may have moved by as much


class Placed(NamedTuple):
    """A picture that has been moved onto another one.

    Attributes:
        picture: (H, W, 3) uint8, the moved picture.
        mask: (H, W) bool, its garment, moved as well.
        motion: (H, W, 2) float32, x and y in px: where each pixel was fetched from, relative.
    """

    picture: np.ndarray
    mask: np.ndarray
    motion: np.ndarray


def place(
    result: np.ndarray, other: np.ndarray, mask: np.ndarray, other_mask: np.ndarray
) -> Placed | None:
    """Moves another picture of the same garment onto the result, pixel by pixel.

    Args:
        result, other: (H, W, 3) uint8 sRGB of one size.
        mask, other_mask: (H, W) bool, the garment in each.

    Returns:
        None where the sizes differ, the garment is in another place or is another garment: then
        no pixels correspond, and only statistics may be compared.

    Reference:
        Kroeger, Timofte, Dai, Van Gool: Fast Optical Flow using Dense Inverse Search, ECCV 2016.
    """
    if result.shape != other.shape or not (mask & other_mask).any():
        return None
    motion = flow(result, other)
    if motion is None:
        return None
    far = np.median(np.abs(motion[mask]), axis=0).max()
    if far > MAX_MOTION * max(mask.shape):
        return None
    rows, columns = np.indices(mask.shape, np.float32)
    source = columns + motion[..., 0], rows + motion[..., 1]
    picture = cv2.remap(other, *source, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    moved = cv2.remap(other_mask.astype(np.uint8), *source, cv2.INTER_NEAREST) > 0
    if not aligned(result, picture, mask & moved):
        return None
    return Placed(picture, moved, motion)


def flow(result: np.ndarray, other: np.ndarray) -> np.ndarray | None:
    """Finds where each pixel of the result lies in the other picture of the same size.

    Args:
        result, other: (H, W, 3) uint8 sRGB.

    Returns:
        (H, W, 2) float32, x and y in px, relative; None for pictures too small.
    """
    height, width = result.shape[:2]
    if min(height, width) < LEAST_FLOW_PX:
        return None
    scale = min(1.0, FLOW_SIDE_PX / max(height, width))
    size = max(LEAST_FLOW_PX, round(width * scale)), max(LEAST_FLOW_PX, round(height * scale))
    small = [
        cv2.resize(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        for p in (result, other)
    ]
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    found = finder.calc(small[0], small[1], None)  # type: ignore[call-overload]  (OpenCV's stubs)
    stretch = np.array((width / size[0], height / size[1]), np.float32)
    if size == (width, height):
        return found
    return cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) * stretch


def around(*garments: np.ndarray) -> Bounds:
    """Returns the bounds around all (H, W) bool masks, with a margin; all where there is none."""
    height, width = garments[0].shape
    found = [bounds for one in garments if (bounds := masks.bounds(one)) is not None]
    if not found:
        return Bounds(0, 0, height, width)
    return Bounds(
        max(0, min(b.top for b in found) - MARGIN_PX),
        max(0, min(b.left for b in found) - MARGIN_PX),
        min(height, max(b.bottom for b in found) + MARGIN_PX),
        min(width, max(b.right for b in found) + MARGIN_PX),
    )


def correlation(result: np.ndarray, source: np.ndarray, mask: np.ndarray) -> float | None:
    """Measures how well two pictures of one size agree inside a mask.

    Normalised correlation of the smoothed luma in each tile, and the median over the tiles: a
    change of exposure or a veil changes little, and a fault in one place does not either.

    Args:
        result, source: (H, W, 3) uint8 sRGB.
        mask: (H, W) bool.

    Returns:
        -1 to 1; None where the sizes differ or fewer than MIN_TILES show any structure.
    """
    if result.shape != source.shape or mask.shape != result.shape[:2]:
        return None
    where = color.inside(mask, 3)
    after, before = (cv2.GaussianBlur(color.luma(p), (0, 0), SMOOTH_PX) for p in (result, source))
    found = [_agreement(after[t][where[t]], before[t][where[t]]) for t in tiles.tiles(where)]
    known = [agreement for agreement in found if agreement is not None]
    return float(np.median(known)) if len(known) >= MIN_TILES else None


def _agreement(after: np.ndarray, before: np.ndarray) -> float | None:
    if before.std() < MIN_STRUCTURE:
        return None
    spread = max(float(after.std() * before.std()), MIN_STRUCTURE**2 / 100)
    return float(((after - after.mean()) * (before - before.mean())).mean() / spread)


def aligned(result: np.ndarray, source: np.ndarray, mask: np.ndarray) -> bool:
    """Tells whether the masked pixels of two pictures correspond."""
    agreement = correlation(result, source, mask)
    return agreement is not None and agreement >= MIN_CORRELATION
