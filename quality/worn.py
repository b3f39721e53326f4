"""Where the garment of a photo is in a picture of it that came without a mask."""

import numpy as np

from ..imaging import parse
from . import alignment

LEAST_GARMENT = 0.01  # of a picture; a smaller one was not found


def garment(picture: np.ndarray, photo: np.ndarray | None, mask: np.ndarray) -> np.ndarray | None:
    """Finds the garment: in its place in the photo, else by the parser.

    Args:
        picture: (H, W, 3) uint8 sRGB, the finished picture.
        photo: (h, w, 3) uint8 sRGB of the garment, of any size; or None.
        mask: (h, w) bool, the garment in the photo.

    Returns:
        (H, W) bool; None where the garment is where it is in the photo, or is not found.
    """
    if photo is not None and picture.shape == photo.shape:
        if alignment.aligned(picture, photo, mask):
            return None
        if alignment.place(picture, photo, mask, mask) is not None:
            return None
    found = parse.parse(picture).garment
    return found if found.mean() >= LEAST_GARMENT else None
