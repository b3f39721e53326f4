"""What one quality measure returns, and the checks that its pictures and masks must pass."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np


class Measure(NamedTuple):
    """One measured number and where in the picture it comes from.

    Attributes:
        value: In the measure's own unit; None where it could not be measured.
        reason: Why there is no value, as a sentence; empty where there is one.
        local: (H, W) float32 of the result's size in the measure's own unit; NaN where the measure
            does not look. None where the measure has no map.
        unknown: (H, W) bool, where the measure looked and could not tell. None like `local`.
        details: Further numbers by name.
        where: The worst place's name, one of `zones.NAMED` or of its grid; empty for all or none.
    """

    value: float | None
    reason: str = ""
    local: np.ndarray | None = None
    unknown: np.ndarray | None = None
    details: Mapping[str, float] = MappingProxyType({})
    where: str = ""


def unmeasurable(reason: str) -> Measure:
    """Returns a measure without a value; unmeasurable is never a pass."""
    return Measure(None, reason)


def require_picture(name: str, picture: np.ndarray) -> None:
    """Raises ValueError unless the picture is (H, W, 3) uint8."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(
            f"{name} must be height x width x 3 uint8, got {_shape(picture)} {picture.dtype}. "
            "Convert the picture to 8-bit RGB."
        )


def require_mask(name: str, mask: np.ndarray, picture: np.ndarray) -> None:
    """Raises ValueError unless the mask is (H, W) bool and as large as its picture."""
    if mask.dtype != bool or mask.shape != picture.shape[:2]:
        raise ValueError(
            f"{name} must be {_shape(picture[..., 0])} bool like its picture, "
            f"got {_shape(mask)} {mask.dtype}. Pass the mask of the same picture."
        )


def require_pair(
    result: np.ndarray, source: np.ndarray, result_mask: np.ndarray, source_mask: np.ndarray
) -> None:
    """Raises ValueError unless both are pictures, each with a mask of its own size."""
    require_picture("result", result)
    require_picture("source", source)
    require_mask("result_mask", result_mask, result)
    require_mask("source_mask", source_mask, source)


def _shape(array: np.ndarray) -> str:
    return "x".join(str(length) for length in array.shape)
