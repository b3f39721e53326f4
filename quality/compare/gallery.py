"""The pictures of one arm: where they are in a folder, and whether they show their scenes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from ...imaging import pictures

THUMB_HEIGHT_PX, THUMB_WIDTH_PX = 48, 36
COLOR_WEIGHT = 2.0  # of a and b in Lab beside L; light from the side is not another scene
# 17 rendered scenes: a picture and its own photo 0.55 or more, 0.80 in the median; another scene's
# photo 0.26 in the median, 0.78 at most, and always less than its own.
LEAST_LIKENESS = 0.25
SURE_LIKENESS = 0.6  # from there on a picture is its scene's, whatever else it is like
CLEARLY_MORE = 0.15  # by which it must be more like another scene to be told so
BLANK_LEVELS = 2.0  # standard deviation of all values; an empty picture has less, of 255
MOST_NAMED = 5  # pictures in one sentence

Key = tuple[str, str, int]  # arm, scene, seed


def find(folder: Path, scenes: Sequence[str], seeds: Sequence[int], arm: str) -> dict[Key, Path]:
    """Returns the picture of every scene and seed: `<scene>/<seed>.png` or `<scene>_<seed>.png`.

    Raises:
        FileNotFoundError: The folder or pictures are not there; names them.
        ValueError: A scene and seed have two pictures.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"a folder of pictures or a workflow is required for the {arm}, got {folder}, which "
            "does not exist. Correct the path."
        )
    found: dict[Key, Path] = {}
    missing = []
    for scene in scenes:
        for seed in seeds:
            there = _files(folder, scene, seed)
            if len(there) > 1:
                raise ValueError(
                    f"one picture per scene and seed is required, got {there[0]} and {there[1]}. "
                    "Remove one of them."
                )
            if there:
                found[arm, scene, seed] = there[0]
            else:
                missing.append(f"{scene} seed {seed}")
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        example = f"{scenes[0]}/{seeds[0]}.png or {scenes[0]}_{seeds[0]}.png"
        raise FileNotFoundError(
            f"the {arm} must have a picture of every scene and seed, got none of "
            f"{', '.join(missing[:MOST_NAMED])}{more} in {folder}. Name them like {example}."
        )
    return found


def _files(folder: Path, scene: str, seed: int) -> list[Path]:
    places = (folder / scene, str(seed)), (folder, f"{scene}_{seed}"), (folder, f"{scene}-{seed}")
    return [
        path
        for place, stem in places
        if place.is_dir()
        for path in sorted(place.glob(f"{_literal(stem)}.*"))
        if path.suffix.lower() in pictures.SUFFIXES
    ]


def _literal(stem: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in stem)


def is_blank(picture: np.ndarray) -> bool:
    """Tells whether a (H, W, 3) uint8 picture is of one colour, as a failed decoder leaves it."""
    return float(picture.std()) < BLANK_LEVELS


def thumb(picture: np.ndarray) -> np.ndarray:
    """Returns what a (H, W, 3) uint8 sRGB picture looks like from afar: a vector of length 1."""
    size = (THUMB_WIDTH_PX, THUMB_HEIGHT_PX)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    lab = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), (0, 0), 1.0)
    lab[..., 1:] *= COLOR_WEIGHT
    flat = (lab - lab.mean((0, 1))).ravel()
    norm = float(np.linalg.norm(flat))
    return flat / norm if norm > 0 else flat


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the correlation of two thumbs, -1 to 1; a veil or an exposure changes little."""
    return float(first @ second)


def stranger(
    picture: np.ndarray, scene: str, references: Mapping[str, Sequence[np.ndarray]]
) -> str | None:
    """Returns why a picture does not seem to show its scene; None where it does.

    Args:
        picture: Its thumb.
        scene: That it is named after.
        references: Thumbs of photo, person and the other arm's pictures, by scene.
    """
    like = {
        name: max(likeness(picture, thumb) for thumb in thumbs)
        for name, thumbs in references.items()
    }
    own = like[scene]
    nearest = max(like, key=lambda name: like[name])
    if own < SURE_LIKENESS and like[nearest] >= max(own + CLEARLY_MORE, LEAST_LIKENESS):
        return f"is more like {nearest} ({like[nearest]:.2f}) than like {scene} ({own:.2f})"
    if own < LEAST_LIKENESS:
        return f"is like no picture of {scene} ({own:.2f}, at least {LEAST_LIKENESS} needed)"
    return None
