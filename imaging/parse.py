"""The classical, weight-free parser: from a mannequin photo to its parsing."""

import cv2
import numpy as np

from . import classifier, cues, foreground, labels, refine, split, superpixels
from .parsing import Parsing

# Long side of the copy that is analysed: bounds time and memory for photos of any size.
WORKING_PX = 640
# Below this a photo holds too few pixels to tell garment from mannequin.
SMALLEST_PX = 24


def parse(image: np.ndarray) -> Parsing:
    """Parses a photo into garment, mannequin, support, interior and background.

    Args:
        image: (H, W, 3) uint8 sRGB, of any size from 1x1.

    Returns:
        The parsing, its label map of the photo's size. Where nothing is found the garment is
        empty, the confidence is 0 and a warning says so.

    Raises:
        TypeError: image is not a numpy array of uint8.
        ValueError: image is not (H, W, 3) or is empty.
    """
    _check(image)
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_PX:
        return Parsing(
            np.zeros((height, width), np.uint8),
            warnings=(
                f"The picture is very small ({width}x{height}), so nothing was looked for. "
                "Use a photo of at least 256x256 pixels.",
            ),
        )
    small = _working_copy(image)
    figure = foreground.find(small)
    patches = superpixels.partition(small)
    scene = cues.measure(small, patches, figure)
    shares = split.shares(small, scene, classifier.posterior(scene))
    label_map = refine.upsample(shares, small, image)
    if not (label_map == labels.GARMENT).any():
        return Parsing(
            np.zeros((height, width), np.uint8),
            warnings=(
                "No garment was found. Use a photo in which the garment stands out from the "
                "background, or paint the mask by hand.",
            ),
        )
    return Parsing(label_map, confidence=0.5)


def _working_copy(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    scale = min(1.0, WORKING_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _check(image: np.ndarray) -> None:
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"image must be a numpy array, got {type(image).__name__}. "
            "Open the photo with Pillow and convert it with numpy.asarray."
        )
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(
            f"image must be height x width x 3, got {'x'.join(map(str, image.shape))}. "
            "Convert the photo to RGB."
        )
    if image.dtype != np.uint8:
        raise TypeError(
            f"image must be uint8, got {image.dtype}. Scale it to 0..255 and convert it."
        )
