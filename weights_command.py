"""The body of `dressform weights`: lists, fetches, checks and locates the engines' weights."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .inference import downloads, weights
from .inference.weights import Entry

GB = 1e9
COMMERCIAL = {True: "yes", False: "no", "unverified": "unverified"}
HEADINGS = ("id", "size", "licence", "commercial", "VRAM", "installed", "for")

Say = Callable[[str], object]


def places(to: Path | None = None) -> list[Path]:
    """Returns where weights are looked for, the place for new ones first.

    Args:
        to: The user's own choice; alone where it is given.
    """
    if to is not None:
        return [to]
    found = weights.folders()
    comfyui = _comfyui_models()
    if comfyui is None:
        return found
    theirs = [comfyui / "dressform", comfyui / "diffusers"]
    chosen = weights.FOLDER_VARIABLE in os.environ
    return [*found, *theirs] if chosen else [*theirs, *found]


def table(where: Sequence[Path]) -> str:
    """Returns what `dressform weights list` prints.

    Args:
        where: Folders that hold one folder for each id.
    """
    rows: list[tuple[str, ...]] = [HEADINGS]
    for one in weights.entries().values():
        at = weights.find(one.id, where)
        rows.append(
            (
                one.id,
                _size(one),
                one.licence,
                COMMERCIAL[one.commercial],
                f"{one.min_vram_gb} GB",
                _installed(one, at, where),
                one.purpose,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines += [
        "",
        f"Weights are looked for in: {', '.join(map(str, where))}",
        "commercial: whether pictures may be sold; unverified counts as no (usage research).",
        "~: not every file's size is stated. Fetch with: dressform weights get ID",
    ]
    return "\n".join(lines)


def get(
    key: str,
    where: Sequence[Path],
    *,
    source: Path | None = None,
    agree: Callable[[], bool] = lambda: True,
    say: Say = lambda text: None,
) -> Path:
    """Fetches what is lacking of some weights, checks every file, and returns where they are.

    Args:
        key: An id of weights.json.
        where: The first is the place for new ones.
        source: A folder to copy from instead of the hub.
        agree: Asks the user; called after size and licence were said.
        say: Takes lines for the user.

    Raises:
        ValueError: there are no such weights.
        OSError: the disk is full or not writable, or `source` lacks files.
        RuntimeError: the hub does not give the files, or they are not what they must be.
        InterruptedError: the user did not agree.
    """
    entry = weights.entry(key)
    folder = where[0] / key
    wanted = downloads.plan(entry, folder)
    begun = (folder / weights.UNFINISHED).exists()
    if not wanted.files and not begun:
        say(f"{key} is there: {folder}. Check its files with: dressform weights verify {key}")
        return folder
    if source is None:
        wanted = downloads.sized(wanted)
    for line in terms(wanted, source):
        say(line)
    if not agree():
        raise InterruptedError(f"{key} was not fetched. Add --yes to agree beforehand.")
    if source is None:
        downloads.fetch(wanted)
    else:
        with _bar(wanted.size_bytes, "copying") as advance:
            downloads.copy(wanted, source, advance)
    downloads.settle(entry, folder, _checked(entry, folder))
    say(f"{key} is whole: {folder}")
    return folder


def terms(wanted: downloads.Plan, source: Path | None = None) -> list[str]:
    """Returns what the user has to know before weights are fetched."""
    entry = wanted.entry
    sold = {
        True: "Pictures made with it may be sold.",
        False: "Pictures made with it must not be sold: usage research only.",
        "unverified": "Not verified that pictures may be sold: usage research only.",
    }[entry.commercial]
    origin = f"{entry.source} at {entry.revision or 'main'}" if source is None else str(source)
    lines = [
        f"{entry.name}, for {entry.purpose}",
        f"  from     {origin}",
        f"  to       {wanted.folder}",
        f"  size     {wanted.size_bytes / GB:.2f} GB in {len(wanted.files)} files",
        f"  licence  {entry.licence} ({entry.licence_source})",
        f"           {sold}",
    ]
    if entry.gated:
        lines.append(
            f"  account  accept the licence at https://huggingface.co/{entry.source}, then run: "
            "hf auth login"
        )
    return lines


def verify(keys: Sequence[str], where: Sequence[Path], say: Say) -> bool:
    """Checks sizes and hashes of installed weights and returns whether all are right.

    Args:
        keys: Ids of weights.json; none checks all that are installed.
        where: Where they are looked for.
        say: Takes lines for the user.

    Raises:
        FileNotFoundError: weights that were named are not installed.
    """
    installed = {key: _folder(key, where) for key in keys or weights.entries()}
    fine = True
    for key, folder in installed.items():
        if folder is None:
            if keys:
                raise FileNotFoundError(weights.missing(key, where))
            continue
        checks = _checked(weights.entry(key), folder)
        bad = [check for check in checks if check.problem]
        unknown = sum(not check.known for check in checks)
        for check in bad:
            say(f"{key}: {check.path} {check.problem}. Run: dressform weights get {key}")
        if not bad:
            note = f", {unknown} of them with no hash to compare with" if unknown else ""
            say(f"{key}: {len(checks)} files are right{note}")
        fine = fine and not bad
    if not any(installed.values()):
        say("No weights are installed. Run: dressform weights list")
    return fine


def path(key: str, where: Sequence[Path]) -> Path:
    """Returns where some weights are.

    Raises:
        FileNotFoundError: they are not installed.
    """
    found = weights.find(key, where)
    if found is None:
        raise FileNotFoundError(weights.missing(key, where))
    return found


def agreed_on_terminal() -> bool:
    """Asks on the terminal; without one the answer is no."""
    if not sys.stdin.isatty():
        return False
    return input("Fetch it? [y/N] ").strip().lower() in ("y", "yes")


def _checked(entry: Entry, folder: Path) -> list[downloads.Check]:
    files = [folder / file.path for file in entry.files]
    total = sum(file.stat().st_size for file in files if file.is_file())
    with _bar(total, "checking") as advance:
        return list(downloads.verify(entry, folder, advance))


@contextlib.contextmanager
def _bar(total: int, word: str) -> Iterator[downloads.Advance]:
    """A progress bar on a terminal, nothing elsewhere."""
    from tqdm import tqdm

    hidden = not sys.stderr.isatty()
    with tqdm(
        total=total, desc=word, unit="B", unit_scale=True, leave=False, disable=hidden
    ) as shown:
        yield shown.update


def _folder(key: str, where: Sequence[Path]) -> Path | None:
    found = weights.find(key, where)
    return None if found is None else found.parent if found.is_file() else found


def _installed(entry: Entry, at: Path | None, where: Sequence[Path]) -> str:
    if at is not None:
        return "yes"
    return "partly" if any((place / entry.id).is_dir() for place in where) else "no"


def _size(entry: Entry) -> str:
    exact = all(file.size_bytes is not None for file in entry.files)
    return f"{'' if exact else '~'}{entry.size_bytes / GB:.1f} GB"


def _comfyui_models() -> Path | None:
    """The models folder of the ComfyUI that the user names, or that this pack is part of."""
    named, parent = os.environ.get("COMFYUI_PATH"), weights.PACK.parent
    trees = [Path(named).expanduser()] if named else []
    if parent.name == "custom_nodes":
        trees.append(parent.parent)
    return next((tree / "models" for tree in trees if (tree / "models").is_dir()), None)
