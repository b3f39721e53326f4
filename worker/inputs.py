"""The files that a run reads: fetched, compared with their hash, looked at by their heads."""

import asyncio
import math
import re
import warnings
from pathlib import Path

import av
from blake3 import blake3
from PIL import Image, UnidentifiedImageError

from . import weights
from .models import Fetch
from .protocol import Input, WorkerError, WorkflowError

MAX_INPUT_BYTES = 512 << 20
MAX_TOTAL_BYTES = 2 << 30  # of a run
# A 12000 x 12000 photograph passes; as float32 RGB it takes 1.7 GB in ComfyUI.
MAX_PIXELS = 150_000_000  # of all frames together
MAX_FRAMES = 2000  # of a picture
Image.init()
PICTURES = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP", *({"AVIF"} & Image.OPEN.keys()))
# First bytes of what is no picture and yet may be an input, by what it is.
OTHERS = {
    b"fLaC": "sound",
    b"OggS": "sound",
    b"ID3": "sound",
    b"\xff\xfb": "sound",
    b"\xff\xf3": "sound",
    b"\x1aE\xdf\xa3": "video",
}
MESH = b"glTF"
LATENT = ".latent"  # safetensors by another name
# What follows `ftyp` in pictures, which share it with videos.
STILL = frozenset((b"avif", b"avis", b"heic", b"heim", b"heis", b"heix", b"mif1", b"msf1"))
# What ComfyUI opens with FFmpeg, which takes far more: lists of other files among it.
FORMATS = (
    "apng,bmp_pipe,flac,gif,image2,jpeg_pipe,matroska,mjpeg,mov,mp3,ogg,png_pipe,tiff_pipe,wav,"
    "webp_pipe"
)
SERIES = re.compile(r"%(\d*d|[{}])")  # in a name: FFmpeg takes it for that of many pictures


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
    """Looks at what a file is and would unpack to; of a video one frame is decoded.

    Raises:
        WorkflowError: it is of no kind that a run may read, or would unpack to too much.
    """
    if SERIES.search(path.name):
        raise WorkflowError(
            "file_name", f"a file's name must not number a series, got {path.name!a}. Rename it."
        )
    with path.open("rb") as file:
        begin = file.read(16)
    if path.suffix == LATENT:
        weights.scan(path)
    elif not begin.startswith(MESH):
        _check_frames(path, 0 if _is_stream(begin) else _check_picture(path))


def _is_stream(begin: bytes) -> bool:
    if begin[4:8] == b"ftyp":
        return begin[8:12] not in STILL
    return begin[:4] + begin[8:12] == b"RIFFWAVE" or begin.startswith(tuple(OTHERS))


def _check_picture(path: Path) -> int:
    """Looks at a picture as Pillow does; returns the pixels of a frame."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=PICTURES) as picture:
                frames = getattr(picture, "n_frames", 1)
                width, height = _largest(picture, frames)
    except Image.DecompressionBombError as error:
        raise _too_large(path, str(error)) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise _other_kind(path) from error
    if width * height * frames > MAX_PIXELS or frames > MAX_FRAMES:
        raise _too_large(path, f"{width}x{height} in {frames} frames")
    return width * height


def _largest(picture: Image.Image, frames: int) -> tuple[int, int]:
    """Returns the size of the largest frame; only those of a TIFF differ."""
    largest = picture.size
    if picture.format == "TIFF" and frames <= MAX_FRAMES:
        for number in range(1, frames):
            picture.seek(number)
            largest = max(largest, picture.size, key=math.prod)
    return largest


def _check_frames(path: Path, usual: int) -> None:
    """Counts frames as ComfyUI's LoadImage gets them: by FFmpeg, from videos, sounds and pictures.

    Args:
        path: Of the file.
        usual: Pixels of a frame that does not tell.
    """
    limits = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    # A video may lie about its size: its first frame is decoded, unless that is too large.
    limits |= {"codec_whitelist": "none"} if usual else {"max_pixels": str(MAX_PIXELS)}
    pixels = frames = 0
    try:
        with av.open(str(path), options=limits) as container:
            shown = container.streams.video
            for packet in container.demux(shown) if shown else ():
                if packet.size:  # the last is empty
                    size = getattr(packet.stream, "width", 0) * getattr(packet.stream, "height", 0)
                    pixels += size or usual or MAX_PIXELS + 1
                    frames += 1
                if pixels > MAX_PIXELS:
                    raise _too_large(path, f"more in {frames} frames")
    except av.FFmpegError as error:
        raise _other_kind(path) from error


def _other_kind(path: Path) -> WorkflowError:
    return WorkflowError(
        "input_kind",
        f"{path.name} must be a picture ({', '.join(PICTURES)}), a latent, mesh, sound or video, "
        "got something else. Convert it.",
    )


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
    await asyncio.to_thread(check, path)
