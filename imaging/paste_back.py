"""A painted picture back on its photo, exactly: for pictures that any model painted."""

from typing import NamedTuple

import numpy as np

from . import crop, garment_lock, masks, matting, tone

# What is done to the colours of the painted picture.
COLORS = ("match", "as painted")
# A model works at sides of whole blocks, which bends a picture a little; more is another picture.
MOST_BENT = 1.1
MASK_THRESHOLD = 0.5


class Pasted(NamedTuple):
    """A photo with a part painted anew.

    Attributes:
        image: (H, W, 3) uint8 sRGB, bit-identical to the photo where `repainted` is 0.
        repainted: (H, W) float32 in [0, 1], how much of each pixel may differ from the photo.
        generated: (H, W) float32 in [0, 1], how much of each pixel was photographed nowhere.
    """

    image: np.ndarray
    repainted: np.ndarray
    generated: np.ndarray


def paste(
    photo: np.ndarray,
    painted: np.ndarray,
    mask: np.ndarray,
    *,
    garment: np.ndarray | None = None,
    colors: str = "match",
) -> Pasted:
    """Lays a painted picture over the photo it was made from, inside of a mask.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        painted: (h, w, 3) uint8 sRGB, the whole photo painted anew, at any size.
        mask: (H, W) float32 in [0, 1] or bool; 0 stays, but for the garment's edge beside it. It
            is feathered inward.
        garment: (H, W) float32 in [0, 1], opacity of the photographed garment, which stays too:
            its own pixels inside, a thin edge free of the old background.
        colors: One of COLORS; match undoes the model's drift, measured where mask is 0.

    Raises:
        ValueError: Sizes or shapes do not fit, or `colors` is unknown.
    """
    _check(photo, painted, mask, garment, colors)
    height, width = photo.shape[:2]
    whole = masks.Bounds(0, 0, *painted.shape[:2])
    new = crop.cut(painted, crop.Crop(whole, height, width))
    if colors == "match":
        new = tone.match(new, photo, mask)
    if garment is None or not (garment > MASK_THRESHOLD).any():
        soft = crop.feather(mask, garment_lock.RAMP * matting.band_px(height, width))
        full = crop.Crop(masks.Bounds(0, 0, height, width), height, width)
        image, repainted = crop.paste(photo, new, full, soft)
        return Pasted(image, repainted, repainted)
    lock = garment_lock.lock(
        garment > MASK_THRESHOLD, garment.astype(np.float32), allowed=_with_edge(mask, garment)
    )
    image = garment_lock.harmonise(photo, new, lock)
    return Pasted(image, lock.repaint, garment_lock.generated(lock))


def _with_edge(mask: np.ndarray, garment: np.ndarray) -> np.ndarray:
    """The mask, and the garment beside it, so that no rim of the old background stays between."""
    width = matting.band_px(*mask.shape)
    # The feather must have ended before it reaches the pixels that are laid anew.
    reach = masks.grow(mask > 0, (garment_lock.RAMP + 2) * width)
    edge = reach & masks.grow(garment > 0, width)
    return np.where(edge, np.float32(1), mask.astype(np.float32))


def _check(
    photo: np.ndarray,
    painted: np.ndarray,
    mask: np.ndarray,
    garment: np.ndarray | None,
    colors: str,
) -> None:
    height, width = photo.shape[:2]
    for name, one in (("mask", mask), ("garment", garment)):
        if one is not None and one.shape != (height, width):
            raise ValueError(
                f"{name} must be {height}x{width} like photo, got {one.shape[0]}x{one.shape[1]}. "
                "Resize the mask or connect the mask of the same photograph."
            )
    bent = painted.shape[0] / painted.shape[1] * width / height
    if max(bent, 1 / bent) > MOST_BENT:
        raise ValueError(
            f"painted must have the shape of photo, {height}x{width}, got "
            f"{painted.shape[0]}x{painted.shape[1]}. Connect the whole picture, not a crop."
        )
    if colors not in COLORS:
        raise ValueError(
            f"colors must be one of {', '.join(COLORS)}, got {colors!r}. Choose one of these."
        )
