"""The photographed garment inside a generated picture: its own pixels, with an edge of its own."""

from typing import NamedTuple

import numpy as np

from . import crop, masks, matting

# Width of the ramp at the outer border of what may change, in half widths of a soft edge.
RAMP = 3
# Rows per pass; bounds the float copies of a huge photo.
STRIP_ROWS = 512


class Lock(NamedTuple):
    """What of a photo stays, and what may be generated.

    Attributes:
        kept: (H, W) bool, pixels that stay as photographed, bit for bit.
        band: (H, W) bool, the thin edge where the garment is laid over what was generated.
        alpha: (H, W) float32 in [0, 1], opacity of the garment; 1 where `kept`.
        repaint: (H, W) float32 in [0, 1], how much of each pixel an engine may change: feathered
            at the outer border, 0 where `kept`.
    """

    kept: np.ndarray
    band: np.ndarray
    alpha: np.ndarray
    repaint: np.ndarray


def lock(garment_mask: np.ndarray, alpha: np.ndarray, *, allowed: np.ndarray | None = None) -> Lock:
    """Decides which pixels of a photographed garment stay exactly as they are.

    Args:
        garment_mask: (H, W) bool.
        alpha: (H, W) float32 in [0, 1], opacity of this garment, from `matting.alpha`.
        allowed: (H, W) bool or float32 in [0, 1], where anything may change; None is everywhere.

    Returns:
        The lock; kept is the mask without its border, where the garment is opaque.

    Raises:
        ValueError: The garment mask is empty, or the sizes differ.
    """
    _check(garment_mask, alpha, allowed)
    width = matting.band_px(*garment_mask.shape)
    kept = _shrunk(garment_mask, width) & (alpha >= 1)
    if allowed is None:
        repaint = (~kept).astype(np.float32)
    else:
        repaint = crop.feather(allowed, RAMP * width)
        repaint[kept] = 0
    opacity = np.where(kept, np.float32(1), alpha).astype(np.float32)
    return Lock(kept, (opacity > 0) & ~kept & (repaint > 0), opacity, repaint)


def harmonise(photo: np.ndarray, painted: np.ndarray, lock: Lock) -> np.ndarray:
    """Lays the photographed garment over a generated picture.

    Along its edge the garment's colours are freed of the old background that shines through them.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        painted: (H, W, 3) uint8 sRGB, the generated picture at the photo's size.
        lock: Of this photo.

    Returns:
        (H, W, 3) uint8: the photo bit for bit where `kept` or where `repaint` is 0.

    Raises:
        ValueError: The sizes differ.
    """
    for name, picture in (("photo", photo), ("painted", painted)):
        if picture.shape[:2] != lock.kept.shape:
            raise ValueError(_unlike(name, picture, "the garment's mask", lock.kept))
    color = matting.foreground(photo, lock.alpha)
    result = photo.copy()
    for top in range(0, len(photo), STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        changed = lock.repaint[rows] > 0
        over, share = (part[rows][changed][:, None] for part in (lock.alpha, lock.repaint))
        worn = painted[rows][changed] * (1 - over) + color[rows][changed] * over
        mixed = photo[rows][changed] * (1 - share) + worn * share
        result[rows][changed] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return result


def generated(lock: Lock) -> np.ndarray:
    """Returns (H, W) float32 in [0, 1]: how much of each pixel was photographed nowhere."""
    return lock.repaint * (1 - lock.alpha)


def _shrunk(mask: np.ndarray, radius_px: int) -> np.ndarray:
    """The mask without its border; the photo's own edge is no border of the garment."""
    box = masks.bounds(mask)
    if box is None:
        return mask.copy()
    result = np.zeros_like(mask)
    around = masks.Bounds(
        max(0, box.top - radius_px),
        max(0, box.left - radius_px),
        box.bottom + radius_px,
        box.right + radius_px,
    )
    local = slice(around.top, around.bottom), slice(around.left, around.right)
    result[local] = masks.shrink(mask[local], radius_px)
    return result


def _check(garment_mask: np.ndarray, alpha: np.ndarray, allowed: np.ndarray | None) -> None:
    for name, mask in (("alpha", alpha), ("allowed", allowed)):
        if mask is not None and mask.shape != garment_mask.shape:
            raise ValueError(_unlike(name, mask, "garment_mask", garment_mask))
    if not garment_mask.any():
        raise ValueError(
            "garment_mask must select the garment, got an empty mask. "
            "Connect the mask of Parse Mannequin Photo or paint one."
        )


def _unlike(name: str, array: np.ndarray, other: str, like: np.ndarray) -> str:
    size, wanted = ("x".join(map(str, a.shape[:2])) for a in (array, like))
    return (
        f"{name} must be {wanted} like {other}, got {size}. Resize it or connect the one of the "
        "same photograph."
    )
