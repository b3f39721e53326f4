"""Which pairs of pictures people are shown: half drawn at random, half where two arms differ most.

Random pairs tell how often people prefer an arm; pairs that differ most show a rare fault that
random ones would miss. Each pair carries the weight with which both halves together stand for all
pairs again: one over the probability with which it was taken.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import NamedTuple

DRAWN = ("random", "worst")


class Candidate(NamedTuple):
    """Two pictures of one scene that could be shown side by side.

    Attributes:
        scene: Its id; the unit of every statistic.
        picture: Name of the picture within each arm.
        arms: Whose pictures they are.
        disagreement: How much the two differ, 0 and up; None where it is not known.
    """

    scene: str
    picture: str
    arms: tuple[str, str]
    disagreement: float | None = None


class Pair(NamedTuple):
    """A pair that was drawn.

    Attributes:
        id: Unique in the session.
        scene, picture, arms, disagreement: As of its `Candidate`.
        drawn: One of DRAWN.
        weight: How many of all pairs it stands for, 1 and up.
    """

    id: str
    scene: str
    picture: str
    arms: tuple[str, str]
    drawn: str
    weight: float
    disagreement: float | None = None


def candidates(
    pictures: Mapping[str, Iterable[str]], scenes: Mapping[str, str] | None = None
) -> list[Candidate]:
    """Returns every pair of arms for each picture that both have.

    Args:
        pictures: Names of pictures by arm, `scene` or `scene/seed`.
        scenes: By name of the picture, where its name does not tell.
    """
    known = scenes or {}
    names = {arm: set(of_arm) for arm, of_arm in pictures.items()}
    return [
        Candidate(known.get(name) or scene(name), name, (first, second))
        for first, second in itertools.combinations(names, 2)
        for name in sorted(names[first] & names[second])
    ]


def scene(picture: str) -> str:
    """Returns the scene that a picture shows: its folder where it lies in one, else its name."""
    folder, slash, _ = picture.rpartition("/")
    return folder if slash else picture


def draw(found: Sequence[Candidate], count: int, seed: int) -> tuple[Pair, ...]:
    """Draws pairs: half those of largest disagreement, the rest at random from what is left.

    Where no disagreement is known all are random.

    Args:
        found: Of `candidates`.
        count: Wanted; all there are where that is less.
        seed: Of the draw.

    Returns:
        In the order of `found`; weights sum to their number.
    """
    count = min(count, len(found))
    known = [place for place, one in enumerate(found) if one.disagreement is not None]
    worst = sorted(known, key=lambda place: (-(found[place].disagreement or 0), place))
    taken = set(worst[: count // 2])
    left = [place for place in range(len(found)) if place not in taken]
    random = set(Random(seed).sample(left, count - len(taken)))  # noqa: S311 (no secret)
    weight = len(left) / len(random) if random else 1.0
    return tuple(
        Pair(
            f"p{place:05d}",
            *one[:3],
            drawn="worst" if place in taken else "random",
            weight=1.0 if place in taken else weight,
            disagreement=one.disagreement,
        )
        for place, one in enumerate(found)
        if place in taken or place in random
    )


def disagreements(
    found: Sequence[Candidate], scores: Mapping[tuple[str, str], Mapping[str, float | None]]
) -> list[Candidate]:
    """Returns the candidates with how much their metrics differ.

    That is the largest difference of any metric, each as a multiple of its own typical (root mean
    square) difference, so that no unit outweighs another.

    Args:
        found: Of `candidates`.
        scores: By arm and picture: values by metric.
    """
    gaps = [_gaps(one, scores) for one in found]
    squares: dict[str, list[float]] = {}
    for of_one in gaps:
        for metric, gap in of_one.items():
            squares.setdefault(metric, []).append(gap * gap)
    usual = {metric: math.sqrt(math.fsum(all_) / len(all_)) for metric, all_ in squares.items()}
    return [
        one._replace(
            disagreement=max((g / usual[m] for m, g in of_one.items() if usual[m]), default=None)
        )
        for one, of_one in zip(found, gaps, strict=True)
    ]


def _gaps(
    one: Candidate, scores: Mapping[tuple[str, str], Mapping[str, float | None]]
) -> dict[str, float]:
    first, second = (scores.get((arm, one.picture), {}) for arm in one.arms)
    return {
        metric: abs(value - other)
        for metric, value in first.items()
        if value is not None and (other := second.get(metric)) is not None
    }
