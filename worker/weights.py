"""Reads the head of a safetensors file: whether it is one, whole, and holds numbers alone."""

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from .protocol import WorkflowError

SUFFIX = ".safetensors"
MAX_HEAD_BYTES = 100_000_000  # the limit of the format's own reader
MAX_DIMENSIONS = 16
# Bits of an element, by the format's names.
BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
}


def scan(path: Path) -> dict[str, Any]:
    """Returns the head of a safetensors file after every statement in it was checked.

    A pickle, a program or a damaged file does not pass: the tensors have to fill the file to its
    last byte, without gap or overlap. Nothing of the body is read.

    Raises:
        WorkflowError: it is no such file.
    """
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MAX_HEAD_BYTES, size_bytes - 8):
            _refuse(f"a head of {length} bytes in a file of {size_bytes}")
        text = file.read(length)
    try:
        head = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        _refuse(f"a head that begins with {text[:20]!r}")
    if not isinstance(head, dict):
        _refuse("a head that is no object")
    told = head.get("__metadata__", {})
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        _refuse("metadata that are no texts")
    spans = sorted(_span(name, one) for name, one in head.items() if name != "__metadata__")
    end = 0
    for begin, stop in spans:
        if begin != end:
            _refuse(f"tensors that leave a gap or overlap at byte {min(begin, end)}")
        end = stop
    if end != size_bytes - 8 - length:
        _refuse(f"{size_bytes - 8 - length} bytes of tensors where the head tells of {end}")
    return head


def _span(name: str, told: Any) -> tuple[int, int]:
    if not isinstance(told, dict) or set(told) != {"dtype", "shape", "data_offsets"}:
        _refuse(f"a tensor {name!a:.60} without dtype, shape and data_offsets")
    bits, shape, span = BITS.get(str(told["dtype"])), told["shape"], told["data_offsets"]
    if not _sizes(shape) or not _sizes(span) or len(shape) > MAX_DIMENSIONS or len(span) != 2:
        _refuse(f"a tensor {name!a:.60} of an impossible shape or place")
    if bits is None or 8 * (span[1] - span[0]) != bits * math.prod(shape):
        _refuse(f"a tensor {name!a:.60} of a size that is not that of its shape")
    return span[0], span[1]


def _sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is int and 0 <= one < 2**48 for one in value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _refuse(got: str) -> NoReturn:
    raise WorkflowError(
        "weights_format",
        f"weights must be a whole safetensors file, got {got}. Save them as safetensors again.",
    )
