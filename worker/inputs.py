"""The files that a run reads: fetched, compared with their hash, looked at by their heads."""

import warnings
from pathlib import Path

from blake3 import blake3
from PIL import Image, UnidentifiedImageError

from . import weights
from .models import Fetch
from .protocol import Input, WorkerError, WorkflowError

MAX_INPUT_BYTES = 512 << 20
MAX_TOTAL_BYTES = 2 << 30  # of a run
# A 12000 x 12000 photograph passes; as float32 RGB it takes 1.7 GB in ComfyUI.
MAX_PIXELS = 150_000_000  # of all frames together
MAX_FRAMES = 2000
PICTURES = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
# First bytes of what is no picture and yet may be an input, by what it is.
OTHERS = {
    b"fLaC": "sound",
    b"OggS": "sound",
    b"ID3": "sound",
    b"\x1aE\xdf\xa3": "video",
}
LATENT = ".latent"  # safetensors by another name


async def bring(inputs: tuple[Input, ...], folder: Path, fetch: Fetch) -> None:
    """Fetches every input into a folder.

    Raises:
        WorkflowError: one is too large, or of a kind that no run may read.
        WorkerError: the server sent something else than it said.
        OSError: the disk is full.
    """
    names = [one.name.casefold() for one in inputs]
    if len(set(names)) < len(names):
        raise WorkerError("protocol", "names of inputs must differ, got one twice. Report it.")
    if sum(one.bytes for one in inputs) > MAX_TOTAL_BYTES:
        raise WorkflowError(
            "input_size",
            f"inputs must have {MAX_TOTAL_BYTES} bytes at most, got more. Make them smaller.",
        )
    for one in inputs:
        await _fetch(one, folder / one.name, fetch)


def check(path: Path) -> None:
    """Looks at the head of a file; nothing is decoded.

    Raises:
        WorkflowError: it is of no kind that a run may read, or would unpack to too much.
    """
    with path.open("rb") as file:
        begin = file.read(16)
    if path.suffix == LATENT:
        weights.scan(path)
    elif begin[4:8] != b"ftyp" and begin[:4] + begin[8:12] != b"RIFFWAVE":
        if not any(begin.startswith(magic) for magic in OTHERS):
            _check_picture(path)


def _check_picture(path: Path) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=PICTURES) as picture:
                width, height = picture.size
                frames = getattr(picture, "n_frames", 1)
    except Image.DecompressionBombError as error:
        raise _too_large(path, str(error)) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise WorkflowError(
            "input_kind",
            f"{path.name} must be a picture ({', '.join(PICTURES)}), a latent, sound or video, got "
            "something else. Convert it.",
        ) from error
    if width * height * frames > MAX_PIXELS or frames > MAX_FRAMES:
        raise _too_large(path, f"{width}x{height} in {frames} frames")


def _too_large(path: Path, got: str) -> WorkflowError:
    return WorkflowError(
        "input_size",
        f"{path.name} must have {MAX_PIXELS} pixels at most, got {got}. Make it smaller.",
    )


async def _fetch(one: Input, path: Path, fetch: Fetch) -> None:
    if one.bytes > MAX_INPUT_BYTES:
        raise WorkflowError(
            "input_size",
            f"{one.name} must have {MAX_INPUT_BYTES} bytes at most, got {one.bytes}. Make it "
            "smaller.",
        )
    seen = blake3()
    with path.open("xb") as file:

        def take(chunk: bytes) -> None:
            seen.update(chunk)
            file.write(chunk)

        await fetch(one.url, take, one.bytes)
    if seen.hexdigest() != one.blake3:
        raise WorkerError(
            "download", f"{one.name} must be as it was uploaded, got other content. Report it."
        )
    check(path)
