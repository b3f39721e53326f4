"""What the head of a safetensors file must be. The worker holds the same rule; a test compares."""

import json
import math
from typing import IO, Any, NoReturn

from ..runs.values import RunError

SUFFIX = ".safetensors"
MAX_HEAD_BYTES = 16 << 20  # checkpoints have half a megabyte, the format's own reader takes 100
MAX_DIMENSIONS = 16
BITS = {  # of an element, by the format's names
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
}
OTHERS = {  # what people take for weights, by its first bytes
    b"PK": "a zip or a checkpoint of torch",
    b"\x80": "a pickle",
    b"GGUF": "a GGUF",
    b"<": "a page of the web",
}


def check(file: IO[bytes], size: int) -> int:
    """Checks every statement of the head; returns the number of tensors. The rest is not read.

    Tensors have to fill the file to its last byte, so that nothing else is in it.

    Raises:
        RunError: It is no whole safetensors file.
    """
    file.seek(0)
    begin = file.read(8)
    for magic, what in OTHERS.items():
        if begin.startswith(magic) and begin[4:8] != b"\0\0\0\0":
            _refuse(what)
    length = int.from_bytes(begin, "little")
    if not 2 <= length <= min(MAX_HEAD_BYTES, size - 8):
        _refuse(f"a head of {length} bytes in a file of {size}")
    try:
        head = json.loads(file.read(length), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        _refuse("a head that is no JSON")
    if not isinstance(head, dict):
        _refuse("a head that is no object")
    told = head.pop("__metadata__", {})
    if not isinstance(told, dict) or not all(isinstance(one, str) for one in told.values()):
        _refuse("metadata that are no texts")
    end = 0
    for begins, ends in sorted(_span(name, one) for name, one in head.items()):
        if begins != end:
            _refuse(f"tensors that leave a gap or overlap at byte {min(begins, end)}")
        end = ends
    if not head or 8 + length + end != size:
        _refuse(f"tensors of {end} bytes behind a head of {length} in a file of {size}")
    return len(head)


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
    text = f"A whole safetensors file is required, got {got}. Save the weights as safetensors."
    raise RunError("unsupported_type", 415, text)
