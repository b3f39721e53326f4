"""The generated-pixel map: where each pixel of a picture comes from, and its form in PNG metadata.

docs/generated-pixels.md is its specification. Metadata comes from files that anybody may have
written, so it is read as hostile input: bounded before it is unpacked, and every value is checked.
"""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Mapping

import cv2
import numpy as np

NOTHING = 0  # background, or a photo's own backdrop filled in
PHOTO = 1  # photographed: the pixel of the first photo, at most mixed with the background
SECOND_PHOTO = 2  # photographed elsewhere: warped and relit from the second photo
INVENTED = 3  # photographed nowhere

SOURCES = ("nothing", "photo", "second_photo", "invented")

# sRGB of the legend, chosen to stay apart for readers with red-green blindness (Okabe and Ito,
# 2008): green, blue, vermilion.
COLORS = ((255, 255, 255), (0, 158, 115), (0, 114, 178), (213, 94, 0))

VERSION = 1
# Keywords of the two PNG text chunks; a PNG keyword has at most 79 Latin-1 characters.
HEADER_KEY = "dressform.generated_pixels"
MAP_KEY = "dressform.generated_pixels.map"
# Characters of the encoded map. Pillow refuses text chunks beyond 1 MiB, other readers earlier.
MAX_MAP_CHARS = 256 * 1024
MAX_HEADER_CHARS = 4_096
MAX_SIDE_PX = 16_384  # ComfyUI's own limit for a picture's side
MAX_SCALE = 1 << 14

_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def from_masks(
    shown: np.ndarray, generated: np.ndarray, second_photo: np.ndarray | None = None
) -> np.ndarray:
    """Makes a map of the masks that nodes hand on.

    Args:
        shown: (H, W) bool or float32 in [0, 1]; above 0 there is a product to be seen.
        generated: (H, W) bool or float32; above 0 where a pixel was invented.
        second_photo: (H, W) bool or float32; above 0 where it comes from the second photo.

    Returns:
        (H, W) uint8 map. Where masks overlap invention wins, so that none is hidden.

    Raises:
        ValueError: The masks differ in size.
    """
    for name, mask in (("generated", generated), ("second_photo", second_photo)):
        if mask is not None and mask.shape != shown.shape:
            raise ValueError(
                f"{name} must be {shown.shape[0]}x{shown.shape[1]} like garment_alpha, got "
                f"{'x'.join(map(str, mask.shape))}. Connect the masks of the same picture."
            )
    sources = np.where(shown > 0, PHOTO, NOTHING).astype(np.uint8)
    if second_photo is not None:
        sources[second_photo > 0] = SECOND_PHOTO
    sources[generated > 0] = INVENTED
    return sources


def to_metadata(sources: np.ndarray) -> dict[str, str]:
    """Encodes a map as the text chunks of a PNG.

    A map too intricate for the space is stored coarser; each cell then holds the highest code of
    its block, so that what was invented is never hidden.

    Args:
        sources: (H, W) uint8 map with codes 0 to 3.

    Returns:
        Keyword to text, plain ASCII, at most MAX_MAP_CHARS + MAX_HEADER_CHARS characters.

    Raises:
        ValueError: The map is no (H, W) uint8 array, is empty, too large, or has other codes.
    """
    if sources.ndim != 2 or sources.dtype != np.uint8 or 0 in sources.shape:
        raise ValueError(
            f"the map must be a height x width array of uint8, got {sources.dtype} of shape "
            f"{sources.shape}. Pass one code for each pixel."
        )
    height, width = sources.shape
    if max(height, width) > MAX_SIDE_PX:
        raise ValueError(
            f"the map must have at most {MAX_SIDE_PX} pixels a side, got {height}x{width}. "
            "Scale the picture down first."
        )
    if int(sources.max()) > INVENTED:
        raise ValueError(
            f"the map's codes must be 0 to {INVENTED}, got {int(sources.max())}. "
            "Use the codes of this module."
        )
    counts = [int((sources == code).sum()) for code in range(len(SOURCES))]
    scale, text = 1, _encode(sources)
    while len(text) > MAX_MAP_CHARS:
        scale *= 2
        text = _encode(_coarser(sources, scale))
    header = {
        "version": VERSION,
        "width": width,
        "height": height,
        "scale": scale,
        "encoding": "2bit-rows+zlib+base64",
        "codes": {str(code): name for code, name in enumerate(SOURCES)},
        "pixels": dict(zip(SOURCES, counts, strict=True)),
    }
    return {HEADER_KEY: json.dumps(header), MAP_KEY: text}


