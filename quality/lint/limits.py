"""The limits that turn measures into findings, read from a TOML file."""

import math
import tomllib
from pathlib import Path
from typing import NamedTuple

SHIPPED = Path(__file__).parent / "limits.toml"
SCHEMA = 1
CHECKS = (
    "parsing",
    "resolution",
    "fill",
    "cropping",
    "margin",
    "count",
    "tilt",
    "blur",
    "noise",
    "compression",
    "brightness",
    "blown",
    "crushed",
    "cast",
    "mannequin_contrast",
    "backdrop_contrast",
    "clutter",
    "unrest",
)
DIRECTIONS = ("more", "less")


class Limit(NamedTuple):
    """The limits of one check, in its unit.

    Attributes:
        worse: "more" where larger values are worse, else "less".
        unit: Of warn and fail.
        warn, fail: From there on, in the direction of `worse`.
    """

    worse: str
    unit: str
    warn: float
    fail: float

    def state(self, value: float) -> str:
        """Returns "pass", "warn" or "fail"."""
        sign = 1 if self.worse == "more" else -1
        if sign * value >= sign * self.fail:
            return "fail"
        return "warn" if sign * value >= sign * self.warn else "pass"


def load(path: str | Path = SHIPPED) -> dict[str, Limit]:
    """Reads the limits of all CHECKS from a TOML file, the shipped one by default.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not complete.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"limits must be a .toml file, got {path}. "
            "Copy quality/lint/limits.toml and pass its path."
        )
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"limits must be TOML, got {path}: {error}. Correct that line.") from error
    if document.get("schema") != SCHEMA:
        raise ValueError(
            f"limits must have schema = {SCHEMA}, got {document.get('schema')} in {path}. "
            "Start from quality/lint/limits.toml."
        )
    return {name: _limit(document, name, path) for name in CHECKS}


def _limit(document: dict, name: str, path: Path) -> Limit:
    try:
        limit = Limit(**document[name])
        finite = math.isfinite(limit.warn) and math.isfinite(limit.fail)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"limits must have worse, unit, warn and fail under [{name}], got {error} in {path}. "
            "Start from quality/lint/limits.toml."
        ) from error
    ordered = limit.warn <= limit.fail if limit.worse == "more" else limit.warn >= limit.fail
    if limit.worse not in DIRECTIONS or not finite or not ordered:
        raise ValueError(
            f"[{name}] must have worse = more or less and warn before fail, got "
            f"{limit.worse!r}, {limit.warn} and {limit.fail} in {path}. Correct them."
        )
    return limit
