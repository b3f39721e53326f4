"""Photos of ComfyUI's folders, by the names under which its editor knows them."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import folder_paths
import numpy as np
from PIL import Image

from . import tensors

TYPES = ("input", "temp", "output")
MAX_NAME = 1_000  # characters; file systems allow 255 for a name and 4096 for a path
# 8000 x 8000, over all frames of an animation: Load Image holds 12 bytes for each pixel. A larger
# photo is seen through the smaller picture of it that a run leaves.
MAX_PIXELS = 64_000_000


class Refused(Exception):  # noqa: N818 (it is an answer, not an error of the pack)
    """A request that cannot be answered, as the browser is told.

    Attributes:
        status: Of HTTP.
        code: In kebab case, for the browser's own sentence.
        sentence: In English.
    """

    def __init__(self, status: int, code: str, sentence: str):
        super().__init__(sentence)
        self.status, self.code, self.sentence = status, code, sentence


class File(NamedTuple):
    """A file in one of ComfyUI's folders: its resolved path, and how Load Image would name it."""

    path: Path
    name: str


def find(photo: Any) -> File:
    """Finds the file of `{"filename", "subfolder", "type"}` where ComfyUI's /view does.

    Args:
        photo: From a browser, so anything. A filename may end in " [input]" like the values of
            Load Image; `type` is not looked at then.

    Raises:
        Refused: it is no such object, leads out of ComfyUI's folders, if only by a link, or names
            no file.
    """
    filename, subfolder, kind = _named(photo)
    root = Path(folder_paths.get_directory_by_type(kind) or "").resolve()
    try:
        path = (root / subfolder / filename).resolve()
        there = path.is_file()
    except (OSError, ValueError):  # no file can have this name
        path, there = root, False
    if not path.is_relative_to(root):
        raise Refused(
            400,
            "photo-outside",
            f"photo must lie in ComfyUI's folder {kind}, got a path that leads out of it. Choose "
            "a file in Load Image.",
        )
    if not there:
        raise Refused(
            404,
            "photo-not-found",
            f"photo must be a file in ComfyUI's folder {kind}, got {_short(filename)}, which is "
            "not there. Upload it again, or run the workflow once.",
        )
    return File(path, f"{path.relative_to(root).as_posix()} [{kind}]")


def load(file: File) -> np.ndarray:
    """Reads a photo exactly as Load Image does, since its fingerprint must be that of a run.

    Returns:
        (H, W, 3) uint8 sRGB; of an animation the first frame.

    Raises:
        Refused: it is no picture, is damaged, or is too large.
    """
    from ..imaging import strokes

    _require_picture(file)
    # ComfyUI's own nodes.py, which every server has loaded; importing it would find this package.
    loader = sys.modules["nodes"].NODE_CLASS_MAPPINGS["LoadImage"]
    image = getattr(loader(), loader.FUNCTION)(file.name)[0]
    picture = tensors.to_pictures(image[:1], "photo")[0]
    height, width = picture.shape[:2]
    if max(height, width) > strokes.MAX_SIDE_PX:
        raise Refused(
            413,
            "photo-too-large",
            f"photo must be at most {strokes.MAX_SIDE_PX} pixels a side, got {height}x{width}. "
            "Scale it down.",
        )
    return picture


def _named(photo: Any) -> tuple[str, str, str]:
    """The checked filename, subfolder and type."""
    given = photo if isinstance(photo, dict) else {}
    filename, subfolder = given.get("filename"), given.get("subfolder", "")
    kind = given.get("type", "input")
    texts = [t for t in (filename, subfolder, kind) if isinstance(t, str) and len(t) <= MAX_NAME]
    if len(texts) < 3 or not filename:
        raise Refused(
            400,
            "bad-photo",
            "photo must be an object with filename, subfolder and type, got something else. "
            "Choose a file in Load Image.",
        )
    filename, subfolder, kind = texts
    for each in TYPES:  # as folder_paths.annotated_filepath reads it
        if filename.endswith(f"[{each}]"):
            filename, kind = filename.removesuffix(f"[{each}]").removesuffix(" "), each
    if kind not in TYPES:
        raise Refused(
            400, "bad-photo", f"type must be one of {', '.join(TYPES)}, got {_short(kind)}."
        )
    return filename, subfolder, kind


def _require_picture(file: File) -> None:
    from ..imaging import pictures

    pixels = pictures.count_pixels(file.path)
    try:
        if 0 < pixels <= MAX_PIXELS:
            with Image.open(file.path) as opened:
                pixels *= getattr(opened, "n_frames", 1)
        if 0 < pixels <= MAX_PIXELS:
            pictures.open_picture(file.path)  # to the end: it may be cut off
    except (OSError, SyntaxError, ValueError):
        pixels = 0
    if pixels == 0:
        raise Refused(
            400,
            "not-an-image",
            f"photo must be a whole picture, got {_short(file.name)}, which is none or damaged. "
            "Save it as JPEG, PNG or WebP.",
        )
    if pixels > MAX_PIXELS:
        raise Refused(
            413,
            "photo-too-large",
            f"photo must have at most {MAX_PIXELS // 1_000_000} megapixels here, got "
            f"{pixels // 1_000_000}. Run the workflow once, or scale it down.",
        )


def _short(text: str) -> str:
    return repr(text)[:80]
