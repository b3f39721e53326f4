"""A product picture as a marketplace wants it: cut out, centred, on a square of its size."""

from typing import NamedTuple

import cv2
import numpy as np

from .. import stitch, studio
from .choices import GROUNDS

# Below this opacity a pixel is nothing when the garment is framed: less than a grey level.
FAINT = 4 / 255
# A picture of the old ground is kept at this many pixels on the long side: it only has to tell
# the colour behind an edge, and grounds are smooth.
GROUND_PX = 256
# From this enlargement on a picture looks soft, by eye.
SOFT = 1.3


class Sheet(NamedTuple):
    """A picture ready to be saved.

    Attributes:
        image: (H, W, 3) uint8 sRGB; straight colours where there is an alpha.
        alpha: (H, W) uint8, or None for an opaque picture.
        sources: (H, W) uint8, the generated-pixel map in the same place, or None.
        enlarged: By how much the garment was scaled up; 1 or less where it was not.
    """

    image: np.ndarray
    alpha: np.ndarray | None = None
    sources: np.ndarray | None = None
    enlarged: float = 1.0


def straight(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Takes the colour of the ground out of soft edges, so that none shows on another ground.

    The ground behind an edge is what is seen beside it, where alpha is 0.

    Args:
        image: (H, W, 3) uint8 sRGB, the garment on any smooth ground.
        alpha: (H, W) float32 in [0, 1].

    Returns:
        (H, W, 3) uint8; equal to `image` where alpha is 0 or 1.
    """
    rows, columns = np.nonzero((alpha > 0) & (alpha < 1))
    bare = (alpha <= 0).astype(np.uint8)
    if not len(rows) or not bare.any():
        return image
    ground = _ground(image, bare)
    height, width = alpha.shape
    at = rows * len(ground) // height, columns * ground.shape[1] // width
    share = alpha[rows, columns, None]
    mixed = image[rows, columns].astype(np.float32)
    # Below a tenth, rounding to bytes is magnified more than tenfold.
    color = (mixed - ground[at] * (1 - share)) / np.maximum(share, 0.1)
    result = image.copy()
    result[rows, columns] = np.rint(np.clip(color, 0, 255)).astype(np.uint8)
    return result


def arrange(
    image: np.ndarray,
    alpha: np.ndarray | None = None,
    sources: np.ndarray | None = None,
    *,
    ground: str = "as given",
    side_px: int = 0,
    margin: float = 0.05,
) -> Sheet:
    """Lays a picture on its ground, and on a square where one is wanted.

    Args:
        image: (H, W, 3) uint8 sRGB; straight colours where there is an alpha.
        alpha: (H, W) float32 in [0, 1]; with it the garment alone is framed.
        sources: (H, W) uint8 generated-pixel map.
        ground: One of GROUNDS; "as given" takes no notice of the alpha.
        side_px: Of the square; 0 keeps the picture's own size and frame.
        margin: Least distance from the frame as a share of side_px, 0 to 0.45.

    Returns:
        The picture; it has an alpha only on the transparent ground.

    Raises:
        ValueError: The ground is unknown, or transparent without an alpha.
    """
    if ground not in GROUNDS:
        raise ValueError(
            f"background must be one of {', '.join(GROUNDS)}, got {ground!r}. Choose one of these."
        )
    if ground == "transparent" and alpha is None:
        raise ValueError(
            "garment_alpha must be connected for the background 'transparent', got nothing. "
            "Connect garment_alpha of Remove Mannequin, or choose another background."
        )
    opacity = None
    if alpha is not None and ground != "as given":
        opacity = np.rint(alpha * 255).astype(np.uint8)
    if not side_px:
        sheet = Sheet(image, opacity, sources)
    else:
        sheet = _framed(image, opacity, sources, side_px, margin)
    color = GROUNDS[ground]
    if color is None or sheet.alpha is None:
        return sheet
    opaque = stitch.stitch(
        np.full_like(sheet.image, color), sheet.image, sheet.alpha.astype(np.float32) / 255
    )
    return sheet._replace(image=opaque, alpha=None)


def _framed(
    image: np.ndarray,
    alpha: np.ndarray | None,
    sources: np.ndarray | None,
    side_px: int,
    margin: float,
) -> Sheet:
    box = _bounds(alpha, image.shape[:2])
    image = image[box]
    room = max(1, round(side_px * (1 - 2 * margin)))
    scale = room / max(image.shape[:2])
    size = [max(1, min(room, round(side * scale))) for side in image.shape[:2]]
    top, left = ((side_px - side) // 2 for side in size)
    place = (slice(top, top + size[0]), slice(left, left + size[1]))
    colors = np.full((side_px, side_px, 3), studio.WHITE, np.uint8)
    opacity = None
    if alpha is None:
        colors[place] = _scaled(image, size)
    else:
        opacity = np.zeros((side_px, side_px), np.uint8)
        # Colours weigh by their opacity, or the invisible ones would bleed into the edge.
        weight = alpha[box].astype(np.float32) / 255
        small = _scaled(weight, size)
        mixed = _scaled(image * weight[..., None], size)
        shown = small > 0.5 / 255
        straightened = mixed / np.maximum(small, 0.5 / 255)[..., None]
        straightened[~shown] = 255
        colors[place] = np.rint(np.clip(straightened, 0, 255)).astype(np.uint8)
        opacity[place] = np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)
    placed = None
    if sources is not None:
        placed = np.zeros((side_px, side_px), np.uint8)
        placed[place] = _highest(sources[box], size)
    return Sheet(colors, opacity, placed, scale)


def _ground(image: np.ndarray, bare: np.ndarray) -> np.ndarray:
    """Returns a small float32 picture of the ground, carried on under the garment."""
    factor = min(1.0, GROUND_PX / max(bare.shape))
    size = [max(1, round(side * factor)) for side in bare.shape]
    seen = cv2.erode(bare, np.ones((3, 3), np.uint8))  # an edge's neighbours are no ground
    seen = seen if seen.any() else bare
    weight = _scaled(seen.astype(np.float32), size)
    color = _scaled(np.where(seen[..., None] > 0, image, 0), size).astype(np.float32)
    known = weight >= min(0.5, weight.max())
    color /= np.maximum(weight, 1e-6)[..., None]
    # Of the nearest place where it is seen.
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = np.zeros((labels.max() + 1, 3), np.float32)
    colors[labels[known]] = color[known]
    return colors[labels]


def _bounds(alpha: np.ndarray | None, size: tuple[int, ...]) -> tuple[slice, slice]:
    """The garment where there is one to be seen, else the whole picture."""
    if alpha is not None:
        seen = alpha > FAINT * 255
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        if len(rows):
            return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return slice(0, size[0]), slice(0, size[1])


def _scaled(image: np.ndarray, size: list[int]) -> np.ndarray:
    smaller = size[0] < image.shape[0]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(image, (size[1], size[0]), interpolation=way)


def _highest(codes: np.ndarray, size: list[int]) -> np.ndarray:
    """Scales a map; a smaller one keeps the highest code, so that nothing invented is hidden."""
    factor = max(-(-was // now) for was, now in zip(codes.shape, size, strict=True))
    if factor > 1:
        codes = cv2.dilate(codes, np.ones((factor, factor), np.uint8))
    return cv2.resize(codes, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
