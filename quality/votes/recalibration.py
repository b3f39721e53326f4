"""A profile whose thresholds lie where people begin to see a difference, and where they agree."""

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .. import thresholds
from .journal import Vote
from .pairing import Pair
from .results import Scores

# Shares of people who prefer the picture with less of the harm. 3 in 4 is the usual just
# noticeable difference of a choice between two (half way between guessing and certainty); at
# 9 in 10 hardly anybody overlooks it.
WARN_SHARE, FAIL_SHARE = 0.75, 0.90
FEWEST_VOTES, FEWEST_SCENES = 30, 10
ONE_SIDED = 1.645  # standard errors, 95 % of a normal distribution


class Fit(NamedTuple):
    """What the votes say about one check.

    Attributes:
        warn, fail: New thresholds in the check's unit; None where they stay.
        reason: Why they stay; empty where they change.
        votes, scenes: Of which it comes.
        step: Of agreement per unit: log odds of preferring the better picture; None without.
    """

    warn: float | None
    fail: float | None
    reason: str
    votes: int
    scenes: int
    step: float | None = None


def fit(votes: Sequence[Vote], pairs: Mapping[str, Pair], scores: Scores, check: str) -> Fit:
    """Fits how surely people prefer the better of two pictures by how far a check has them apart.

    Logistic, without an intercept (no difference is a coin), scenes as clusters. A monotone
    (isotonic) fit must see the threshold within the differences that were shown: nothing is
    extrapolated.

    Args:
        votes: Of all people; votes for neither count half for each side.
        pairs: By id.
        scores: By arm and picture: values by check, in its unit, larger is worse.
        check: Name of it.
    """
    apart, better, scenes = _observed(votes, pairs, scores, check)
    count, scene_count = len(apart), len(set(scenes))
    if count < FEWEST_VOTES or scene_count < FEWEST_SCENES:
        reason = (
            f"at least {FEWEST_VOTES} votes on {FEWEST_SCENES} scenes with a difference are "
            f"needed, got {count} on {scene_count}"
        )
        return Fit(None, None, reason, count, scene_count)
    step, error = _logistic(apart, better, scenes)
    if not step - ONE_SIDED * error > 0:
        return Fit(None, None, "people do not see it: the votes do not follow it", *_counts(scenes))
    warn, fail = (math.log(share / (1 - share)) / step for share in (WARN_SHARE, FAIL_SHARE))
    if _isotonic_reach(apart, better) < WARN_SHARE or warn > apart.max():
        reason = "no pair was far enough apart for people to agree"
        return Fit(None, None, reason, *_counts(scenes), step)
    return Fit(warn, max(fail, warn), "", *_counts(scenes), step)


def rewritten(text: str, fits: Mapping[str, Fit], name: str) -> str:
    """Returns a profile with new thresholds; all else, comments as well, stays.

    Args:
        text: TOML of a complete profile.
        fits: By check; those without thresholds change nothing.
        name: Of the new profile.

    Raises:
        ValueError: A check of `fits` is not in the text.
    """
    for check, one in fits.items():
        if one.warn is not None and one.fail is not None:
            text = _with_number(text, check, "warn", one.warn)
            text = _with_number(text, check, "fail", one.fail)
    text = re.sub(r"(?m)^name\s*=.*$", f'name = "{name}"', text, count=1)
    tomllib.loads(text)
    return text


def told(fits: Mapping[str, Fit], before: thresholds.Profile) -> list[str]:
    """Returns one sentence for each check."""
    lines = []
    for check, one in fits.items():
        limits = before.limits[check]
        if one.warn is None or one.fail is None:
            lines.append(f"{check}: stays at {limits.warn:g} and {limits.fail:g}; {one.reason}.")
        else:
            lines.append(
                f"{check}: {limits.warn:g} and {limits.fail:g} {limits.unit} become "
                f"{one.warn:.3g} and {one.fail:.3g}, from {one.votes} votes on {one.scenes} scenes."
            )
    return lines


def _with_number(text: str, check: str, key: str, value: float) -> str:
    section = re.search(rf"(?ms)^\[{re.escape(check)}\].*?(?=^\[|\Z)", text)
    found = section and re.search(rf"(?m)^({key}\s*=\s*)[-+.\deE_]+", section[0])
    if section is None or not found:
        raise ValueError(
            f"profile must have {key} under [{check}], got none. "
            "Start from quality/profiles/default.toml."
        )
    start, end = (section.start() + place for place in found.span())
    return f"{text[:start]}{found[1]}{value:.4g}{text[end:]}"


def _observed(
    votes: Sequence[Vote], pairs: Mapping[str, Pair], scores: Scores, check: str
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """How far apart the two pictures are, whether the better one was preferred, and the scene."""
    apart, better, scenes = [], [], []
    for vote in votes:
        if vote.choice == "skip" or vote.pair not in pairs:
            continue
        picture = pairs[vote.pair].picture
        left, right = (scores.get((arm, picture), {}).get(check) for arm in (vote.left, vote.right))
        if left is None or right is None or left == right:
            continue
        chosen = {"left": 1.0, "right": 0.0, "same": 0.5}[vote.choice]
        apart.append(abs(left - right))
        better.append(chosen if left < right else 1 - chosen)
        scenes.append(vote.scene)
    return np.array(apart), np.array(better), scenes


def _logistic(apart: np.ndarray, better: np.ndarray, scenes: list[str]) -> tuple[float, float]:
    """Returns log odds per unit and its standard error, clustered by scene."""
    from statsmodels import api

    scale = float(apart.max())
    # Half a vote for each side at the far end: votes without any exception have no finite fit.
    x, y = np.append(apart / scale, 1.0), np.append(better, 0.5)
    _, groups = np.unique([*scenes, ""], return_inverse=True)
    fitted = api.GLM(y, x[:, None], family=api.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    return float(fitted.params[0]) / scale, float(fitted.bse[0]) / scale


def _isotonic_reach(apart: np.ndarray, better: np.ndarray) -> float:
    """Returns the share that people reach at the largest differences, by a monotone fit."""
    from scipy import optimize

    order = np.argsort(apart, kind="stable")
    return float(optimize.isotonic_regression(better[order]).x[-1])


def _counts(scenes: list[str]) -> tuple[int, int]:
    return len(scenes), len(set(scenes))
