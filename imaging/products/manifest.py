"""manifest.csv: one line for each photo, for a person with a spreadsheet."""

import csv
import datetime
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .. import files
from . import listing

FILE = "manifest.csv"
WAITING, TAKEN, DONE, FAILED, SKIPPED = "waiting", "taken", "done", "failed", "skipped"
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Row(NamedTuple):
    """What is known of one photo.

    Attributes:
        folder: Of the photos, as the user named it.
        file: Path below it, with slashes.
        sku: What the photo shows.
        name: Of its pictures, without suffix; no other photo's are called so.
        status: waiting, taken (somebody works on it), done, failed or skipped.
        fingerprint: sha256 of the file, hexadecimal.
        size_bytes, modified_ns: Of the file, when it was read.
        at: When the status came about, seconds since 1970.
        seconds: From taking it until it was done or failed.
        kind: Of photo, from its parsing.
        confidence: 0 to 1, from its parsing; -1 where unknown.
        warnings: Sentences of the parsing.
        outputs: Paths below the output folder, with slashes.
        error: The sentence that tells why it failed or was skipped.
        saved: How many nodes have saved it in this run.
        attempts: How often it was taken since the file last changed.
        run: The prompt that took it last.
        chain: The press of the button that the prompt came from.
    """

    folder: str
    file: str
    sku: str = ""
    name: str = ""
    status: str = WAITING
    fingerprint: str = ""
    size_bytes: int = 0
    modified_ns: int = 0
    at: float = 0.0
    seconds: float = 0.0
    kind: str = ""
    confidence: float = -1.0
    warnings: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    error: str = ""
    saved: int = 0
    attempts: int = 0
    run: str = ""
    chain: str = ""


COLUMNS = (
    ("sku", lambda row: row.sku),
    ("file", lambda row: row.file),
    ("status", lambda row: row.status),
    ("error", lambda row: row.error),
    ("outputs", lambda row: "\n".join(row.outputs)),
    ("kind", lambda row: row.kind),
    ("confidence", lambda row: f"{row.confidence:.2f}" if row.confidence >= 0 else ""),
    ("warnings", lambda row: "\n".join(row.warnings)),
    ("seconds", lambda row: f"{row.seconds:.1f}" if row.seconds else ""),
    ("finished", lambda row: _moment(row.at) if row.status in (DONE, FAILED) else ""),
    ("folder", lambda row: row.folder),
    ("sha256", lambda row: row.fingerprint),
)


def write(path: Path, rows: Sequence[Row]) -> str:
    """Writes the table whole or not at all, in the order of the photos.

    Returns:
        Empty, or a sentence for the user where the old table had to stay.
    """
    ordered = sorted(rows, key=lambda row: (row.folder, listing.natural(row.file)))
    try:
        # With its mark, a spreadsheet knows that the file is UTF-8.
        with (
            files.whole(path) as partial,
            partial.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file,
        ):
            table = csv.writer(file)
            table.writerow([name for name, _ in COLUMNS])
            table.writerows([_plain(value(row)) for _, value in COLUMNS] for row in ordered)
            file.flush()
            os.fsync(file.fileno())
            file.close()  # Windows does not rename an open file
    except OSError as error:
        return (
            f"{FILE} could not be written ({error.strerror}). Close it in other programs; it is "
            "written anew with the next photo, and nothing is lost."
        )
    return ""


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _moment(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="seconds")
