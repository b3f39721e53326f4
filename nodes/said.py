"""What the user said about each picture of a batch: strokes and painted masks, as corrections."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from . import documents, tensors

if TYPE_CHECKING:
    from ..imaging.strokes import StrokeDocument


class Said(NamedTuple):
    """One picture and its corrections.

    Attributes:
        picture: (H, W, 3) uint8 sRGB.
        corrections: For `parse`; None where nothing was said.
        doubts: Sentences for the user about the corrections.
    """

    picture: np.ndarray
    corrections: "StrokeDocument | np.ndarray | None"
    doubts: tuple[str, ...]


def read(corrections: str | None) -> "list[StrokeDocument] | None":
    """Reads the documents of the socket `corrections`; None where nothing was said.

    Raises:
        ValueError: a document breaks the rules.
    """
    if corrections is None or not corrections.strip():
        return None
    return documents.read(corrections, "corrections")


def by_picture(
    image: torch.Tensor,
    corrections: "list[StrokeDocument] | None",
    keep: torch.Tensor | None,
    drop: torch.Tensor | None,
) -> list[Said]:
    """Pairs every picture with what was said about it; one document or mask serves all.

    Raises:
        ValueError: a batch has another number of items, or a painted mask has other proportions
            than the picture.
    """
    pairs = tensors.pair(
        image=tensors.to_pictures(image, "image"),
        corrections=corrections,
        keep=None if keep is None else tensors.to_masks(keep, "keep"),
        drop=None if drop is None else tensors.to_masks(drop, "drop"),
    )
    return [_said(**one) for one in pairs]


def _said(
    image: np.ndarray,
    corrections: "StrokeDocument | None",
    keep: np.ndarray | None,
    drop: np.ndarray | None,
) -> Said:
    from ..imaging.parser import corrections as correcting

    painted = False
    for name, mask in (("keep", keep), ("drop", drop)):
        # Load Image gives an empty mask of 64x64 where nothing was painted.
        if mask is not None and (mask > 0.5).any():
            painted = True
            if not _alike(mask.shape, image.shape[:2]):
                tensors.require_same_size(mask, image, name, "image")
    doubts = () if corrections is None else correcting.doubts(corrections, image)
    if not painted:
        return Said(image, corrections, doubts)
    return Said(image, correcting.from_masks(keep, drop, corrections), doubts)


def _alike(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Whether two sizes have the same proportions, to a pixel."""
    return abs(first[0] * second[1] - first[1] * second[0]) <= max(*first, *second)
