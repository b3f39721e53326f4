"""`dressform check`: finished pictures against the photo of the garment, with a verdict each."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from . import failure
from .imaging import files, parse, pictures
from .imaging.parsing import Parsing
from .parse_batch import Photo
from .quality import comparison, overlay, verdict, worn
from .quality.verdict import Verdict

SELECTED = 127  # level of a mask's picture above which a pixel is selected


class Scene(NamedTuple):
    """What the results are compared with; as `verdict.check` has it, but for the two masks' sizes.

    Attributes:
        mask: (h, w) bool, the garment in the results; None: it is looked for.
        repainted: (h, w) bool, where painting on the person was allowed.
    """

    source: np.ndarray | None
    parsing: Parsing | None
    baseline: np.ndarray | None
    person: np.ndarray | None
    mask: np.ndarray | None
    repainted: np.ndarray | None
    profile: str | Path


class Row(NamedTuple):
    """One result; `error` is a sentence where it could not be checked, and there is no verdict."""

    id: str
    verdict: Verdict | None
    seconds: float
    error: str = ""


def prepare(
    *,
    source: Path | None,
    baseline: Path | None,
    person: Path | None = None,
    mask: Path | None = None,
    repainted: Path | None = None,
    profile: str | Path = "default",
) -> Scene:
    """Opens what the results are compared with, and parses the photo of the garment.

    Raises:
        ValueError: Neither source nor baseline is given, or a mask selects nothing.
    """
    if source is None and baseline is None:
        raise ValueError(
            "--source or --baseline is required, got neither. Name the photo of the garment, or an "
            "earlier result of the same scene."
        )
    photo, earlier, worn_by = (
        None if path is None else pictures.open_picture(path) for path in (source, baseline, person)
    )
    described = earlier if photo is None else photo
    assert described is not None  # noqa: S101 (one of both is there)
    return Scene(
        photo,
        parse.parse(described),
        earlier,
        worn_by,
        None if mask is None else _open_mask("--mask", mask),
        None if repainted is None else _open_mask("--repainted", repainted),
        profile,
    )


def run(results: Sequence[Photo], scene: Scene, out: Path | None = None) -> Iterator[Row]:
    """Checks results one after the other; a bad one yields its error and the others go on.

    Args:
        results: The pictures.
        scene: What they are compared with.
        out: Takes `<id>.annotated.png`, `<id>.heatmap.png` and `<id>.json`.
    """
    for result in results:
        started = time.monotonic()
        try:
            picture = pictures.open_picture(result.path)
            found = _check(picture, scene)
            if out is not None:
                _write(out, result.id, picture, found)
        except Exception as error:  # whatever it is: one picture does not end the batch
            yield Row(result.id, None, time.monotonic() - started, failure.sentence(error))
        else:
            yield Row(result.id, found, time.monotonic() - started)


def table(rows: Sequence[Row]) -> str:
    """Returns one line for each result, and one for each check that is no pass."""
    width = max([len("picture"), *(len(row.id) for row in rows)])
    lines = [f"{'picture':<{width}}  {'verdict':<12} remarks"]
    for row in rows:
        if row.verdict is None:
            lines.append(f"{row.id:<{width}}  {'FAILED':<12} {row.error}")
            continue
        remarks = [c for c in row.verdict.checks if c.state in ("warn", "fail")]
        remarks.sort(key=lambda check: check.state)  # "fail" before "warn"
        told = [f"{c.state} {c.title} {overlay.number(c)}: {c.sentence}" for c in remarks]
        lines.append(f"{row.id:<{width}}  {row.verdict.overall:<12} {told[0] if told else ''}")
        lines += [f"{'':<{width}}  {'':<12} {text}" for text in told[1:]]
    return "\n".join(line.rstrip() for line in lines)


def to_json(rows: Sequence[Row]) -> list[dict]:
    """Returns a document for each result; one that could not be checked has an error only."""
    return [
        {"picture": row.id, "error": row.error}
        if row.verdict is None
        else {"picture": row.id, **verdict.to_json(row.verdict)}
        for row in rows
    ]


def accepted(row: Row) -> bool:
    """Tells whether a result passes or warns; unmeasurable is no pass."""
    return row.verdict is not None and row.verdict.overall in ("pass", "warn")


def _check(picture: np.ndarray, scene: Scene) -> Verdict:
    return verdict.check(
        picture,
        scene.source,
        scene.parsing,
        garment_mask=_garment(picture, scene),
        person=scene.person,
        repaint_mask=_fitted("--repainted", scene.repainted, picture),
        baseline=scene.baseline,
        profile=scene.profile,
    )


def _garment(picture: np.ndarray, scene: Scene) -> np.ndarray | None:
    """Returns where the garment is in a result; None where it is where it is in the photo."""
    if scene.mask is not None:
        return _fitted("--mask", scene.mask, picture)
    other = scene.baseline if scene.source is None else scene.source
    if scene.parsing is None:
        return None
    return worn.garment(picture, other, scene.parsing.garment)


def _fitted(name: str, mask: np.ndarray | None, picture: np.ndarray) -> np.ndarray | None:
    """Returns a mask at the picture's size, if it has its proportions.

    Raises:
        ValueError: It has others, so it is the mask of another picture.
    """
    if mask is None or mask.shape == picture.shape[:2]:
        return mask
    (height, width), (tall, wide) = mask.shape, picture.shape[:2]
    if not comparison.alike(mask.shape, picture.shape[:2]):
        raise ValueError(
            f"{name} must have the proportions of the result, got {height}x{width} for a result of "
            f"{tall}x{wide}. Pass the mask of the same picture."
        )
    return cv2.resize(mask.astype(np.uint8), (wide, tall), interpolation=cv2.INTER_NEAREST) > 0


def _open_mask(name: str, path: Path) -> np.ndarray:
    selected = pictures.open_picture(path).max(axis=2) > SELECTED
    if not selected.any():
        raise ValueError(
            f"{name} must select something in white, got {path}, which is black all over. "
            "Save the mask again, white on black."
        )
    return selected


def _write(folder: Path, name: str, picture: np.ndarray, found: Verdict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pictures.save_picture(folder / f"{name}.annotated.png", overlay.annotate(picture, found))
    pictures.save_picture(folder / f"{name}.heatmap.png", overlay.heatmap(picture, found))
    text = json.dumps(verdict.to_json(found), indent=1, ensure_ascii=False, allow_nan=False)
    with files.whole(folder / f"{name}.json") as partial:
        partial.write_text(text, encoding="utf-8")
