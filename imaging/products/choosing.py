"""Which photo is next: what earlier runs left behind, and what is still to do.

A photo that was taken and never finished comes back once, after all others, and is given up then,
so that a photo which ends the process cannot hold up the rest.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import naming
from .journal import Journal, Key
from .listing import Photo
from .manifest import DONE, FAILED, SKIPPED, TAKEN, WAITING, Row
from .work import ERROR, INTERRUPTED, Counts, Ending, Order, Product, Run

MAX_ATTEMPTS = 2  # once, and once more after a power cut or a stop
# A workflow that cannot work fails on every photo alike: after so many it is stopped.
SAME_FAILURES = 10

_CHUNK_BYTES = 1 << 20
_LOST = (
    f"The photo was begun {MAX_ATTEMPTS} times and ComfyUI ended or was stopped each time. "
    "Scale it down if it is large, then choose redo: failed."
)
_UNSAVED = (
    "The run ended without saving this photo. Connect product of Load Folder to Save Product, and "
    "check that no node in between is muted."
)


def settle(book: Journal, order: Order, run: Run, ended: Callable[[str], Ending | None]) -> str:
    """Writes down how the runs ended that took photos; returns why to stop, or nothing."""
    stop = ""
    for row in [one for one in book.rows.values() if one.status == TAKEN and one.run != run.id]:
        ending = ended(row.run)
        if ending is None:
            if row.attempts >= MAX_ATTEMPTS:
                book.write(ended_row(row, FAILED, _LOST))
        elif ending.kind == INTERRUPTED:
            book.write(row._replace(status=WAITING, attempts=row.attempts - 1))
            if row.chain == run.chain:
                stop = "Stopped. Press Run to go on where it stopped."
        elif ending.kind == ERROR:
            book.write(ended_row(row, FAILED, ending.sentence))
        else:
            book.write(ended_row(row, FAILED, _UNSAVED))
    return stop or _broken(book, run)


def _broken(book: Journal, run: Run) -> str:
    """Returns a sentence where the last photos of this chain all came to the same bad end."""
    own = [row for row in book.rows.values() if row.chain == run.chain]
    halted = next((row.error for row in own if row.status == WAITING and row.error), "")
    if halted:
        return f"Stopped: {halted}"
    last = sorted((row for row in own if row.status in (DONE, FAILED)), key=lambda row: row.at)
    errors = {row.error for row in last[-SAME_FAILURES:]}
    if len(last) >= SAME_FAILURES and len(errors) == 1 and "" not in errors:
        return (
            f"Stopped: the last {SAME_FAILURES} photos failed alike: {errors.pop()} Correct the "
            "workflow, choose redo: failed, and press Run."
        )
    return ""


def skip(book: Journal, order: Order, found: Sequence[Photo], run: Run) -> None:
    """Writes down the files that are no photos for this pack, each once."""
    fresh = []
    for photo in found:
        known = book.rows.get(Key(order.label, photo.file))
        if photo.reason and (known is None or known.error != photo.reason):
            sku, name = naming.of_file(photo.file)
            fresh.append(
                Row(
                    order.label,
                    photo.file,
                    sku,
                    name,
                    SKIPPED,
                    at=time.time(),
                    error=photo.reason,
                    chain=run.chain,
                )
            )
    if fresh:
        book.write(*fresh)


def still_open(book: Journal, order: Order, found: Sequence[Photo], run: Run) -> list[Photo]:
    """Returns the photos still to do: untouched ones first, then those that were left behind."""
    new, again = [], []
    for photo in found:
        if photo.reason:
            continue
        row = book.rows.get(Key(order.label, photo.file))
        if row is None or row.status in (WAITING, SKIPPED):
            (again if row is not None and row.attempts else new).append(photo)
        elif row.status == TAKEN:
            again += [photo] if row.run != run.id else []
        elif _is_wanted_again(book, order, photo, row, run):
            new.append(photo)
    return new + again


def _is_wanted_again(book: Journal, order: Order, photo: Photo, row: Row, run: Run) -> bool:
    """Tells of a done or failed photo whether to do it again."""
    if row.at < run.began_at:  # what this press of the button has done stays done
        if order.redo == "all" or (order.redo == "failed" and row.status == FAILED):
            return True
        if row.status == DONE and not all((order.out / name).is_file() for name in row.outputs):
            return True
    if (row.size_bytes, row.modified_ns) == (photo.size_bytes, photo.modified_ns):
        return False
    # A copy or a download sets the time anew: only another content counts.
    if row.size_bytes == photo.size_bytes and _is_same(photo, row):
        book.write(row._replace(modified_ns=photo.modified_ns))
        return False
    return True


def _is_same(photo: Photo, row: Row) -> bool:
    try:
        return fingerprint(photo.path) == row.fingerprint
    except OSError:
        return False


def fingerprint(path: Path) -> str:
    """Returns the sha256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def claim(book: Journal, order: Order, photo: Photo, run: Run) -> Product:
    """Writes down that this run takes a photo; its name stays the same from then on."""
    key = Key(order.label, photo.file)
    old = book.rows.get(key)
    try:
        content = fingerprint(photo.path)
    except OSError:
        content = ""  # opening it will tell the reason
    began = old is not None and old.status in (TAKEN, WAITING) and old.fingerprint == content
    attempts = old.attempts if old and began else 0
    sku, name = naming.of_file(photo.file)
    if old and old.name:
        name = old.name
    else:
        others = {
            f"{row.sku}/{row.name}".casefold()
            for one, row in book.rows.items()
            if one != key and row.name and row.status != SKIPPED
        }
        name = naming.free(f"{sku}/{name}", others).removeprefix(f"{sku}/")
    row = Row(
        order.label,
        photo.file,
        sku,
        name,
        TAKEN,
        fingerprint=content,
        size_bytes=photo.size_bytes,
        modified_ns=photo.modified_ns,
        at=time.time(),
        attempts=attempts + 1,
        run=run.id,
        chain=run.chain,
    )
    book.write(row)
    return Product(row, order.out, run.saves)


def count(book: Journal, order: Order, found: Sequence[Photo], left: int) -> Counts:
    """Counts the states of the photos that are in the folder now."""
    rows = [book.rows.get(Key(order.label, photo.file)) for photo in found]
    states = [row.status for row in rows if row is not None]
    return Counts(len(found), states.count(DONE), states.count(FAILED), states.count(SKIPPED), left)


def ended_row(row: Row, status: str, error: str = "") -> Row:
    """Returns the row of a photo that is done or failed now."""
    now = time.time()
    return row._replace(status=status, error=error, at=now, seconds=round(now - row.at, 3))
