"""Hosted outputs as files of ComfyUI's own folders: safe names, nothing overwritten."""

import os
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import folder_paths

FOLDER = "hosted"  # below ComfyUI's output and temp folders
MAX_FILE_BYTES = 2 << 30
MAX_RUN_BYTES = 8 << 30
MAX_FILES = 2_000  # as many as a server takes of a run
MAX_NAME = 100  # characters; file systems allow 255 bytes
HEAD_BYTES = 64
TEMPORARY = re.compile(r"_temp_[a-z]{5}_\d{5}_")  # as Preview Image names its files
# By first bytes: suffix, and the key under which ComfyUI's editor shows it.
MAGIC = (
    (b"\x89PNG\r\n\x1a\n", ".png", "images"),
    (b"\xff\xd8\xff", ".jpg", "images"),
    (b"GIF8", ".gif", "images"),
    (b"\x1aE\xdf\xa3", ".webm", "video"),
    (b"fLaC", ".flac", "audio"),
    (b"ID3", ".mp3", "audio"),
    (b"\xff\xfb", ".mp3", "audio"),
    (b"\xff\xf3", ".mp3", "audio"),
    (b"OggS", ".ogg", "audio"),
    (b"glTF", ".glb", "3d"),
)
TEXTS = (".txt", ".json", ".csv", ".md")  # no page or script: ComfyUI would serve it
RESERVED = {"con", "prn", "aux", "nul", *(f"{one}{n}" for one in ("com", "lpt") for n in range(10))}


class Kept(NamedTuple):
    """A file that was fetched, as ComfyUI's editor names it, and under which key it is shown."""

    filename: str
    subfolder: str
    type: str
    shown: str

    @property
    def path(self) -> Path:
        return _root(self.type) / self.subfolder / self.filename


async def keep(name: Any, chunks: AsyncIterator[bytes], digest: str = "") -> Kept:
    """Writes a file into ComfyUI's output folder; into its temp folder what only was shown.

    Args:
        name: As the server calls it; anything.
        chunks: Its bytes.
        digest: BLAKE3 that they must have, where it is known.

    Raises:
        ValueError: the bytes are others than the server told.
        OSError: the disk is full.
    """
    kind = "temp" if isinstance(name, str) and TEMPORARY.search(name) else "output"
    folder = _root(kind) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    half = folder / f".{uuid.uuid4().hex}.part"
    seen = _hasher() if digest else None
    try:
        head = b""
        with half.open("xb") as file:
            async for chunk in chunks:
                head = (head + chunk)[:HEAD_BYTES] if len(head) < HEAD_BYTES else head
                file.write(chunk)
                if seen:
                    seen.update(chunk)
        if seen and f"blake3:{seen.hexdigest()}" != digest:
            raise ValueError("an output must arrive whole, got other bytes. Fetch it again.")
        suffix, shown = sniff(head, name)
        made = _place(half, folder, safe(name), suffix)
    finally:
        half.unlink(missing_ok=True)
    return Kept(made.name, FOLDER, kind, shown)


def sniff(head: bytes, name: Any = "") -> tuple[str, str]:
    """Returns the suffix of a file by its first bytes, and what the editor shows it as."""
    for magic, suffix, shown in MAGIC:
        if head.startswith(magic):
            return suffix, shown
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp", "images"
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return ".wav", "audio"
    if head[4:8] == b"ftyp":
        return ".mp4", "video"
    if b"\0" not in head:
        suffix = Path(str(name)).suffix.lower()
        return (suffix if suffix in TEXTS else ".txt"), ""
    return ".bin", ""


def safe(name: Any) -> str:
    """Returns the stem of a stranger's file name, as every file system takes it."""
    last = str(name).replace("\\", "/").rpartition("/")[2]
    stem = last.rpartition(".")[0] or last
    plain = re.sub(r"[^\w ()+=,-]+", "_", stem).strip(" _")[:MAX_NAME].strip(" _")
    return f"_{plain}" if plain.lower() in RESERVED or not plain else plain


def _place(half: Path, folder: Path, stem: str, suffix: str) -> Path:
    """Gives a file its name, or the next that is free."""
    for number in range(1, 100_000):
        wanted = folder / f"{stem}{f'_{number}' if number > 1 else ''}{suffix}"
        try:
            os.close(os.open(wanted, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            continue
        half.chmod(0o644)
        half.replace(wanted)
        return wanted
    raise OSError(f"a free name is required, got none for {stem}. Empty the folder {folder.name}.")


def _root(kind: str) -> Path:
    return Path(folder_paths.get_directory_by_type(kind) or "").resolve()


def _hasher() -> Any:
    try:
        from blake3 import blake3
    except ImportError:
        return None
    return blake3()
