"""The inspection of a photo: every check with its number, limits and a sentence, and a grade."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from ...imaging.parsing import Parsing
from ..measure import Measure
from . import contrast, encoding, exposure, framing, limits, sharpness, shot, surroundings, wording

SCHEMA = "dressform.lint/1"
GRADES = ("A", "B", "C", "D", "E")
UNMEASURABLE = "unmeasurable"
PERCENT = 100.0
MEASURES: Mapping[str, Callable[[shot.Shot], Measure]] = MappingProxyType(
    {
        "parsing": lambda taken: Measure(taken.parsing.confidence),
        "resolution": framing.resolution,
        "fill": framing.fill,
        "cropping": framing.cropping,
        "margin": framing.margin,
        "count": framing.count,
        "tilt": framing.tilt,
        "blur": sharpness.blur,
        "noise": encoding.noise,
        "compression": encoding.compression,
        "brightness": exposure.brightness,
        "blown": exposure.blown,
        "crushed": exposure.crushed,
        "cast": exposure.cast,
        "mannequin_contrast": contrast.against_mannequin,
        "backdrop_contrast": contrast.against_backdrop,
        "clutter": surroundings.clutter,
        "unrest": surroundings.unrest,
    }
)


class Finding(NamedTuple):
    """One check and its outcome.

    Attributes:
        name: One of `limits.CHECKS`.
        title, title_zh: The name for people.
        state: "pass", "warn", "fail" or "unmeasurable".
        value: In `unit`, finite; None where it could not be measured.
        unit: Of value, warn and fail.
        worse: "more" or "less": in which direction warn and fail lie.
        warn, fail: From there on.
        sentence, sentence_zh: What to do, or why it could not be measured (in English only).
        details: Further numbers of the measure.
    """

    name: str
    title: str
    title_zh: str
    state: str
    value: float | None
    unit: str
    worse: str
    warn: float
    fail: float
    sentence: str
    sentence_zh: str = ""
    details: Mapping[str, float] = MappingProxyType({})


class Report(NamedTuple):
    """What is to be said about a photo.

    Attributes:
        grade: One of GRADES, see `grade`.
        score: 0 to 1, see `score`.
        findings: All checks, in the order of `limits.CHECKS`.
        places: (H, W) bool masks by name of what a warning or failure is about, of the photo
            reduced to `shot.MAX_SIDE_PX`.
    """

    grade: str
    score: float
    findings: tuple[Finding, ...]
    places: Mapping[str, np.ndarray]

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """What warns or fails, failures first."""
        found = [one for one in self.findings if one.state in ("warn", "fail")]
        return tuple(sorted(found, key=lambda one: one.state))


def inspect(
    image: np.ndarray, parsing: Parsing, *, limits_path: str | Path = limits.SHIPPED
) -> Report:
    """Inspects a photo before anything is made from it.

    Args:
        image: (H, W, 3) uint8 sRGB.
        parsing: Of this photo.
        limits_path: Of a TOML file with other limits.

    Raises:
        ValueError: The photo or the parsing has the wrong type or size, or the limits are not
            complete.
        FileNotFoundError: There is no such file of limits.
    """
    known = limits.load(limits_path)
    taken = shot.take(image, parsing)
    measured = {name: measure(taken) for name, measure in MEASURES.items()}
    findings = tuple(_judge(name, found, known[name]) for name, found in measured.items())
    states = [one.state for one in findings]
    places = {
        one.name: local > 0
        for one in findings
        if one.state in ("warn", "fail") and (local := measured[one.name].local) is not None
    }
    graded = grade(states) if taken.garment.any() else GRADES[-1]
    return Report(graded, score(states), findings, MappingProxyType(places))


def grade(states: Sequence[str]) -> str:
    """Grades the states of all checks.

    A: nothing warns or fails. B: one warning. C: several warnings. D: one failure. E: several
    failures. What could not be measured does not count.
    """
    failed, warned = states.count("fail"), states.count("warn")
    if failed:
        return "D" if failed == 1 else "E"
    return ("A", "B", "C")[min(2, warned)]


def score(states: Sequence[str]) -> float:
    """Returns the share of the measured checks that pass; a warning counts half."""
    measured = [state for state in states if state != UNMEASURABLE]
    points = sum({"pass": 1.0, "warn": 0.5, "fail": 0.0}[state] for state in measured)
    return round(points / len(measured), 3) if measured else 0.0


def worst(grades: Sequence[str]) -> str:
    """Returns the worst of several grades."""
    return max(grades, key=GRADES.index)


def reaches(found: str, least: str) -> bool:
    """Tells whether a grade is at least as good as another one."""
    return GRADES.index(found) <= GRADES.index(least)


def text(report: Report) -> str:
    """Returns the grade and the remarks for people, English and Chinese, a remark a line."""
    summary, summary_zh = wording.GRADES[report.grade]
    lines = [f"{report.grade}: {summary} {summary_zh}"]
    return "\n".join([*lines, *(_line(one) for one in report.remarks)])


def number(finding: Finding) -> str:
    """Returns a finding's value as people read it, a dash where there is none."""
    if finding.value is None:
        return "\N{EN DASH}"
    return f"{finding.value:.{_digits(finding)}f}{_unit(finding)}"


def limit(finding: Finding) -> str:
    """Returns the limit that a value has passed, or would pass first."""
    edge = finding.fail if finding.state == "fail" else finding.warn
    word = "at least" if finding.worse == "less" else "below"
    return f"{word} {edge:g}{_unit(finding)}"


def to_json(report: Report) -> dict:
    """Returns the report as a JSON document: finite numbers only, None where unmeasurable."""
    summary, summary_zh = wording.GRADES[report.grade]
    return {
        "schema": SCHEMA,
        "grade": report.grade,
        "score": report.score,
        "summary": summary,
        "summary_zh": summary_zh,
        "findings": [
            {
                **one._asdict(),
                "value": None if one.value is None else round(one.value, 4),
                "details": {k: round(v, 4) for k, v in one.details.items() if math.isfinite(v)},
            }
            for one in report.findings
        ],
    }


def _line(one: Finding) -> str:
    head = f"{one.title} {one.title_zh}: {number(one)} ({limit(one)})."
    return f"{head} {one.sentence} {one.sentence_zh}"


def _judge(name: str, found: Measure, known: limits.Limit) -> Finding:
    words = wording.WORDING[name]
    head = name, words.title, words.title_zh
    tail = known.unit, known.worse, known.warn, known.fail
    if found.value is None or not math.isfinite(found.value):
        reason = found.reason or "The measure gave no finite number."
        return Finding(*head, UNMEASURABLE, None, *tail, reason)
    value = found.value * (PERCENT if known.unit == "%" else 1)
    state = known.state(value)
    sentences = wording.sentence(name, state, found.details)
    return Finding(*head, state, value, *tail, *sentences, found.details)


def _digits(finding: Finding) -> int:
    if finding.unit in ("px", "L*", "x", "Lab", "deg") and abs(finding.value or 0) >= 10:
        return 0
    return 0 if finding.unit == "x" else 1


def _unit(finding: Finding) -> str:
    return {"%": " %", "x": ""}.get(finding.unit, f" {finding.unit}")
