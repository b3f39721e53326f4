"""The verdict on a result: every check with its number, its limits and one plain sentence."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import cv2
import numpy as np

from ..imaging.parsing import Parsing
from . import alignment, color, edge, leak, residue, seam, shape, texture, thresholds, veil, wording
from .measure import Measure, require_mask, require_picture, unmeasurable

SCHEMA = "dressform.quality/1"
STATES = ("pass", "warn", "fail", "unmeasurable")
SEVEREST_FIRST = ("fail", "warn", "unmeasurable", "pass")
PERCENT = 100.0
MAX_SIDE_PX = 2048  # of a measured picture; bounds memory and time, keeps what a shop page shows
NO_PLACE = (
    "It is not known where the garment is in the result: connect the mask of the repainted garment."
)
# Checks of the garment in the result against the garment in another picture.
COMPARED = ("veil", "edge", "color", "texture")
NO_PERSON = "The person photo and the repainted mask are needed for this."


class Check(NamedTuple):
    """One check and its outcome.

    Attributes:
        name: One of `thresholds.CHECKS`; veil, edge, color and texture also with
            `_vs_baseline`.
        title: The name for people.
        state: One of STATES.
        value: In `unit`, finite; None where it could not be measured.
        unit: Of value and thresholds.
        thresholds: `warn` and `fail`: from there on.
        sentence: What it means, or why it could not be measured.
        details: Further numbers of the measure.
    """

    name: str
    title: str
    state: str
    value: float | None
    unit: str
    thresholds: Mapping[str, float]
    sentence: str
    details: Mapping[str, float] = MappingProxyType({})


class Map(NamedTuple):
    """Where a check found something.

    Attributes:
        severity: (H, W) float32 of the measured size, 0 fine, 1 as bad as the fail threshold; NaN
            where not looked at.
        unknown: (H, W) bool, looked at without being able to tell.
    """

    severity: np.ndarray
    unknown: np.ndarray


class Verdict(NamedTuple):
    """What all checks together say about a result."""

    overall: str
    checks: tuple[Check, ...]
    maps: Mapping[str, Map]
    profile: str = "default"


def check(
    result: np.ndarray,
    source: np.ndarray,
    parsing: Parsing,
    *,
    garment_mask: np.ndarray | None = None,
    person: np.ndarray | None = None,
    repaint_mask: np.ndarray | None = None,
    baseline: np.ndarray | None = None,
    profile: str | Path = "default",
) -> Verdict:
    """Checks an on-model or cleaned picture against the mannequin photo it was made from.

    Args:
        result: (H, W, 3) uint8 sRGB.
        source: (H', W', 3) uint8 sRGB, the mannequin photo.
        parsing: Of the source.
        garment_mask: (H, W) bool, the garment in the result. None: the source's, if the garment
            is at the same place in both; else what needs it is unmeasurable.
        person: (H, W, 3) uint8, the photo that the result was painted on.
        repaint_mask: (H, W) bool, where painting was allowed.
        baseline: (H, W, 3) uint8, an earlier result of the same scene to compare with as well.
        profile: Name of a shipped profile or path of a TOML file.

    Pictures larger than MAX_SIDE_PX are measured at that size, all but the leak.

    Returns:
        The verdict; overall is the worst of the checks that could be measured.

    Raises:
        ValueError: A picture or mask has the wrong type or size.
        FileNotFoundError: There is no such profile.
    """
    _require(result, source, parsing, person, baseline)
    for name, mask in (("garment_mask", garment_mask), ("repaint_mask", repaint_mask)):
        if mask is not None:
            require_mask(name, mask, result)
    limits = thresholds.load(profile)
    # Exact at every pixel, so before anything is reduced.
    leaked = _leak(result, person, repaint_mask)
    result, source = _reduced(result), _reduced(source)
    person = None if person is None else _reduced(person)
    baseline = None if baseline is None else _reduced(baseline)
    parsing = parsing._replace(label_map=_resized(parsing.label_map, cv2.INTER_NEAREST))
    repaint_mask = None if repaint_mask is None else _reduced_mask(repaint_mask)
    place = None if garment_mask is None else _reduced_mask(garment_mask)
    if place is None and alignment.aligned(result, source, parsing.garment):
        place = parsing.garment
    measures = {"shape": unmeasurable(NO_PLACE) if place is None else shape.measure(result, place)}
    measures |= _against(result, source, place, parsing.garment)
    measures["leak"] = leaked
    measures["seam"] = (
        unmeasurable(NO_PERSON)
        if repaint_mask is None
        else seam.measure(result, repaint_mask, garment_mask=place, person=person)
    )
    measures["residue"] = _residue(result, source, parsing, place)
    measures["masks"] = Measure(round(1 - parsing.confidence, 6))  # 1 - 0.8 is a hair below 0.2
    if baseline is not None:
        compared = (
            _against(result, baseline, place, place)
            if baseline.shape == result.shape
            else dict.fromkeys(COMPARED, unmeasurable("The earlier result has another size."))
        )
        measures |= {f"{name}_vs_baseline": found for name, found in compared.items()}
    checks = tuple(_judge(name, found, limits) for name, found in measures.items())
    maps = {name: _map(name, found, limits) for name, found in measures.items()}
    seen = {name: found for name, found in maps.items() if found is not None}
    return Verdict(overall(checks), checks, MappingProxyType(seen), limits.name)


def overall(checks: tuple[Check, ...]) -> str:
    """Returns the worst measured state; unmeasurable where nothing of the result was measured."""
    measured = [found for found in checks if found.state != "unmeasurable"]
    if all(found.name == "masks" for found in measured):
        return "unmeasurable"  # good masks alone say nothing about the result
    return worst([found.state for found in measured])


def worst(states: Sequence[str]) -> str:
    """Returns the worst overall of several pictures; an unmeasurable one is no pass."""
    return next((state for state in SEVEREST_FIRST if state in states), "unmeasurable")


def to_json(verdict: Verdict) -> dict:
    """Returns the verdict as a JSON document: finite numbers only, None where unmeasurable."""
    return {
        "schema": SCHEMA,
        "overall": verdict.overall,
        "summary": wording.OVERALL[verdict.overall][2],
        "profile": verdict.profile,
        "checks": [
            {
                **found._asdict(),
                "value": None if found.value is None else round(found.value, 4),
                "thresholds": dict(found.thresholds),
                "details": {k: round(v, 5) for k, v in found.details.items() if math.isfinite(v)},
            }
            for found in verdict.checks
        ],
    }


def from_json(document: dict) -> Verdict:
    """Reads what `to_json` wrote; maps are not part of it.

    Raises:
        ValueError: the document has another schema.
    """
    if document.get("schema") != SCHEMA:
        raise ValueError(
            f"a verdict of {SCHEMA} is required, got {document.get('schema')!r}. "
            "Check the picture again with this version."
        )
    checks = tuple(
        Check(**{name: entry[name] for name in Check._fields}) for entry in document["checks"]
    )
    return Verdict(document["overall"], checks, MappingProxyType({}), document["profile"])


def _require(
    result: np.ndarray,
    source: np.ndarray,
    parsing: Parsing,
    person: np.ndarray | None,
    baseline: np.ndarray | None,
) -> None:
    require_picture("result", result)
    require_picture("source", source)
    require_mask("parsing", parsing.garment, source)
    for name, picture in (("person", person), ("baseline", baseline)):
        if picture is not None:
            require_picture(name, picture)


def _against(
    result: np.ndarray,
    other: np.ndarray,
    place: np.ndarray | None,
    other_mask: np.ndarray | None,
) -> dict[str, Measure]:
    """Measures the garment in the result against the garment in another picture."""
    if place is None or other_mask is None:
        return dict.fromkeys(COMPARED, unmeasurable(NO_PLACE))
    if not other_mask.any() or not place.any():
        return dict.fromkeys(COMPARED, unmeasurable("No garment was found."))
    in_place = result.shape == other.shape and alignment.aligned(result, other, place & other_mask)
    return {
        "veil": veil.measure(result, other, place, other_mask, aligned=in_place),
        "edge": edge.measure(result, other, place, other_mask),
        "color": color.measure(result, other, place, other_mask, aligned=in_place),
        "texture": texture.measure(result, other, place, other_mask, aligned=in_place),
    }


def _leak(
    result: np.ndarray, person: np.ndarray | None, repaint_mask: np.ndarray | None
) -> Measure:
    if person is None or repaint_mask is None:
        return unmeasurable(NO_PERSON)
    return leak.measure(result, person, repaint_mask)


def _reduced(picture: np.ndarray) -> np.ndarray:
    return _resized(picture, cv2.INTER_AREA)


def _reduced_mask(mask: np.ndarray) -> np.ndarray:
    return _resized(mask.astype(np.uint8), cv2.INTER_NEAREST) > 0


def _resized(array: np.ndarray, interpolation: int) -> np.ndarray:
    if max(array.shape[:2]) <= MAX_SIDE_PX:
        return array
    scale = MAX_SIDE_PX / max(array.shape[:2])
    height, width = (max(1, round(length * scale)) for length in array.shape[:2])
    return cv2.resize(array, (width, height), interpolation=interpolation)


def _residue(
    result: np.ndarray, source: np.ndarray, parsing: Parsing, place: np.ndarray | None
) -> Measure:
    if place is None or result.shape != source.shape:
        return unmeasurable("The garment is not at the same place in the result and the photo.")
    return residue.measure(result, source, parsing.mannequin | parsing.support, parsing.garment)


def _judge(name: str, found: Measure, profile: thresholds.Profile) -> Check:
    limits = profile.limits[_base(name)]
    edges = MappingProxyType({"warn": limits.warn, "fail": limits.fail})
    if found.value is None or not math.isfinite(found.value):
        reason = found.reason or "The measure gave no finite number."
        return Check(name, wording.title(name), STATES[3], None, limits.unit, edges, reason)
    value = found.value * (PERCENT if limits.unit == "%" else 1)
    state = "fail" if value >= limits.fail else "warn" if value >= limits.warn else "pass"
    state = EXCEPTIONS.get(_base(name), lambda state, *_: state)(state, found.details, limits)
    sentence = wording.sentence(name, state)
    return Check(
        name, wording.title(name), state, value, limits.unit, edges, sentence, found.details
    )


def _veil_state(state: str, details: Mapping[str, float], limits: thresholds.Limits) -> str:
    lifted = details["black_point_rise"] >= limits.fail_black_point_rise
    return "warn" if state == "fail" and not lifted else state


def _leak_state(state: str, details: Mapping[str, float], _: thresholds.Limits) -> str:
    return "warn" if state == "pass" and details["changed_count"] else state


def _shape_state(state: str, details: Mapping[str, float], limits: thresholds.Limits) -> str:
    loose = details["loose_share"] >= limits.warn_loose
    return "warn" if state == "pass" and loose else state


EXCEPTIONS: dict[str, Callable[[str, Mapping[str, float], thresholds.Limits], str]] = {
    "shape": _shape_state,
    "veil": _veil_state,
    "leak": _leak_state,
}


def _map(name: str, found: Measure, profile: thresholds.Profile) -> Map | None:
    if found.value is None or found.local is None:
        return None
    limits = profile.limits[_base(name)]
    worst = limits.fail / PERCENT if limits.unit == "%" else limits.fail
    # These say yes or no at a pixel; their thresholds are about the whole picture.
    worst = {"leak": float(leak.VISIBLE_LEVELS), "residue": 1.0, "shape": 1.0}.get(
        _base(name), worst
    )
    local, unknown = found.local, found.unknown
    if max(local.shape) > MAX_SIDE_PX:
        local, unknown = _reduced_specks(local), None
    if unknown is None:
        unknown = np.zeros(local.shape, bool)
    return Map(local / max(worst, 1e-6), unknown)


def _reduced_specks(local: np.ndarray) -> np.ndarray:
    """Reduces the leak's map so that a single pixel survives."""
    reach = 2 * -(-max(local.shape) // MAX_SIDE_PX) + 1
    known = cv2.dilate(np.nan_to_num(local, nan=-1), np.ones((reach, reach), np.uint8))
    small = _resized(known, cv2.INTER_NEAREST)
    return np.where(small < 0, np.nan, small).astype(np.float32)


def _base(name: str) -> str:
    return name.removesuffix("_vs_baseline")
