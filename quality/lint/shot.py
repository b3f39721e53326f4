"""The photo and its parsing as all measures of the lint see them: of bounded size, specks gone."""

from typing import NamedTuple

import cv2
import numpy as np

from ...imaging import labels, masks
from ...imaging.parsing import Parsing
from .. import color
from ..measure import require_mask, require_picture

# A photo is judged at the size at which a shop shows it, and at its own where that is smaller.
MAX_SIDE_PX = 2048
# Parts of a label smaller than this share of its largest part are mistakes of the parser.
SPECK_SHARE = 0.02


class Shot(NamedTuple):
    """A photo, reduced to MAX_SIDE_PX.

    Attributes:
        image: (H, W, 3) uint8 sRGB.
        original: The photo as it came, (H', W', 3) uint8 sRGB.
        lab: (H, W, 3) float32 CIE Lab, L 0 to 100.
        garment, mannequin, clutter, backdrop: (H, W) bool; mannequin is without its support,
            backdrop is what no label covers.
        figure: (H, W) bool, garment, its inside, mannequin and support.
        scale: Of image to original, 0 to 1.
        parsing: As it came.
    """

    image: np.ndarray
    original: np.ndarray
    lab: np.ndarray
    garment: np.ndarray
    mannequin: np.ndarray
    clutter: np.ndarray
    backdrop: np.ndarray
    figure: np.ndarray
    scale: float
    parsing: Parsing


def take(image: np.ndarray, parsing: Parsing) -> Shot:
    """Prepares a photo for the measures.

    Args:
        image: (H, W, 3) uint8 sRGB.
        parsing: Of this photo.

    Raises:
        ValueError: The photo is no such array, or the parsing has another size.
    """
    require_picture("image", image)
    require_mask("parsing", parsing.garment, image)
    height, width = image.shape[:2]
    scale = min(1.0, MAX_SIDE_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small, found = image, parsing.label_map
    if scale < 1:
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        found = cv2.resize(found, size, interpolation=cv2.INTER_NEAREST)
    return Shot(
        image=small,
        original=image,
        lab=color.to_lab(small),
        garment=without_specks(found == labels.GARMENT),
        mannequin=without_specks(found == labels.MANNEQUIN),
        clutter=found == labels.CLUTTER,
        backdrop=found == labels.BACKGROUND,
        figure=(found != labels.BACKGROUND) & (found != labels.CLUTTER),
        scale=scale,
        parsing=parsing,
    )


def without_specks(mask: np.ndarray) -> np.ndarray:
    """Returns the (H, W) bool mask without parts under SPECK_SHARE of its largest part."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 3:
        return mask.copy()
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    return (areas >= SPECK_SHARE * areas.max())[parts]


def ring(mask: np.ndarray, within: np.ndarray, reach_share: float) -> np.ndarray:
    """Selects what lies in `within` next to the mask, up to a share of the photo's long side."""
    reach_px = max(2, round(reach_share * max(mask.shape)))
    # A square reaches further at its corners only, and takes a fraction of a disc's time.
    kernel = np.ones((2 * reach_px + 1,) * 2, np.uint8)
    return (cv2.dilate(mask.astype(np.uint8), kernel) > 0) & within


def touching(one: np.ndarray, other: np.ndarray, reach_px: int) -> np.ndarray:
    """Selects, as (H, W) bool, the border between two masks that are at most that far apart."""
    return masks.grow(one, reach_px) & masks.grow(other, reach_px)
