"""`dressform lint`: many photos inspected in threads; a bad one does not end the batch."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from . import failure, parse_batch
from .imaging import parse, pictures
from .parse_batch import Photo
from .quality.lint import inspection


class Row(NamedTuple):
    """One photo; `error` is a sentence where it failed, and then there is no report."""

    id: str
    report: inspection.Report | None
    seconds: float
    error: str = ""


def run(photos: Sequence[Photo], jobs: int) -> Iterator[Row]:
    """Inspects photos in threads and yields a row as each is done."""
    return parse_batch.each(photos, _row, jobs)


def table(rows: Sequence[Row]) -> str:
    """Returns one line for each photo, sorted by id: grade, score and what to object to."""
    width = max([len("photo"), *(len(row.id) for row in rows)])
    lines = [f"{'photo':<{width}}  {'grade':<6} {'score':>5}  remarks"]
    for row in sorted(rows, key=lambda row: row.id):
        if row.report is None:
            lines.append(f"{row.id:<{width}}  {'FAILED':<6} {'':>5}  {row.error}")
            continue
        remarks = ", ".join(
            f"{one.title} {inspection.number(one)}" + ("!" if one.state == "fail" else "")
            for one in row.report.remarks
        )
        lines.append(
            f"{row.id:<{width}}  {row.report.grade:<6} {row.report.score:>5.2f}  {remarks}"
        )
    return "\n".join(line.rstrip() for line in lines)


def to_json(rows: Sequence[Row]) -> list[dict]:
    """Returns a document for each photo, sorted by id; one that failed has an error only."""
    return [
        {"photo": row.id, "error": row.error}
        if row.report is None
        else {"photo": row.id, **inspection.to_json(row.report)}
        for row in sorted(rows, key=lambda row: row.id)
    ]


def below(rows: Sequence[Row], least: str) -> int:
    """Counts the photos that do not reach a grade; one that failed reaches none."""
    return sum(
        row.report is None or not inspection.reaches(row.report.grade, least) for row in rows
    )


def _row(photo: Photo) -> Row:
    started = time.monotonic()
    try:
        with parse_batch.turn(photo.path):
            picture = pictures.open_picture(photo.path)
            report = inspection.inspect(picture, parse.parse(picture))
    except Exception as error:  # whatever it is: one photo does not end the batch
        return Row(photo.id, None, time.monotonic() - started, failure.sentence(error))
    return Row(photo.id, report, time.monotonic() - started)
