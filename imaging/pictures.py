"""Picture files in and out: whatever a shop sends, as one upright sRGB array."""

import io
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from . import files

# 12000 x 12000: about 430 MB as an array, 600 MB while Pillow decodes it.
MAX_PIXELS = 144_000_000

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".ppm"}
)

# Pillow's own limit warns through the process-wide warning filters, which are not thread-safe.
_HEADER_LOCK = threading.Lock()


def open_picture(path: str | Path) -> np.ndarray:
    """Reads a picture file as (H, W, 3) uint8 sRGB, upright, transparency laid on white.

    16-bit, CMYK, palette and grayscale files are converted; an embedded colour profile is
    applied; of an animation the first frame is taken.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, is damaged, or has more than MAX_PIXELS pixels.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"a picture file is required, got no file at {path}. Check the path."
        )
    if path.stat().st_size == 0:
        raise ValueError(f"a picture is required, got an empty file: {path}. Copy the file again.")
    try:
        with _open_header(path) as file:
            _check_size(file, path)
            return _to_srgb(file)
    except UnidentifiedImageError:
        raise ValueError(
            f"a picture is required, got something else: {path}. Save it as JPEG, PNG or WebP."
        ) from None
    except (OSError, SyntaxError) as error:
        raise ValueError(
            f"a complete picture is required, got a damaged one: {path} ({error}). "
            "Export or copy the file again."
        ) from error


def require_whole(path: Path) -> None:
    """Raises as `open_picture` where a file that bears a suffix of SUFFIXES is none of them."""
    if path.suffix.lower() in SUFFIXES:
        open_picture(path)


def count_pixels(path: str | Path) -> int:
    """Returns how many pixels a picture file has by its header; 0 where it has no good one."""
    try:
        with _open_header(Path(path)) as file:
            width, height = file.size
    except (OSError, SyntaxError, ValueError):
        return 0
    return width * height


def save_picture(path: str | Path, picture: np.ndarray) -> None:
    """Writes (H, W, 3) or (H, W) uint8, or an (H, W) bool mask as 0 and 255; whole or not at all.

    The suffix of the path tells the format.
    """
    path = Path(path)
    if picture.dtype == bool:
        picture = picture.astype(np.uint8) * 255
    with files.whole(path) as partial:
        Image.fromarray(picture).save(partial)


def _open_header(path: Path) -> Image.Image:
    with _HEADER_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return Image.open(path)
        except Image.DecompressionBombError:
            raise _too_large(path, "far more") from None


def _check_size(file: Image.Image, path: Path) -> None:
    width, height = file.size
    if width * height > MAX_PIXELS:
        raise _too_large(path, f"{height}x{width}")


def _too_large(path: Path, size: str) -> ValueError:
    return ValueError(
        f"a picture of at most {MAX_PIXELS // 1_000_000} megapixels is required, got {size}: "
        f"{path}. Scale it down first; 4000 pixels on the long side are plenty."
    )


def _to_srgb(file: Image.Image) -> np.ndarray:
    upright = ImageOps.exif_transpose(file)
    if upright.mode.startswith("I") or upright.mode == "F":
        return _from_deep_gray(upright)
    profile = file.info.get("icc_profile")
    if upright.mode in ("P", "PA", "LA", "RGBa") or "transparency" in upright.info:
        upright = upright.convert("RGBA")
    upright = _apply_profile(upright, profile)
    if upright.mode == "RGBA":
        white = Image.new("RGBA", upright.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(white, upright)
    return np.array(upright.convert("RGB"))


def _from_deep_gray(file: Image.Image) -> np.ndarray:
    """16-bit grayscale: Pillow's own conversion to 8 bit would clip instead of scale."""
    levels = np.asarray(file).astype(np.float32)
    levels = np.nan_to_num(levels, posinf=0, neginf=0)
    top = 1.0 if file.mode == "F" and levels.max(initial=0) <= 1 else 65535.0
    gray = np.clip(levels / top * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


def _apply_profile(file: Image.Image, profile: bytes | None) -> Image.Image:
    """A wrong or exotic profile is ignored: the picture without it is still usable."""
    if not profile or file.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return file
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        output = "RGBA" if file.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(
            file, source, ImageCms.createProfile("sRGB"), outputMode=output
        )
    except (ImageCms.PyCMSError, OSError):
        return file
    return file if converted is None else converted
