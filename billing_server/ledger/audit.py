"""Hashes: what was asked, and the chain of an account's movements. Pure."""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime

from .values import Entry, Grant, Movement, Request


def request_digest(request: Request) -> bytes:
    """Returns the SHA-256 of a request without its key, to recognise it when it is repeated."""
    return hashlib.sha256(_canonical(request._replace(key=""))).digest()


def movement_hash(
    previous: bytes, movement: Movement, entries: Iterable[Entry], grant: Grant | None
) -> bytes:
    """Returns the SHA-256 of a movement with its entries and terms, after the one before."""
    terms = grant and grant[:7]  # not what is left of it: that changes
    content = _canonical([movement[:-1], [tuple(entry) for entry in entries], terms])
    return hashlib.sha256(previous + content).digest()


def anchor_digest(previous: bytes, heads: Iterable[tuple[int, int, bytes]]) -> bytes:
    """Returns the SHA-256 of an anchor: the one before it and the heads that moved since."""
    return hashlib.sha256(previous + _canonical(list(heads))).digest()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.hex()  # type: ignore[union-attr]  (bytes)


_encode = json.JSONEncoder(separators=(",", ":"), default=_plain).encode


def _canonical(value: object) -> bytes:
    return _encode(value).encode()
