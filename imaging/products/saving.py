"""Pictures for a shop as files: PNG, JPEG or WebP, whole or not at all."""

import contextlib
import errno
import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from .. import files
from .choices import FORMATS

PNG_LEVEL = 4  # as ComfyUI's own; 9 takes five times as long for a few percent
FULL_COLOR_QUALITY = 90  # from here on JPEG keeps colour at full resolution: red edges stay sharp
MAX_EXIF_BYTES = 60_000  # a JPEG's or WebP reader's limit is 64 KiB
ABANDONED_S = 3600.0  # nobody writes one picture for an hour
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_EXIF_DESCRIPTION = 0x010E


class DiskError(OSError):
    """The disk does not take a picture; the next one will fare no better."""


def write(
    path: Path,
    image: np.ndarray,
    alpha: np.ndarray | None = None,
    *,
    quality: int = 92,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Writes a picture; a reader sees the old file or the new one, and so does a power cut.

    Args:
        path: Its suffix tells the format; the folder is made.
        image: (H, W, 3) uint8 sRGB.
        alpha: (H, W) uint8; JPEG has none.
        quality: 1 to 100, for JPEG and WebP.
        texts: Metadata: text chunks of a PNG; one JSON text in the EXIF of the others, left out
            where it is too long for it.

    Raises:
        ValueError: The format is unknown or cannot hold so large a picture.
        DiskError: The disk is full or refuses; nothing is left of the picture.
    """
    suffix = path.suffix.lower()
    limits = {ending: side_px for ending, side_px in FORMATS.values()}
    if suffix not in limits:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {suffix!r}. Choose one.")
    if max(image.shape[:2]) > limits[suffix]:
        height, width = image.shape[:2]
        raise ValueError(
            f"a picture of at most {limits[suffix]} pixels a side fits into {suffix}, got "
            f"{height}x{width}. Choose png, or set canvas_px."
        )
    if alpha is not None and suffix != ".jpg":
        image = np.dstack([image, alpha])
    encoded = _encode(Image.fromarray(image), suffix, quality, texts or {})
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        with files.whole(path) as partial, partial.open("wb") as file:
            file.write(encoded)
            file.flush()
            os.fsync(file.fileno())
            file.close()  # Windows does not rename an open file
        _sync_folder(path.parent)


def _encode(
    picture: Image.Image, suffix: str, quality: int, texts: Mapping[str, str]
) -> memoryview:
    """In memory: Pillow does not say of an error whether it was the disk's."""
    stream = io.BytesIO()
    if suffix == ".png":
        chunks = PngImagePlugin.PngInfo()
        for key, text in texts.items():
            chunks.add_text(key, text)
        picture.save(stream, "PNG", pnginfo=chunks, compress_level=PNG_LEVEL)
    elif suffix == ".jpg":
        options = {"subsampling": 0 if quality >= FULL_COLOR_QUALITY else 2, "optimize": True}
        picture.save(stream, "JPEG", quality=quality, exif=_exif(texts), **options)
    else:
        picture.save(stream, "WEBP", quality=quality, method=4, exif=_exif(texts))
    return stream.getbuffer()


def _exif(texts: Mapping[str, str]) -> bytes:
    exif = Image.Exif()
    if texts:
        exif[_EXIF_DESCRIPTION] = json.dumps(dict(texts))
    written = exif.tobytes()
    return written if texts and len(written) <= MAX_EXIF_BYTES else b""


def _sweep(folder: Path) -> None:
    """Removes what a process that was killed while it wrote has left here."""
    for left in folder.glob(".*.partial.*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_S:
                left.unlink()


def _sync_folder(folder: Path) -> None:
    """Makes the new name survive a power cut, where the system can say so."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            text = f"{path.parent} must have free space, got a full disk. Free some, then run on."
        else:
            text = (
                f"{path} must be writable, got: {error.strerror or error}. "
                "Check the rights of the folder and whether another program has the file open."
            )
        raise DiskError(text) from error
