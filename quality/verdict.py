"""The verdict on a result: every check with its number, its limits and one plain sentence."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import cv2
import numpy as np

from ..imaging.parsing import Parsing
from . import (
    alignment,
    comparison,
    judging,
    leak,
    residue,
    seam,
    shape,
    thresholds,
    wording,
    zones,
)
from .comparison import NO_PLACE
from .judging import Check, Map
from .measure import Measure, require_mask, require_picture, unmeasurable

SCHEMA = "dressform.quality/2"
READABLE = (SCHEMA, "dressform.quality/1")
STATES = judging.STATES
SEVEREST_FIRST = ("fail", "warn", "unmeasurable", "pass")
VS_BASELINE = "_vs_baseline"
NO_PERSON = "The person photo and the repainted mask are needed for this."
NO_SOURCE = "The photo of the garment is needed for this."
LEAST_LEVELS = 4  # of 255; a picture that varies less shows nothing: all black, as from a NaN
LEAST_PIXELS = 400  # a patch of 20 x 20; smaller pictures are nobody's result
BLANK = "The picture is one colour all over, nothing is painted on it; make it again."
ELSEWHERE = (
    "The garment mask does not lie on the garment: it is that of another photo. Connect the mask "
    "of this result."
)
LEAST_SHARED = 0.2  # intersection over union; a mask of this garment shares more with it
SAME_PLACE = 0.8  # intersection over union of two masks of a garment that has not moved


class Verdict(NamedTuple):
    """What all checks together say about a result."""

    overall: str
    checks: tuple[Check, ...]
    maps: Mapping[str, Map]
    profile: str = "default"


class Inputs(NamedTuple):
    """What a verdict is about, at the measured size; as `check` has it."""

    result: np.ndarray
    source: np.ndarray | None
    parsing: Parsing | None
    person: np.ndarray | None
    repaint_mask: np.ndarray | None
    baseline: np.ndarray | None
    place: np.ndarray | None


def check(
    result: np.ndarray,
    source: np.ndarray | None,
    parsing: Parsing | None,
    *,
    garment_mask: np.ndarray | None = None,
    person: np.ndarray | None = None,
    repaint_mask: np.ndarray | None = None,
    baseline: np.ndarray | None = None,
    profile: str | Path = "default",
    only: Collection[str] | None = None,
) -> Verdict:
    """Checks an on-model or cleaned picture against the mannequin photo it was made from.

    Args:
        result: (H, W, 3) uint8 sRGB.
        source: (H', W', 3) uint8 sRGB, the mannequin photo. None: only the baseline is compared.
        parsing: Of the source, of the baseline where there is no source. None where `garment_mask`
            tells the place and nothing is to be named.
        garment_mask: (H, W) bool, the garment in the result. None: the source's, if the garment
            is at the same place in both; else what needs it is unmeasurable.
        person: (H, W, 3) uint8, the photo that the result was painted on.
        repaint_mask: (H, W) bool, where painting was allowed.
        baseline: (H, W, 3) uint8, an earlier result of the same scene to compare with as well; one
            of another size is scaled, if it has the same proportions.
        profile: Name of a shipped profile or path of a TOML file.
        only: Names of the checks to make, as in the verdict. None: all.

    Pictures larger than `judging.MAX_SIDE_PX` are measured at that size, all but the leak.

    Returns:
        The verdict; overall is the worst of the checks that could be measured.

    Raises:
        ValueError: A picture or mask has the wrong type or size, or there is nothing to compare.
        FileNotFoundError: There is no such profile.
    """
    _require(result, source, parsing, person, baseline)
    for name, mask in (("garment_mask", garment_mask), ("repaint_mask", repaint_mask)):
        if mask is not None:
            require_mask(name, mask, result)
    limits = thresholds.load(profile)
    if _is_blank(result):
        return _blank(limits)
    # Exact at every pixel, so before anything is reduced.
    leaked = _leak(result, person, repaint_mask) if _asked("leak", only) else None
    given = _reduced(result, source, parsing, person, repaint_mask, baseline, garment_mask)
    elsewhere = garment_mask is not None and _elsewhere(given)
    measures = _alone(given, only)
    if leaked is not None:
        measures["leak"] = leaked
    body = _body(given, only)
    if given.source is not None and given.parsing is not None:
        found = comparison.measure(
            given.result,
            given.source,
            given.place,
            given.parsing.garment,
            body=body,
            only=only,
        )
        measures |= found
    if given.baseline is not None:
        measures |= _against_baseline(given, body, only)
    if elsewhere:
        asks = [n for n in measures if judging.base(n) in {"shape", *comparison.MEASURES}]
        measures |= dict.fromkeys(asks, unmeasurable(ELSEWHERE))
    ordered = [name for name in thresholds.CHECKS if name in measures]
    ordered += [name for name in measures if name not in thresholds.CHECKS]
    checks = tuple(judging.judge(name, measures[name], limits) for name in ordered)
    maps = {name: judging.to_map(name, measures[name], limits) for name in ordered}
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
    if document.get("schema") not in READABLE:
        raise ValueError(
            f"a verdict of {SCHEMA} is required, got {document.get('schema')!r}. "
            "Check the picture again with this version."
        )
    checks = tuple(
        Check(**{name: entry[name] for name in Check._fields if name in entry})
        for entry in document["checks"]
    )
    return Verdict(document["overall"], checks, MappingProxyType({}), document["profile"])


def _require(
    result: np.ndarray,
    source: np.ndarray | None,
    parsing: Parsing | None,
    person: np.ndarray | None,
    baseline: np.ndarray | None,
) -> None:
    require_picture("result", result)
    if source is None and baseline is None:
        raise ValueError(
            "source or baseline must be given, got neither. Pass the photo of the garment, or an "
            "earlier result of the same scene."
        )
    named = (("source", source), ("person", person), ("baseline", baseline))
    for name, picture in named:
        if picture is not None:
            require_picture(name, picture)
    if parsing is not None:
        of = baseline if source is None else source
        assert of is not None  # noqa: S101 (one of both is there)
        require_mask("parsing", parsing.garment, of)
    elif source is not None:
        raise ValueError(
            "parsing must be given where source is, got none. Parse the photo of the garment."
        )


def _reduced(
    result: np.ndarray,
    source: np.ndarray | None,
    parsing: Parsing | None,
    person: np.ndarray | None,
    repaint_mask: np.ndarray | None,
    baseline: np.ndarray | None,
    garment_mask: np.ndarray | None,
) -> Inputs:
    """Reduces all to the measured size and finds the garment's place in the result."""

    def picture(given: np.ndarray | None) -> np.ndarray | None:
        return None if given is None else judging.resized(given, cv2.INTER_AREA)

    def mask(given: np.ndarray | None) -> np.ndarray | None:
        if given is None:
            return None
        return judging.resized(given.astype(np.uint8), cv2.INTER_NEAREST) > 0

    small = judging.resized(result, cv2.INTER_AREA)
    if parsing is not None:
        label_map = judging.resized(parsing.label_map, cv2.INTER_NEAREST)
        joints = parsing.joints
        if joints is not None and label_map.shape != parsing.size:
            scale = label_map.shape[0] / parsing.size[0]
            joints = joints * np.array((scale, scale, 1), np.float32)
        parsing = parsing._replace(label_map=label_map, joints=joints)
    source, baseline = picture(source), picture(baseline)
    place = mask(garment_mask)
    other = baseline if source is None else source
    if place is None and parsing is not None and other is not None:
        place = _place(small, other, parsing.garment)
    return Inputs(small, source, parsing, picture(person), mask(repaint_mask), baseline, place)


