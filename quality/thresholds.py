"""Profiles: the named sets of thresholds that turn measures into verdicts."""

import math
import tomllib
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "profiles"
SCHEMA = 1
CHECKS = (
    "shape",
    "veil",
    "edge",
    "outline",
    "color",
    "texture",
    "marks",
    "blur",
    "clipping",
    "leak",
    "seam",
    "residue",
    "masks",
)


class Limits(NamedTuple):
    """The thresholds of one check, in its unit; warn <= fail.

    Attributes:
        unit: Of warn and fail.
        warn, fail: From there on.
        fail_black_point_rise: Of the veil only, in luma: a veil that lifts less cannot fail.
        warn_loose: Of the shape only, share of the garment: more in loose pieces warns.
        fail_same_surroundings: Of the outline only: with less of it before the same background, a
            moved edge cannot fail.
        fail_pasted: Of the leak only: `fail` where all else is the person photo bit by bit.
        map_fail: Of the leak only: where its map has the colour of a fail, in CIEDE2000.
    """

    unit: str
    warn: float
    fail: float
    fail_black_point_rise: float = 0.0
    warn_loose: float = 1.0
    fail_same_surroundings: float = 0.0
    fail_pasted: float = math.inf
    map_fail: float = 1.0


class Profile(NamedTuple):
    """A named set of limits, one for each of CHECKS."""

    name: str
    limits: dict[str, Limits]


def load(profile: str | Path = "default") -> Profile:
    """Reads a profile by the name of a shipped one, or by the path of a TOML file.

    Raises:
        FileNotFoundError: There is no such profile.
        ValueError: The file is not a complete profile.
    """
    path = Path(profile) if str(profile).endswith(".toml") else FOLDER / f"{profile}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.toml")))
        raise FileNotFoundError(
            f"profile must be one of {known} or a .toml file, got {profile}. "
            "Copy quality/profiles/default.toml and pass its path."
        )
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(
            f"profile must be TOML, got {path}: {error}. Correct that line."
        ) from error
    if document.get("schema") != SCHEMA:
        raise ValueError(
            f"profile must have schema = {SCHEMA}, got {document.get('schema')} in {path}. "
            "Start from quality/profiles/default.toml."
        )
    return Profile(
        str(document.get("name", path.stem)),
        {name: _limits(document, name, path) for name in CHECKS},
    )


def _limits(document: dict, name: str, path: Path) -> Limits:
    try:
        limits = Limits(**document[name])
        ordered = 0 <= limits.warn <= limits.fail and math.isfinite(limits.fail)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"profile must have unit, warn and fail under [{name}], got {error} in {path}. "
            "Start from quality/profiles/default.toml."
        ) from error
    if not ordered:
        raise ValueError(
            f"[{name}] must have 0 <= warn <= fail, got {limits.warn} and {limits.fail} in {path}. "
            "Swap or correct the two numbers."
        )
    return limits
