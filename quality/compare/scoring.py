"""From pictures to rows of a score table; the only file of the comparison that measures pictures.

Each picture is checked against the photo of the scene, and against the picture of the other arm
with the same seed. The second is done in both directions, so that their difference favours none.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...imaging import files, parse, pictures
from ...imaging.parsing import Parsing
from .. import alignment, verdict, worn
from . import frozen, gallery
from .scores import Row
from .suite import Scene

# Below this overlap with the garment of the photo, in the same place, a mask is another photo's.
LEAST_OVERLAP = 0.3
SOURCES = Path(__file__).parents[2]


class Material(NamedTuple):
    """A scene's own pictures.

    Attributes:
        photo: (H, W, 3) uint8 sRGB.
        parsing: Of the photo.
        person: (H', W', 3) uint8 or None.
        garment_mask, repaint_mask: (H', W') bool, of the results; or None.
    """

    photo: np.ndarray
    parsing: Parsing
    person: np.ndarray | None
    garment_mask: np.ndarray | None
    repaint_mask: np.ndarray | None


class Pair(NamedTuple):
    """One picture and the one that it is held against.

    Attributes:
        scene: That both show.
        arm, seed: Of the picture.
        path, other: The files.
    """

    scene: Scene
    arm: str
    seed: int
    path: Path
    other: Path


def material(scene: Scene) -> Material:
    """Reads what belongs to a scene and parses its photo.

    Raises:
        ValueError: A file is no picture, or a mask is empty.
    """
    photo = pictures.open_picture(scene.files["photo"])
    person = scene.files.get("person")
    return Material(
        photo,
        parse.parse(photo),
        None if person is None else pictures.open_picture(person),
        _mask(scene, "garment_mask"),
        _mask(scene, "repaint_mask"),
    )


def measure(
    result: np.ndarray, other: np.ndarray, found: Material, profile: str, name: str
) -> dict[str, Any]:
    """Returns scores, states and units of one picture, as JSON has them.

    Args:
        result, other: (H, W, 3) uint8 sRGB, of one scene and seed.
        found: Of the scene.
        profile: Of the quality check.
        name: Of the picture, for errors.

    Raises:
        ValueError: The two differ in size, or a mask is not the picture's.
    """
    require_same_size(result.shape, other.shape, name)
    if gallery.is_blank(result):
        return {"scores": {}, "states": {"blank": "fail"}, "units": {}}
    _require_masks(result, found, name)
    mask = found.garment_mask
    if mask is None:
        mask = worn.garment(result, found.photo, found.parsing.garment)
    checked = verdict.check(
        result,
        found.photo,
        found.parsing,
        garment_mask=mask,
        person=found.person,
        repaint_mask=found.repaint_mask,
        baseline=None if gallery.is_blank(other) else other,
        profile=profile,
    )
    return from_verdict(checked)


def from_verdict(checked: verdict.Verdict) -> dict[str, Any]:
    """Returns scores, states and units of a verdict; a picture that was checked is not blank."""
    return {
        "scores": {c.name: None if c.value is None else round(c.value, 6) for c in checked.checks},
        "states": {**{check.name: check.state for check in checked.checks}, "blank": "pass"},
        "units": {check.name: check.unit for check in checked.checks},
    }


def row(pair: Pair, measured: Mapping[str, Any], *, strange: bool | None = None) -> Row:
    """Returns the row of a measured picture.

    Args:
        pair: What was measured.
        measured: As `measure` returns it.
        strange: Whether it shows another scene; None where that was not asked.
    """
    states = dict(measured["states"])
    if strange is not None:
        states["scene"] = "fail" if strange else "pass"
    scores, units = dict(measured["scores"]), dict(measured["units"])
    return Row(pair.scene.id, pair.arm, pair.seed, scores, states, units)


def key(pair: Pair, hashes: Mapping[Path, str], profile: str) -> str:
    """Returns what a measurement depends on, as one hash: pictures, masks, profile and program."""
    parts = [hashes[pair.path], hashes[pair.other], profile, sources()]
    parts += [f"{kind}={hashes[path]}" for kind, path in sorted(pair.scene.files.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def sources() -> str:
    """Returns a hash of the program that measures: another version measures anew."""
    digest = hashlib.sha256()
    for folder in ("quality", "imaging"):
        for path in sorted((SOURCES / folder).rglob("*")):
            if path.is_file() and not {"compare", "__pycache__"} & set(path.parts):
                digest.update(path.relative_to(SOURCES).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def kept(folder: Path, name: str) -> dict[str, Any] | None:
    """Returns a measurement that an earlier run has kept; None where there is none."""
    try:
        return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def keep(folder: Path, name: str, measured: Mapping[str, Any]) -> None:
    """Keeps a measurement for the next run."""
    folder.mkdir(parents=True, exist_ok=True)
    with files.whole(folder / f"{name}.json") as partial:
        partial.write_text(json.dumps(measured, sort_keys=True), encoding="utf-8")


def hashed(paths: set[Path]) -> dict[Path, str]:
    """Returns the SHA-256 of each file."""
    return {path: frozen.file_hash(path) for path in sorted(paths)}


def require_same_size(size: tuple[int, ...], other: tuple[int, ...], name: str) -> None:
    """Raises ValueError unless two shapes of pictures have the same height and width."""
    if size != other:
        raise ValueError(
            f"all pictures of {name} must have the same size, got {size[0]}x{size[1]} and "
            f"{other[0]}x{other[1]}. Make them with the same width and height: scaling one of them "
            "would be measured as blur."
        )


def _mask(scene: Scene, kind: str) -> np.ndarray | None:
    if kind not in scene.files:
        return None
    mask = pictures.open_picture(scene.files[kind])[..., 0] > 127
    if not mask.any():
        raise ValueError(
            f"{kind} of {scene.id} must select something, got an empty mask: {scene.files[kind]}. "
            "Paint the garment white on black, or leave the mask out."
        )
    return mask


def _require_masks(result: np.ndarray, found: Material, name: str) -> None:
    for kind in ("garment_mask", "repaint_mask"):
        mask = getattr(found, kind)
        if mask is not None and mask.shape != result.shape[:2]:
            raise ValueError(
                f"{kind} must be {_size(result)} like the picture of {name}, got {_size(mask)}. "
                "Save the mask of the same picture."
            )
    mask, garment = found.garment_mask, found.parsing.garment
    if mask is None or not alignment.aligned(result, found.photo, garment):
        return
    overlap = float((mask & garment).sum() / (mask | garment).sum())
    if overlap < LEAST_OVERLAP:
        raise ValueError(
            f"garment_mask of {name} must lie on the garment, got an overlap of {overlap:.2f} with "
            f"it, at least {LEAST_OVERLAP} needed. It may be the mask of another photo."
        )


def _size(array: np.ndarray) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