def _place(result: np.ndarray, other: np.ndarray, garment: np.ndarray) -> np.ndarray | None:
    """Returns the garment in the result where it is in the other picture, or nearly there."""
    if result.shape != other.shape:
        return None
    small = [comparison.reduced(p, max(garment.shape)) for p in (result, other, garment)]
    if alignment.aligned(*small):
        return garment
    placed = alignment.place(small[0], small[1], small[2], small[2])
    return None if placed is None else comparison.enlarged(placed.mask, garment.shape)


def _is_blank(result: np.ndarray) -> bool:
    """Tells whether a picture is of one colour; most are seen not to be by a few pixels."""
    for pixels in (result[::16, ::16], result):
        spread = [int(channel.max()) - int(channel.min()) for channel in cv2.split(pixels)]
        if max(spread) >= LEAST_LEVELS:
            return False
    return result.shape[0] * result.shape[1] >= LEAST_PIXELS


def _blank(limits: thresholds.Profile) -> Verdict:
    """Returns the verdict on a picture of one colour."""
    found = judging.judge("clipping", Measure(1.0), limits)
    checks = (found._replace(state="fail", sentence=BLANK),)
    return Verdict("fail", checks, MappingProxyType({}), limits.name)


def _elsewhere(given: Inputs) -> bool:
    """Tells whether the mask misses a garment that is where it is in the source."""
    if given.parsing is None or given.source is None or given.place is None:
        return False
    garment = given.parsing.garment
    if given.place.shape != garment.shape or not given.place.any():
        return False
    shared = np.count_nonzero(garment & given.place)
    apart = shared < LEAST_SHARED * np.count_nonzero(garment | given.place)
    return bool(apart) and alignment.aligned(given.result, given.source, garment)