def from_metadata(chunks: Mapping[str, str]) -> np.ndarray:
    """Decodes the map from the text chunks of a PNG; other chunks are ignored.

    Args:
        chunks: Keyword to text, as `PIL.Image.Image.text` has it.

    Returns:
        (H, W) uint8 map of the picture's full size.

    Raises:
        ValueError: There is no map, it is damaged, too large, or of another version.
    """
    if HEADER_KEY not in chunks or MAP_KEY not in chunks:
        raise ValueError(
            "a picture with a generated-pixel map is required, got one without. "
            "Choose a PNG that Save Product wrote."
        )
    height, width, scale = _read_header(chunks[HEADER_KEY])
    rows, columns = -(-height // scale), -(-width // scale)
    coarse = _decode(chunks[MAP_KEY], rows, columns)
    if scale == 1:
        return coarse
    return np.repeat(np.repeat(coarse, scale, 0)[:height], scale, 1)[:, :width]


def summary(sources: np.ndarray) -> str:
    """Returns one sentence that says how much of what is shown was photographed."""
    counts = [int((sources == code).sum()) for code in range(len(SOURCES))]
    shown = sum(counts[PHOTO:])
    if not shown:
        return "The picture shows no garment."
    share = [100 * count / shown for count in counts]
    second = f", {share[SECOND_PHOTO]:.1f} % from the second photo" if counts[SECOND_PHOTO] else ""
    return (
        f"Of the garment shown {share[PHOTO]:.1f} % was photographed{second}, "
        f"{share[INVENTED]:.1f} % was made up."
    )


def legend(image: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Tints a picture by where its pixels come from, with a key of the colours.

    Args:
        image: (H, W, 3) uint8 sRGB.
        sources: (H, W) uint8 map.

    Returns:
        (H, W, 3) uint8: invented and second-photo pixels in their colours, the rest paler.
    """
    palette = np.array(COLORS, np.uint8)
    # Colour at three fifths still lets the folds below it be seen.
    strength = np.array([0.0, 0.0, 0.6, 0.6], np.float32)
    result = np.empty(image.shape, np.uint8)
    for top in range(0, len(image), _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        share = strength[sources[rows]][..., None]
        mixed = image[rows] * (1 - share) + palette[sources[rows]] * share
        result[rows] = np.rint(mixed).astype(np.uint8)
    return _with_key(result, np.unique(sources[sources > NOTHING]))


# Rows per pass; bounds the float copies of a huge photo.
_STRIP_ROWS = 512


def _with_key(image: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Writes the names of the colours into the lower left corner."""
    scale = max(image.shape[:2]) / 1024
    line, gap = round(26 * scale), round(8 * scale)
    if line < 8 or not len(present):
        return image
    result = image.copy()
    for place, code in enumerate(present[::-1]):
        bottom = image.shape[0] - gap - place * line
        box = (gap, bottom - line + gap // 2), (gap + line - gap // 2, bottom)
        cv2.rectangle(result, *box, COLORS[code], -1)
        cv2.rectangle(result, *box, (60, 60, 60), max(1, round(scale)))
        text, where = SOURCES[code].replace("_", " "), (2 * gap + line, bottom - gap // 2)
        for color, thick in (((255, 255, 255), 4), ((40, 40, 40), 1)):
            cv2.putText(
                result,
                text,
                where,
                cv2.FONT_HERSHEY_SIMPLEX,
                0.6 * scale,
                color,
                max(1, round(thick * scale)),
                cv2.LINE_AA,
            )
    return result


def _coarser(sources: np.ndarray, scale: int) -> np.ndarray:
    height, width = sources.shape
    padded = np.pad(sources, ((0, -height % scale), (0, -width % scale)))
    blocks = padded.reshape(padded.shape[0] // scale, scale, padded.shape[1] // scale, scale)
    return blocks.max((1, 3))


def _encode(sources: np.ndarray) -> str:
    """Packs four codes to a byte, first code in the highest bits; rows begin a byte."""
    codes = np.pad(sources, ((0, 0), (0, -sources.shape[1] % 4)))
    packed = codes[:, 0::4] << 6 | codes[:, 1::4] << 4 | codes[:, 2::4] << 2 | codes[:, 3::4]
    return base64.b64encode(zlib.compress(packed.tobytes(), 9)).decode("ascii")


def _decode(text: str, height: int, width: int) -> np.ndarray:
    if len(text) > MAX_MAP_CHARS or not _BASE64.fullmatch(text):
        raise _damaged("its map is no bounded base64")
    expected = height * (-(-width // 4))
    stream = zlib.decompressobj()
    try:
        # One byte more than expected tells a stream that would go on, without unpacking it.
        packed = stream.decompress(base64.b64decode(text), expected + 1)
    except (zlib.error, binascii.Error) as error:
        raise _damaged(str(error)) from None
    if len(packed) != expected or not stream.eof:
        raise _damaged("its map has another size than its header says")
    octets = np.frombuffer(packed, np.uint8).reshape(height, -1)
    codes = np.stack([octets >> shift & 3 for shift in (6, 4, 2, 0)], -1)
    return np.ascontiguousarray(codes.reshape(height, -1)[:, :width])


def _read_header(text: str) -> tuple[int, int, int]:
    """Returns height, width and scale."""
    if len(text) > MAX_HEADER_CHARS:
        raise _damaged("its header is too long")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise _damaged("its header is no JSON") from None
    if not isinstance(header, dict):
        raise _damaged("its header is no JSON object")
    if header.get("version") != VERSION:
        raise ValueError(
            f"a generated-pixel map of version {VERSION} is required, got version "
            f"{str(header.get('version'))[:20]}. Update Dressform."
        )
    sides = [_read_number(header, key, MAX_SIDE_PX) for key in ("height", "width")]
    return sides[0], sides[1], _read_number(header, "scale", MAX_SCALE)


def _read_number(header: dict, key: str, most: int) -> int:
    value = header.get(key)
    if type(value) is not int or not 1 <= value <= most:
        raise _damaged(f"its {key} is no number from 1 to {most}")
    return value


def _damaged(reason: str) -> ValueError:
    return ValueError(
        f"a complete generated-pixel map is required, got a damaged one ({reason}). "
        "Save the picture again with Save Product."
    )
