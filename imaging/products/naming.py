"""Names of files and folders that mean one entry of a folder on every system."""

import hashlib
import re
import unicodedata
from collections.abc import Collection
from pathlib import PurePosixPath

# Bytes of a name in UTF-8. File systems take 255; the rest is for the suffix and for the name that
# a file has while it is written.
MAX_BYTES = 160
UNNAMED = "product"

_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')  # Windows refuses these, and / is refused everywhere
# Marks that reverse the direction of writing can make "exe.gpj" read as a picture's name.
_BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# With any suffix, in any case: these are devices of Windows.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789\u00b9\u00b2\u00b3"}
)


def safe(name: str) -> str:
    """Returns the name of one file or folder; letters of every alphabet stay.

    Args:
        name: Anything: with slashes, dots alone, control characters, a device of Windows.
    """
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    text = "".join("_" if ord(c) < 32 or ord(c) == 127 or c in _BIDI else c for c in text)
    text = _FORBIDDEN.sub("_", text).strip().rstrip(". ")
    if text.startswith("."):  # hidden, or a folder above
        text = "_" + text.lstrip(".")
    if text.split(".")[0].rstrip().casefold() in _DEVICES:
        text = "_" + text
    return _shortened(text) or UNNAMED


def safe_path(name: str) -> PurePosixPath:
    """Returns a relative path of safe names; slashes of both kinds part folders."""
    parts = [safe(part) for part in re.split(r"[/\\]", name) if part.strip(" .")]
    return PurePosixPath(*parts) if parts else PurePosixPath(UNNAMED)


def of_file(file: str) -> tuple[str, str]:
    """Returns the SKU that a file shows and the name that its pictures get.

    The SKU is the sub-folder where there is one, else the file's name without its suffix.

    Args:
        file: Path below the folder of photos, with slashes.
    """
    path = PurePosixPath(file)
    stem = safe(path.stem)
    folder = path.parent.as_posix()
    return (stem if folder == "." else safe_path(folder).as_posix()), stem


def free(name: str, taken: Collection[str]) -> str:
    """Returns the name, or the first of name-2, name-3, ... that is not taken.

    Args:
        name: Wanted.
        taken: Names in use, each casefolded: not every file system tells upper from lower case.
    """
    found, number = name, 2
    while found.casefold() in taken:
        found, number = f"{name}-{number}", number + 1
    return found


def _shortened(text: str) -> str:
    """Cuts between letters; a digest of the whole keeps two long names apart."""
    encoded = text.encode()
    if len(encoded) <= MAX_BYTES:
        return text
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    return f"{encoded[: MAX_BYTES - 9].decode(errors='ignore').rstrip('. ')}~{digest}"