def _asked(name: str, only: Collection[str] | None) -> bool:
    return only is None or name in only


def _alone(given: Inputs, only: Collection[str] | None) -> dict[str, Measure]:
    """Measures what is not a comparison of two garments."""
    found: dict[str, Measure] = {}
    place = given.place
    if _asked("shape", only):
        found["shape"] = _shape(given)
    if _asked("seam", only):
        found["seam"] = (
            unmeasurable(NO_PERSON)
            if given.repaint_mask is None
            else seam.measure(
                given.result, given.repaint_mask, garment_mask=place, person=given.person
            )
        )
    if given.source is not None and given.parsing is not None and _asked("residue", only):
        found["residue"] = _residue(given.result, given.source, given.parsing, place)
    if given.parsing is not None and _asked("masks", only):
        found["masks"] = Measure(round(1 - given.parsing.confidence, 6))  # 1 - 0.8 is below 0.2
    return found


def _body(given: Inputs, only: Collection[str] | None) -> zones.Body | None:
    """Returns the body that names places on the outline, if anything asks for it."""
    asked = any(_asked(name, only) for name in ("outline", "outline" + VS_BASELINE, "edge"))
    asked |= _asked("edge" + VS_BASELINE, only)
    return zones.locate(given.parsing) if asked and given.parsing is not None else None


def _against_baseline(
    given: Inputs, body: zones.Body | None, only: Collection[str] | None
) -> dict[str, Measure]:
    assert given.baseline is not None  # noqa: S101 (asked before)
    names = [name for name in comparison.MEASURES if _asked(name + VS_BASELINE, only)]
    result, baseline = given.result, given.baseline
    if baseline.shape != result.shape:
        scaled = comparison.scaled(baseline, result)
        if scaled is None:
            sizes = [f"{p.shape[0]}x{p.shape[1]}" for p in (baseline, result)]
            reason = (
                f"The earlier result is {sizes[0]} and this one {sizes[1]}: they differ in "
                "proportions. Compare pictures of the same scene."
            )
            return dict.fromkeys([name + VS_BASELINE for name in names], unmeasurable(reason))
        baseline = scaled
    if given.source is not None and not _unmoved(given):
        body = None  # of another place
    found = comparison.measure(result, baseline, given.place, given.place, body=body, only=names)
    return {name + VS_BASELINE: one for name, one in found.items()}


def _unmoved(given: Inputs) -> bool:
    """Tells whether the garment is at the same place in the result and in the source."""
    if given.parsing is None or given.place is None or given.place.shape != given.parsing.size:
        return False
    garment = given.parsing.garment
    union = np.count_nonzero(garment | given.place)
    return bool(np.count_nonzero(garment & given.place) >= SAME_PLACE * max(1, union))


def _leak(
    result: np.ndarray, person: np.ndarray | None, repaint_mask: np.ndarray | None
) -> Measure:
    if person is None or repaint_mask is None:
        return unmeasurable(NO_PERSON)
    return leak.measure(result, person, repaint_mask)


def _shape(given: Inputs) -> Measure:
    if given.place is None:
        return unmeasurable(NO_PLACE)
    size = given.place.shape
    small = comparison.reduced(given.result, max(size)), comparison.reduced(given.place, max(size))
    known = None
    if given.parsing is not None:
        known = comparison.reduced(given.parsing.garment, max(given.parsing.size))
    return comparison.at_size(shape.measure(*small, known), size)


def _residue(
    result: np.ndarray, source: np.ndarray, parsing: Parsing, place: np.ndarray | None
) -> Measure:
    if place is None or result.shape != source.shape:
        return unmeasurable("The garment is not at the same place in the result and the photo.")
    form = parsing.mannequin | parsing.support
    given = result, source, form, parsing.garment, parsing.interior
    small = [comparison.reduced(one, max(form.shape)) for one in given]
    return comparison.at_size(residue.measure(*small), form.shape)
