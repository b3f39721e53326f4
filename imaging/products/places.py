"""Which folders a workflow may read and write; whoever sends a workflow need not be trusted."""

import os
from collections.abc import Sequence
from pathlib import Path

from . import naming


def readable(text: str, base: Path, roots: Sequence[Path], allow: str) -> Path:
    """Returns the folder of photos that a user named.

    What lies outside of the roots is refused before it is looked at: not even whether it exists
    is told, and a network path (\\\\host\\share) is not contacted.

    Args:
        text: As typed: below `base`, or absolute.
        base: Where names that are not absolute begin.
        roots: Folders that may be read, with everything below.
        allow: One sentence for the user: how the operator allows another folder.

    Raises:
        ValueError: It is empty, or lies outside of the roots, by its name or through a link.
        FileNotFoundError: There is no such folder.
    """
    wanted = text.strip()
    if not wanted or "\0" in wanted:
        raise ValueError(
            f"folder must name a folder of photos, got {text!r}. "
            "Write its name inside ComfyUI's input folder."
        )
    path = Path(os.path.abspath(base / wanted))
    named = [root for root in roots if _below(path, Path(os.path.abspath(root)))]
    if not named or not is_within(path, roots):
        raise ValueError(
            f"folder must lie inside ComfyUI's input, output or temp folder or one that the "
            f"operator has allowed, got {wanted!r}. {allow}"
        )
    if not path.is_dir():
        raise FileNotFoundError(
            f"folder must be a folder of photos, got {wanted!r}, which is none. "
            "Correct the name; it counts from ComfyUI's input folder."
        )
    return path


def label(path: Path, base: Path) -> str:
    """Returns one name for a folder however it was written, that a move of ComfyUI leaves alone."""
    start = Path(os.path.abspath(base))
    return (path.relative_to(start) if path.is_relative_to(start) else path).as_posix()


def writable(text: str, root: Path) -> Path:
    """Returns the folder below `root` that takes the pictures; it need not exist yet.

    Raises:
        ValueError: It is absolute, leads out of `root`, or has a name that some system refuses.
    """
    wanted = text.strip().replace("\\", "/").strip("/") if not _is_absolute(text) else ""
    safe = naming.safe_path(wanted).as_posix()
    if not wanted or safe != wanted:
        advice = f"Write for example {safe!r}."
        raise ValueError(
            f"save_to must name a folder inside ComfyUI's output folder, got {text!r}. {advice}"
        )
    path = root / safe
    require_within(path, root)
    return path


def require_within(path: Path, root: Path) -> None:
    """Refuses to write through a link that leads out of the output folder.

    Raises:
        ValueError: It does.
    """
    if not is_within(path, [root]):
        raise ValueError(
            f"pictures must be saved inside {root}, got {path}, which a link leads elsewhere. "
            "Choose another folder in save_to, or remove the link."
        )


def is_within(path: Path, roots: Sequence[Path]) -> bool:
    """Tells whether a path lies in or below one of the roots once every link is followed."""
    try:
        real = Path(os.path.realpath(path))
        return any(_below(real, Path(os.path.realpath(root))) for root in roots)
    except (OSError, ValueError):  # a loop of links, or a byte that no path has
        return False


def _below(path: Path, root: Path) -> bool:
    # normcase: on Windows C:\Photos is c:\photos.
    return Path(os.path.normcase(path)).is_relative_to(os.path.normcase(root))


def _is_absolute(text: str) -> bool:
    """By the rules of any system: C:x is absolute enough."""
    start = text.strip()
    return start.startswith(("/", "\\")) or start[1:2] == ":"
