"""The pictures that an editor looks at: which, in which order, how large."""

import math
from typing import Any

import cv2
import numpy as np

from .painter import TASKS, PaintRequest

TRY_ON = TASKS[0]
CROP, GARMENT, PERSON, ROLES, SKELETON = "crop", "garment", "person", "roles", "skeleton"
# What shall be painted shows nothing of what was there; the colour that says least.
GREY = 127


def shown(request: PaintRequest) -> dict[str, list[np.ndarray]]:
    """Returns what each picture shows, in the order in which editors see them.

    The crop, the garments, the person, and the drawing of the pose: strokes where the user drew
    some, else the skeleton.
    """
    pictures = {CROP: [crop(request)], GARMENT: list(request.garments)}
    if request.person is not None:
        pictures[PERSON] = [request.person]
    if request.roles is not None and request.roles.any():
        pictures[ROLES] = [request.roles]
    elif request.skeleton is not None and request.skeleton.any():
        pictures[SKELETON] = [request.skeleton]
    return {what: found for what, found in pictures.items() if found}


def crop(request: PaintRequest) -> np.ndarray:
    """Returns the crop as an editor sees it.

    For a try-on the masked area is grey: an editor copies the length and the sleeves of whatever
    garment it sees there. A mannequin stays visible, because its body is the pose.
    """
    if request.task != TRY_ON:
        return request.image
    return np.where(request.mask[..., None] > 0, np.uint8(GREY), request.image)


def whole_cells(mask: np.ndarray, cell: int) -> np.ndarray:
    """Returns a mask that selects every cell of which it selected any pixel.

    A cell that is kept would show the old garment in all of its pixels, those of the mask too.

    Args:
        mask: (h, w) float32 in [0, 1], sides multiples of `cell`.
        cell: Pixels of the photo along one side of a latent pixel.

    Returns:
        (h, w) bool.
    """
    height, width = mask.shape
    cells = mask.reshape(height // cell, cell, width // cell, cell).max(axis=(1, 3)) > 0
    return cells.repeat(cell, 0).repeat(cell, 1)


def fitted(pixels: np.ndarray, *, area: int, multiple: int) -> np.ndarray:
    """Returns a picture of at most `area` pixels whose sides are multiples of `multiple`.

    It is scaled, never stretched; what is left over is cut off evenly, as diffusers does it.

    Args:
        pixels: (h, w, 3) uint8.
        area: In pixels.
        multiple: In pixels.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, math.sqrt(area / (height * width)))
    scale = max(scale, multiple / min(height, width))
    if scale != 1:
        # Never below one multiple, nor through rounding.
        across, down = (max(multiple, int(side * scale + 1e-6)) for side in (width, height))
        pixels = resized(pixels, (across, down))
        height, width = pixels.shape[:2]
    top, left = height % multiple // 2, width % multiple // 2
    rows = slice(top, top + height // multiple * multiple)
    return np.ascontiguousarray(pixels[rows, left : left + width // multiple * multiple])


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns a picture at another size (width, height)."""
    if pixels.shape[1::-1] == tuple(size):
        return pixels
    smaller = size[0] * size[1] < pixels.shape[0] * pixels.shape[1]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def beside(garment: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns a garment in the middle of a white picture of size (width, height), unstretched."""
    width, height = size
    scale = min(width / garment.shape[1], height / garment.shape[0])
    inner = (max(1, round(garment.shape[1] * scale)), max(1, round(garment.shape[0] * scale)))
    small = resized(garment, inner)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    canvas = np.full((height, width, 3), 255, np.uint8)
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def picture(pixels: np.ndarray) -> Any:
    """Returns a Pillow picture of (h, w, 3) uint8, or of a bool mask in black and white."""
    from PIL import Image

    return Image.fromarray(pixels if pixels.dtype == np.uint8 else np.uint8(pixels) * 255)
