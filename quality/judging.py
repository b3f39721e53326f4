"""From measures to states: pass, warn, fail or unmeasurable, with a sentence and a map."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import cv2
import numpy as np

from . import thresholds, wording
from .measure import Measure

STATES = ("pass", "warn", "fail", "unmeasurable")
PERCENT = 100.0
MAX_SIDE_PX = 2048  # of a measured picture; bounds memory and time, keeps what a shop page shows
# These say yes or no at a pixel; their thresholds are about the whole picture.
YES = {"residue": 1.0, "shape": 1.0, "clipping": 1.0}


class Check(NamedTuple):
    """One check and its outcome.

    Attributes:
        name: One of `thresholds.CHECKS`; those of `comparison.MEASURES` also with
            `_vs_baseline`.
        title: The name for people.
        state: One of STATES.
        value: In `unit`, finite; None where it could not be measured.
        unit: Of value and thresholds.
        thresholds: `warn` and `fail`: from there on.
        sentence: What it means, or why it could not be measured.
        details: Further numbers of the measure.
        where: The worst place's name, as "left_sleeve"; empty for all or none.
    """

    name: str
    title: str
    state: str
    value: float | None
    unit: str
    thresholds: Mapping[str, float]
    sentence: str
    details: Mapping[str, float] = MappingProxyType({})
    where: str = ""


class Map(NamedTuple):
    """Where a check found something.

    Attributes:
        severity: (H, W) float32 of the measured size, 0 fine, 1 as bad as the fail threshold; NaN
            where not looked at.
        unknown: (H, W) bool, looked at without being able to tell.
    """

    severity: np.ndarray
    unknown: np.ndarray


def judge(name: str, found: Measure, profile: thresholds.Profile) -> Check:
    """Returns the check for a measure."""
    limits = profile.limits[base(name)]
    edges = MappingProxyType({"warn": limits.warn, "fail": limits.fail})
    if found.value is None or not math.isfinite(found.value):
        reason = found.reason or "The measure gave no finite number."
        return Check(name, wording.title(name), STATES[3], None, limits.unit, edges, reason)
    value = found.value * (PERCENT if limits.unit == "%" else 1)
    state = "fail" if value >= limits.fail else "warn" if value >= limits.warn else "pass"
    state = EXCEPTIONS.get(base(name), lambda state, *_: state)(state, found.details, limits)
    where = found.where if state in ("warn", "fail") else ""
    sentence = wording.sentence(name, state, where)
    title = wording.title(name)
    return Check(
        name, title, state, value, limits.unit, edges, sentence, found.details, found.where
    )


def to_map(name: str, found: Measure, profile: thresholds.Profile) -> Map | None:
    """Returns where a measure found something; None where it has no map."""
    if found.value is None or found.local is None:
        return None
    limits = profile.limits[base(name)]
    worst = limits.fail / PERCENT if limits.unit == "%" else limits.fail
    worst = profile.limits["leak"].map_fail if base(name) == "leak" else YES.get(base(name), worst)
    local, unknown = found.local, found.unknown
    if max(local.shape) > MAX_SIDE_PX:
        local, unknown = _reduced_specks(local), None
    if unknown is None:
        unknown = np.zeros(local.shape, bool)
    return Map(local / max(worst, 1e-6), unknown)


def resized(array: np.ndarray, interpolation: int) -> np.ndarray:
    """Reduces a picture or mask to MAX_SIDE_PX, where it is larger."""
    if max(array.shape[:2]) <= MAX_SIDE_PX:
        return array
    scale = MAX_SIDE_PX / max(array.shape[:2])
    height, width = (max(1, round(length * scale)) for length in array.shape[:2])
    return cv2.resize(array, (width, height), interpolation=interpolation)


def base(name: str) -> str:
    """Returns a check's name without what it is compared with."""
    return name.removesuffix("_vs_baseline")


def _veil_state(state: str, details: Mapping[str, float], limits: thresholds.Limits) -> str:
    lifted = details["black_point_rise"] >= limits.fail_black_point_rise
    return "warn" if state == "fail" and not lifted else state


def _leak_state(state: str, details: Mapping[str, float], limits: thresholds.Limits) -> str:
    if PERCENT * details["pasted_share"] >= limits.fail_pasted:
        return "fail"
    return "warn" if state == "pass" and details["changed_count"] else state


def _shape_state(state: str, details: Mapping[str, float], limits: thresholds.Limits) -> str:
    loose = details["loose_share"] >= limits.warn_loose
    return "warn" if state == "pass" and loose else state


def _outline_state(state: str, details: Mapping[str, float], limits: thresholds.Limits) -> str:
    # Before another background an edge is told with less certainty.
    sure = details["same_surroundings"] >= limits.fail_same_surroundings
    return "warn" if state == "fail" and not sure else state


EXCEPTIONS: dict[str, Callable[[str, Mapping[str, float], thresholds.Limits], str]] = {
    "shape": _shape_state,
    "veil": _veil_state,
    "leak": _leak_state,
    "outline": _outline_state,
}


def _reduced_specks(local: np.ndarray) -> np.ndarray:
    """Reduces a map of single pixels so that each survives."""
    reach = 2 * -(-max(local.shape) // MAX_SIDE_PX) + 1
    known = cv2.dilate(np.nan_to_num(local, nan=-1), np.ones((reach, reach), np.uint8))
    small = resized(known, cv2.INTER_NEAREST)
    return np.where(small < 0, np.nan, small).astype(np.float32)
