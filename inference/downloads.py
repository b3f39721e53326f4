"""Brings weights onto the disk from the hub, a mirror or a folder, and checks what came.

The hub's own library does the transfer, and reads HF_ENDPOINT (a mirror), HF_TOKEN (an account) and
HF_HUB_OFFLINE; it goes on where it was interrupted. Only files that weights.json names are asked
for, and only kinds that hold no program.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from . import hashes, transfer
from .weights import UNFINISHED, Entry, File

# Weights, settings, vocabularies and templates; anything else could hold a program (pickles do).
KINDS = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja"})
# Beside a folder's files: what was fetched, and its hashes.
RECORD = ".dressform.json"
# Of the hub's library, where an earlier version of it fetched into the folder.
HUB_NOTES = ".cache"
SPARE_BYTES = 2**30  # left on the disk for everything else

Advance = Callable[[int], object]


class Plan(NamedTuple):
    """What is to be fetched.

    Attributes:
        entry: The weights.
        folder: Theirs.
        files: Those that are not there yet, with their sizes where they are known.
        revision: The commit to fetch; None is not known before `sized`.
    """

    entry: Entry
    folder: Path
    files: tuple[File, ...]
    revision: str | None = None

    @property
    def size_bytes(self) -> int:
        """Of all files whose size is known."""
        return sum(file.size_bytes or 0 for file in self.files)


class Check(NamedTuple):
    """What was found of a file.

    Attributes:
        path: Relative to the weights' folder.
        problem: What is wrong with it; empty where nothing is.
        sha256: As it is; None where the file is missing.
        known: Whether anything was known to compare it with.
    """

    path: str
    problem: str
    sha256: str | None
    known: bool


def plan(entry: Entry, folder: Path) -> Plan:
    """Returns what a folder lacks of some weights; nothing is read or asked for.

    Raises:
        ValueError: weights.json names a file that must not be fetched.
    """
    for file in entry.files:
        _require_harmless(file.path)
    absent = [file for file in entry.files if not _is_there(folder / file.path, file)]
    return Plan(entry, folder, tuple(absent), entry.revision)


def sized(wanted: Plan) -> Plan:
    """Returns a plan with the sizes and the commit that the hub states; nothing is fetched.

    Raises:
        RuntimeError: the hub does not give the files, or not those that weights.json names.
    """
    if not wanted.files:
        return wanted
    found = _listed(wanted)
    stated = {told.filename: told.file_size for told in found}
    for file in wanted.files:
        if file.path not in stated or file.size_bytes not in (None, stated[file.path]):
            raise RuntimeError(
                f"{wanted.entry.source} must have {file.path}"
                f"{f' of {file.size_bytes} bytes' if file.size_bytes is not None else ''}, got "
                f"{f'{stated[file.path]} bytes' if file.path in stated else 'no such file'}. If "
                "HF_ENDPOINT names a mirror, try without it."
            )
    files = tuple(file._replace(size_bytes=stated[file.path]) for file in wanted.files)
    return wanted._replace(files=files, revision=found[0].commit_hash)


def require_space(wanted: Plan) -> None:
    """Checks that the disk can take the files.

    Raises:
        OSError: it cannot.
    """
    place = next(one for one in (wanted.folder, *wanted.folder.absolute().parents) if one.exists())
    needed = wanted.size_bytes + SPARE_BYTES
    free = shutil.disk_usage(place).free
    if free < needed:
        raise OSError(
            f"{needed / 1e9:.1f} GB must be free at {place} for {wanted.entry.id}, got "
            f"{free / 1e9:.1f} GB. Free some space, or name another folder with --to."
        )


def fetch(wanted: Plan) -> None:
    """Fetches what is lacking from the hub; goes on where an earlier call was interrupted.

    Args:
        wanted: From `sized`.

    Raises:
        OSError: the disk is full or not writable.
        RuntimeError: the hub does not give the files; the sentence says what to do.
    """
    require_space(wanted)
    _mark(wanted.folder)
    revision = wanted.revision or "main"
    with _explaining(wanted.entry), transfer.alone(wanted.folder):
        for file in wanted.files:
            if not _is_there(wanted.folder / file.path, file):  # another process may have been here
                transfer.receive(wanted.entry.source, revision, file, wanted.folder)


def copy(wanted: Plan, source: Path, advance: Advance = lambda count: None) -> None:
    """Copies what is lacking from a folder with the same layout, or one that holds it.

    Args:
        wanted: What is to be fetched.
        source: The folder of the weights, or that with one folder for each id.
        advance: Called with the bytes of each piece that was copied.

    Raises:
        FileNotFoundError: the folder lacks files; nothing was copied.
        OSError: the disk is full or not writable.
    """
    inner = source / wanted.entry.id
    source = inner if inner.is_dir() else source
    lacking = [file.path for file in wanted.files if not (source / file.path).is_file()]
    if lacking:
        raise FileNotFoundError(
            f"{source} must hold the files of {wanted.entry.source}, got none of "
            f"{', '.join(lacking[:3])}{' and more' if len(lacking) > 3 else ''}. Name a folder "
            "with the same layout as on the hub."
        )
    require_space(wanted)
    _mark(wanted.folder)
    for file in wanted.files:
        _copy_one(source / file.path, wanted.folder / file.path, advance)


def verify(entry: Entry, folder: Path, advance: Advance = lambda count: None) -> Iterator[Check]:
    """Reads every file of some weights and yields what was found of each.

    A hash that weights.json does not state is compared with that of the download.

    Args:
        entry: The weights.
        folder: Theirs.
        advance: Called with the bytes of each piece that was read.
    """
    recorded = record(folder)
    for file in entry.files:
        path = folder / file.path
        if not path.is_file():
            yield Check(file.path, "is missing", None, True)
            continue
        seen = path.stat().st_size
        found = hashes.sha256(path, advance)
        stated = file.sha256 or recorded.get(file.path)
        if file.size_bytes is not None and seen != file.size_bytes:
            problem = f"must be {file.size_bytes} bytes, got {seen}"
        elif stated is not None and found != stated:
            problem = f"must have the SHA-256 {stated}, got {found}"
        else:
            problem = ""
        yield Check(file.path, problem, found, stated is not None)


def settle(entry: Entry, folder: Path, checks: list[Check]) -> None:
    """Notes that a folder is whole, after every file was checked.

    Files with a problem are removed, so that they are fetched anew.

    Raises:
        RuntimeError: a file is not what it must be.
    """
    bad = [check for check in checks if check.problem]
    for check in bad:
        (folder / check.path).unlink(missing_ok=True)
    if bad:
        _mark(folder)
        raise RuntimeError(
            f"{entry.id} must be as its makers published it, got: {bad[0].path} "
            f"{bad[0].problem}. What was wrong is removed. Run: dressform weights get {entry.id}"
        )
    told = {
        "id": entry.id,
        "source": entry.source,
        "revision": entry.revision,
        "sha256": {check.path: check.sha256 for check in checks},
    }
    (folder / RECORD).write_text(json.dumps(told, indent=1), encoding="utf-8")
    shutil.rmtree(folder / HUB_NOTES, ignore_errors=True)
    transfer.forget(folder)
    (folder / UNFINISHED).unlink(missing_ok=True)


def record(folder: Path) -> Mapping[str, str]:
    """Returns the hashes that a folder's files had when they were fetched, by path."""
    try:
        told = json.loads((folder / RECORD).read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return told if isinstance(told, dict) else {}


def _mark(folder: Path) -> None:
    """Marks a folder as not whole; `settle` takes the mark away, an error leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / UNFINISHED).touch()


def _is_there(path: Path, file: File) -> bool:
    if not path.is_file():
        return False
    return file.size_bytes is None or path.stat().st_size == file.size_bytes


def _require_harmless(path: str) -> None:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or ":" in path or not pure.parts:
        raise ValueError(f"a file must lie in the weights' folder, got {path!r}. Correct its path.")
    if pure.suffix not in KINDS:
        raise ValueError(
            f"a file must be one of {', '.join(sorted(KINDS))}, got {path!r}. Other kinds may hold "
            "programs; ask the makers for safetensors."
        )


def _copy_one(source: Path, target: Path, advance: Advance) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.part")
    with source.open("rb") as reader, partial.open("wb") as writer:
        while piece := reader.read(hashes.CHUNK_BYTES):
            writer.write(piece)
            advance(len(piece))
    partial.replace(target)


def _listed(wanted: Plan) -> list[Any]:
    """What the hub says of the files, without fetching any."""
    from huggingface_hub import snapshot_download

    with _explaining(wanted.entry):
        return snapshot_download(  # type: ignore[return-value]
            wanted.entry.source,
            revision=wanted.revision,
            allow_patterns=[file.path for file in wanted.files],
            dry_run=True,
        )


@contextlib.contextmanager
def _explaining(entry: Entry) -> Iterator[None]:
    """Turns what the hub's library raises into a sentence for the user."""
    try:
        yield
    except Exception as error:  # of whichever library carries the hub's requests
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's
        raise RuntimeError(_explained(entry, error)) from error


def _explained(entry: Entry, error: Exception) -> str:
    """Returns what the hub's refusal means and what to do."""
    from huggingface_hub import constants, errors

    cause = error.__cause__ if isinstance(error, errors.DryRunError) else error
    again = f"dressform weights get {entry.id}"
    if isinstance(cause, errors.GatedRepoError):
        return (
            f"{entry.name} is given only to accounts that accepted its licence ({entry.licence}). "
            f"Accept it at https://huggingface.co/{entry.source}, then run: hf auth login, and "
            f"again: {again}"
        )
    if isinstance(cause, errors.RepositoryNotFoundError | errors.RevisionNotFoundError):
        return (
            f"{constants.ENDPOINT} must have {entry.source} at {entry.revision or 'main'}, got "
            "nothing. If HF_ENDPOINT names a mirror, try without it."
        )
    if isinstance(cause, errors.OfflineModeIsEnabled):
        return (
            f"HF_HUB_OFFLINE forbids to fetch {entry.source}. Unset it, or take the files from a "
            f"folder: {again} --from FOLDER"
        )
    told = (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
    return (
        f"{constants.ENDPOINT} must give {entry.source}, got: {told}. What came is kept. Check the "
        f"connection (HF_ENDPOINT names a mirror), then run again: {again}. Without a network: "
        f"{again} --from FOLDER"
    )
