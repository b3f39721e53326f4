"""What a file is, by its first bytes; never by its name or what was said of it. Pure."""

import struct

from ..runs.values import RunError

HEAD = 1 << 20  # bytes that are enough to tell, behind profiles and thumbnails too
MAX_PIXELS = 120_000_000  # a picture unpacked: 0.5 GB
SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "audio/flac": ".flac",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "model/gltf-binary": ".glb",
    "application/x-safetensors": ".latent",
}
OTHER = "application/octet-stream"
MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"glTF", "model/gltf-binary"),
)


def kind(head: bytes) -> str:
    """Returns the content type of a file by its first bytes; OTHER if they tell nothing."""
    for magic, found in MAGIC:
        if head.startswith(magic):
            return found
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12], OTHER)
    if head[4:8] == b"ftyp":
        return "video/mp4"
    if len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 26:
        return "application/x-safetensors"
    return OTHER


def check(head: bytes) -> str:
    """Returns the content type of a file that a run may read.

    Raises:
        RunError: It is none of SUFFIXES, or a picture that is too large when unpacked.
    """
    found = kind(head)
    if found == OTHER:
        text = "A picture, video, sound, mesh or latent is required, got something else. Convert it"
        raise RunError("unsupported_type", 415, text + ".")
    if found.startswith("image/"):
        width, height = size(head, found)
        if not 0 < width * height <= MAX_PIXELS:
            text = f"At most {MAX_PIXELS} pixels are taken, got {width}x{height}. Make it smaller."
            raise RunError("too_large", 413, text)
    return found


def size(head: bytes, content_type: str) -> tuple[int, int]:
    """Returns width and height of a picture by its header; (0, 0) if it has none."""
    try:
        return _SIZES[content_type](head)
    except (struct.error, IndexError, KeyError):
        return 0, 0


def _png(head: bytes) -> tuple[int, int]:
    return struct.unpack(">II", head[16:24])


def _gif(head: bytes) -> tuple[int, int]:
    return struct.unpack("<HH", head[6:10])


def _webp(head: bytes) -> tuple[int, int]:
    if head[12:16] == b"VP8X":
        width, height = head[24:27], head[27:30]
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", head[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _jpeg(head: bytes) -> tuple[int, int]:
    """Walks the segments to the frame: C0 to CF but DHT, JPG and DAC."""
    at = 2
    while head[at] == 0xFF:
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", head[at + 2 : at + 4])[0]
    return 0, 0


_SIZES = {"image/png": _png, "image/gif": _gif, "image/webp": _webp, "image/jpeg": _jpeg}
