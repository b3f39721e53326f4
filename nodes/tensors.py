"""The edge between ComfyUI's batches and single pictures; the only file that converts.

IMAGE is (B, H, W, C) float32 in [0, 1], MASK is (B, H, W) float32 in [0, 1]. Below this file a
picture is (H, W, 3) uint8 sRGB and a mask (H, W) bool or float32.
"""

from collections.abc import Sequence
from typing import Any

import comfy.model_management
import numpy as np
import torch


def to_pictures(image: torch.Tensor, name: str) -> list[np.ndarray]:
    """Returns the batch as (H, W, 3) uint8 pictures, transparency laid on white.

    Raises:
        ValueError: `image`, called `name` by the user, is no IMAGE batch or is empty.
    """
    return [(one * 255).round().to(torch.uint8).numpy() for one in _levels(image, name)]


def to_levels(image: torch.Tensor, name: str) -> list[np.ndarray]:
    """Returns the batch as (H, W, 3) float32 pictures in [0, 1], not rounded to 8 bits.

    Raises:
        ValueError: `image`, called `name` by the user, is no IMAGE batch or is empty.
    """
    return [one.numpy().copy() for one in _levels(image, name)]


def from_levels(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Returns (H, W, 3) float32 pictures of one size in [0, 1] as an IMAGE."""
    return torch.from_numpy(np.stack(pictures)).to(_device())


def alpha(image: torch.Tensor) -> torch.Tensor | None:
    """Returns the fourth channel of an IMAGE batch as a MASK; None where it has none."""
    return image[..., 3] if image.ndim == 4 and image.shape[-1] == 4 else None


def from_pictures(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Returns (H, W, 3) uint8 pictures of one size as an IMAGE."""
    stacked = torch.from_numpy(np.stack(pictures)).to(_device())
    return stacked.float() / 255


def to_masks(mask: torch.Tensor, name: str) -> list[np.ndarray]:
    """Returns the batch as (H, W) float32 masks in [0, 1].

    Raises:
        ValueError: `mask` is no MASK batch.
    """
    levels = mask.unsqueeze(0) if mask.ndim == 2 else mask
    if levels.ndim != 3 or 0 in levels.shape:
        raise ValueError(
            f"{name} must be a batch of masks, got shape {tuple(mask.shape)}. "
            "Connect a MASK output."
        )
    levels = torch.nan_to_num(levels.detach().float().cpu()).clamp(0, 1)
    return [one.numpy().copy() for one in levels]


def from_masks(masks: Sequence[np.ndarray]) -> torch.Tensor:
    """Returns (H, W) bool or float32 masks of one size as a MASK."""
    return torch.from_numpy(np.stack(masks).astype(np.float32)).to(_device())


def require_same_size(mask: np.ndarray, picture: np.ndarray, mask_name: str, name: str) -> None:
    """Refuses a mask of another photograph.

    Raises:
        ValueError: the two differ in height or width.
    """
    if mask.shape != picture.shape[:2]:
        height, width = picture.shape[:2]
        raise ValueError(
            f"{mask_name} must be {height}x{width} like {name}, got "
            f"{mask.shape[0]}x{mask.shape[1]}. Resize the mask or connect the mask of the "
            "same photograph."
        )


def pair(**batches: Sequence[Any] | None) -> list[dict[str, Any]]:
    """Returns one dict of single items for each picture; batches of one are repeated.

    Raises:
        ValueError: two batches differ and neither has one item; names both numbers.
    """
    counts = {name: len(batch) for name, batch in batches.items() if batch is not None}
    longest = max(counts, key=lambda name: counts[name])
    for name, count in counts.items():
        if count not in (1, counts[longest]):
            raise ValueError(
                f"{longest} and {name} must have the same batch size or one of them 1, "
                f"got {counts[longest]} and {count}. Repeat or split one of the batches."
            )
    return [
        {
            name: None if batch is None else batch[0 if len(batch) == 1 else index]
            for name, batch in batches.items()
        }
        for index in range(counts[longest])
    ]


def stitch(person: torch.Tensor, painted: Sequence[np.ndarray], masks: Sequence[np.ndarray]):
    """Returns the person batch with `painted` where the mask is above 0, else bit-identical.

    ComfyUI's own values are kept outside, not their 8-bit rounding.

    Args:
        person: (B or 1, H, W, 3 or 4) IMAGE; a fourth channel is dropped.
        painted: (H, W, 3) uint8 pictures.
        masks: (H, W) float32 masks.
    """
    count = len(painted)
    base = person[..., :3].float().cpu().expand(count, -1, -1, -1)
    new = torch.from_numpy(np.stack(painted)).float() / 255
    inside = torch.from_numpy(np.stack(masks) > 0)[..., None]
    return torch.where(inside, new, base).to(_device())


def _levels(image: torch.Tensor, name: str) -> torch.Tensor:
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or 0 in image.shape:
        raise ValueError(
            f"{name} must be a batch of pictures with 1, 3 or 4 channels, got shape "
            f"{tuple(image.shape)}. Connect an IMAGE output."
        )
    levels = torch.nan_to_num(image.detach().float().cpu(), posinf=1.0).clamp(0, 1)
    if levels.shape[-1] == 4:
        levels = levels[..., :3] * levels[..., 3:] + (1 - levels[..., 3:])
    if levels.shape[-1] == 1:
        levels = levels.expand(*levels.shape[:3], 3)
    return levels


def _device() -> torch.device:
    return comfy.model_management.intermediate_device()
