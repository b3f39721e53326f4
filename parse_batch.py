"""The body of `dressform parse`: many photos to masks and keypoints on disk."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple, TypeVar

from . import failure
from .imaging import body, files, parse, pictures, pose
from .imaging.parsing import Parsing

SCENE_PHOTO = "photo.jpg"

# Such photos are taken one at a time, whatever the number of jobs: 2.7 GB at the most, for 144 MP.
LARGE_PIXELS = 25_000_000
_LARGE = threading.Lock()

Done = TypeVar("Done")


class Photo(NamedTuple):
    """A photo to be parsed, and the name of the folder that takes its masks."""

    id: str
    path: Path


class Row(NamedTuple):
    """One line of the summary; `error` is a sentence where the photo failed."""

    id: str
    kind: str
    confidence: float
    seconds: float
    warning: str
    error: str = ""


def gather(arguments: Sequence[Path]) -> list[Photo]:
    """Returns the photos that files and folders name, each with an id of its own.

    A folder stands for each `<id>/photo.jpg` in it, or else for each image file in it.

    Raises:
        FileNotFoundError: an argument does not exist, or a folder has no picture.
    """
    found: list[tuple[str, Path]] = []
    for argument in arguments:
        if not argument.exists():
            raise FileNotFoundError(
                f"a photo or a folder is required, got {argument}, which does not exist. "
                "Correct the path."
            )
        if argument.is_dir():
            found += _in_folder(argument)
        else:
            found.append((_stem(argument), argument))
    return _unique(found)


def run(photos: Sequence[Photo], out: Path, jobs: int) -> Iterator[Row]:
    """Parses photos in threads and yields a row as each is done; a bad photo yields its error."""
    return each(photos, lambda photo: _row(photo, out / photo.id), jobs)


def each(photos: Sequence[Photo], work: Callable[[Photo], Done], jobs: int) -> Iterator[Done]:
    """Works on photos in threads and yields what comes of each as it is done."""
    pending: set[Future[Done]] = set()
    queue = iter(photos)
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            # No more than are worked on: a stop waits for those alone.
            for photo in queue:
                pending.add(pool.submit(work, photo))
                if len(pending) >= jobs:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def turn(path: Path) -> contextlib.AbstractContextManager:
    """Returns the turn that a photo waits for: large ones are worked on one at a time."""
    large = pictures.count_pixels(path) > LARGE_PIXELS
    return _LARGE if large else contextlib.nullcontext()


def table(rows: Sequence[Row]) -> str:
    """Returns the summary, one photo per line, sorted by id."""
    width = max([len("photo"), *(len(row.id) for row in rows)])
    lines = [f"{'photo':<{width}}  {'kind':<10} {'confidence':>10} {'seconds':>8}  warning"]
    for row in sorted(rows):
        if row.error:
            lines.append(
                f"{row.id:<{width}}  {'FAILED':<10} {'':>10} {row.seconds:>8.1f}  {row.error}"
            )
        else:
            lines.append(
                f"{row.id:<{width}}  {row.kind:<10} {row.confidence:>10.2f} "
                f"{row.seconds:>8.1f}  {row.warning}"
            )
    return "\n".join(line.rstrip() for line in lines)


def write(parsing: Parsing, folder: Path) -> None:
    """Writes the masks, the keypoints and parsing.json of one photo."""
    folder.mkdir(parents=True, exist_ok=True)
    masks = {
        "garment": parsing.garment,
        "mannequin": parsing.mannequin | parsing.support,
        "interior": parsing.interior,
    }
    for name, mask in masks.items():
        pictures.save_picture(folder / f"{name}.png", mask)
    height, width = parsing.size
    _write_json(folder / "keypoints.json", pose.to_json(_locate(parsing)))
    _write_json(
        folder / "parsing.json",
        {
            "kind": parsing.kind,
            "region": parsing.region,
            "view": parsing.view,
            "confidence": round(float(parsing.confidence), 4),
            "warnings": list(parsing.warnings),
            "size": [width, height],
        },
    )


def _row(photo: Photo, folder: Path) -> Row:
    started = time.monotonic()
    try:
        with turn(photo.path):
            parsing = parse.parse(pictures.open_picture(photo.path))
            write(parsing, folder)
    except Exception as error:  # whatever it is: one photo does not end the batch
        spent_s = time.monotonic() - started
        return Row(photo.id, "", 0.0, spent_s, "", failure.sentence(error))
    warning = " ".join(parsing.warnings)
    return Row(photo.id, parsing.kind, parsing.confidence, time.monotonic() - started, warning)


def _locate(parsing: Parsing) -> pose.Pose:
    """Where nothing was found, no keypoint is known: confidence 0, at the corner."""
    if (parsing.garment | parsing.mannequin).any():
        return body.locate(parsing)
    height, width = parsing.size
    return pose.Pose(height, width, dict.fromkeys(pose.NAMES, pose.Keypoint(0.0, 0.0, 0.0)))


def _in_folder(folder: Path) -> list[tuple[str, Path]]:
    scenes = sorted(folder.glob(f"*/{SCENE_PHOTO}"))
    if scenes:
        return [(path.parent.name, path) for path in scenes]
    files = sorted(path for path in folder.iterdir() if path.is_file() and _is_picture(path))
    if not files:
        raise FileNotFoundError(
            f"a folder must have <id>/{SCENE_PHOTO} or image files, got {folder} without any. "
            "Name a folder of photos."
        )
    return [(path.stem, path) for path in files]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in pictures.SUFFIXES and not path.name.startswith(".")


def _stem(path: Path) -> str:
    return path.resolve().parent.name if path.name == SCENE_PHOTO else path.stem


def _unique(found: Sequence[tuple[str, Path]]) -> list[Photo]:
    """Gives photos of the same name different ids, and a photo named twice one only."""
    photos: list[Photo] = []
    taken: set[str] = set()
    seen: set[Path] = set()
    for name, path in found:
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        unique, number = name, 2
        # Not every file system tells upper from lower case.
        while unique.casefold() in taken:
            unique, number = f"{name}-{number}", number + 1
        taken.add(unique.casefold())
        photos.append(Photo(unique, path))
    return photos


def _write_json(path: Path, document: dict) -> None:
    with files.whole(path) as partial:
        partial.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
