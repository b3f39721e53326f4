"""Where a body should appear around a garment, for an engine that paints one."""

import cv2
import numpy as np

from . import body, masks, matting
from .anatomy import outline
from .parsing import Parsing

# Room around the outline of the naked body, in statures: skin ends at its outline, hair does not,
# and other clothes stand off the body.
SKIN, HAIR, CLOTHES = 0.008, 0.03, 0.025
# Parts that other clothes will cover, by what the garment covers.
DRESSED = {
    "upper": ("torso", "leg", "foot"),
    "lower": ("torso", "arm", "foot"),
    "dress": ("foot",),
    "layered": ("foot",),
}
# Parts that a garment hides in all its rows, however narrow it is.
HIDDEN = ("torso", "leg")
# Long side of the copy on which the body is drawn: its outline is known no better.
LONG_SIDE = 1024
# Binary digits behind the point of polygon corners, as OpenCV takes them.
SHIFT = 4


def area(parsing: Parsing, certain: np.ndarray) -> np.ndarray:
    """Selects where a body should appear: the missing one's parts, mannequin and stand.

    Above an upper garment these are head and neck, beside it arms and hands, below it hips and
    legs; above a lower garment the torso, below it legs and feet. The inside of the garment counts
    where the body will stand in front of it.

    Args:
        parsing: Of the photo.
        certain: (H, W) bool, pixels that show nothing but garment.

    Returns:
        (H, W) bool; nothing of `certain` but the garment's inside.
    """
    height, width = parsing.size
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(parsing.label_map, size, interpolation=cv2.INTER_NEAREST)
    joints = (
        None if parsing.joints is None else parsing.joints * np.array((scale, scale, 1), np.float32)
    )
    drawn = _body(parsing._replace(label_map=small, joints=joints))
    soft = cv2.resize(drawn.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_LINEAR)
    expected = soft > 127
    # A band around what goes: its edge pixels hold its colour too.
    gone = masks.grow(parsing.mannequin | parsing.support, matting.band_px(*parsing.size))
    return (expected | gone) & ~(certain & ~(parsing.interior & expected))


def _body(parsing: Parsing) -> np.ndarray:
    """(H, W) bool, the body with room for hair and clothes, but for a trunk in its garment."""
    try:
        pose = body.locate(parsing)
    except ValueError:  # too little of a garment to hang a body on
        return np.zeros(parsing.size, bool)
    stature = outline.frame(pose).stature
    dressed = DRESSED.get(parsing.region, DRESSED["upper"])
    drawn, trunk = np.zeros(parsing.size, np.uint8), np.zeros(parsing.size, np.uint8)
    for name, polygon in outline.parts(pose).items():
        part = name.split("_")[0]
        room = HAIR if part == "head" else CLOTHES if part in dressed else SKIN
        _draw(trunk if part in HIDDEN else drawn, polygon, room * stature)
    return (drawn > 0) | ((trunk > 0) & ~_beside(parsing.garment))


def _draw(canvas: np.ndarray, polygon: np.ndarray, room_px: float) -> None:
    """Fills a polygon and a band of `room_px` around it; thick lines, as large discs are slow."""
    limit = 4 * max(canvas.shape)  # OpenCV's coordinates are 32 bit
    corners = [np.rint(np.clip(polygon, -limit, limit) * 2**SHIFT).astype(np.int32)]
    cv2.fillPoly(canvas, corners, 1, cv2.LINE_8, SHIFT)
    width = int(np.clip(round(2 * room_px), 1, 32767))
    cv2.polylines(canvas, corners, True, 1, width, cv2.LINE_8, SHIFT)


def _beside(garment: np.ndarray) -> np.ndarray:
    """Selects the rows of the garment outside of it, where no trunk must look out.

    Free are places over or under it: with garment in the same column on one side only.
    """
    over = np.maximum.accumulate(garment, 0)
    under = np.maximum.accumulate(garment[::-1], 0)[::-1]
    rows = garment.any(1)
    first, last = (np.flatnonzero(rows)[[0, -1]]) if rows.any() else (0, -1)
    between = np.zeros(garment.shape, bool)
    between[first : last + 1] = True
    return between & (over == under)
