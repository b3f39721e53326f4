"""What the votes say: who is preferred, how sure that is, and which metrics see what people see.

The unit is the scene: votes on one scene are not independent, so every interval comes from drawing
whole scenes again (cluster bootstrap). Ties count half for each side.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .journal import Vote
from .pairing import Pair

SCHEMA = "dressform.vote_results/1"
RESAMPLES = 1000
SEED = 20261123  # of resampling: the same votes give the same intervals
LEVEL = 0.95
PRIOR = 0.5  # of a win between any two arms: keeps an arm that never lost at a finite strength
FEWEST_SCENES = 5  # an interval of fewer would say little


class Share(NamedTuple):
    """A share with its interval.

    Attributes:
        value: 0 to 1; None where there is nothing to count.
        low, high: 95 % interval; None for fewer than FEWEST_SCENES scenes.
        counted: Of votes, or of pairs of votes.
        scenes: Of which it comes.
    """

    value: float | None
    low: float | None
    high: float | None
    counted: int
    scenes: int


Scores = Mapping[tuple[str, str], Mapping[str, float | None]]


def decided(votes: Sequence[Vote]) -> list[Vote]:
    """Returns the votes that say something: `skip` does not."""
    return [vote for vote in votes if vote.choice != "skip"]


def preference(
    votes: Sequence[Vote], pairs: Mapping[str, Pair], arms: tuple[str, str], drawn: str | None
) -> Share:
    """Returns how often people prefer the second of two arms, weighted back to all pairs.

    Args:
        votes: Of all people.
        pairs: By id.
        arms: Of which the share of the second is wanted.
        drawn: Only pairs that were drawn this way, then unweighted; None takes all, weighted.
    """
    counted = []
    for vote in decided(votes):
        pair = pairs[vote.pair]
        if set(pair.arms) == set(arms) and drawn in (None, pair.drawn):
            weight = pair.weight if drawn is None else 1.0
            counted.append((vote.scene, weight, weight * _won(vote, arms[1])))
    return _share(counted)


def strengths(
    votes: Sequence[Vote], pairs: Mapping[str, Pair], arms: Sequence[str]
) -> dict[str, tuple[float, float, float] | None]:
    """Returns the Bradley-Terry strength of each arm with its 95 % interval over scenes.

    On the scale of log odds, their mean is 0: a difference of 1.1 is a preference of 3 in 4. None
    for an arm without votes.

    Reference:
        Bradley, Terry: Rank analysis of incomplete block designs, Biometrika 1952. Fitted by
        choix (Maystre, Grossglauser: Fast and accurate inference of Plackett-Luce models, 2015).
    """
    import choix

    place = {arm: index for index, arm in enumerate(arms)}
    scenes: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((len(arms), len(arms))))
    for vote in decided(votes):
        weight = pairs[vote.pair].weight
        left, right = place[vote.left], place[vote.right]
        scenes[vote.scene][left, right] += weight * _won(vote, vote.left)
        scenes[vote.scene][right, left] += weight * _won(vote, vote.right)
    if not scenes:
        return dict.fromkeys(arms)
    tables = np.stack(list(scenes.values()))
    seen = tables.sum((0, 2)) + tables.sum((0, 1)) > 0
    prior = PRIOR * (np.outer(seen, seen) & ~np.eye(len(arms), dtype=bool))
    used = np.ix_(seen, seen)

    def fit(table: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
        found = choix.ilsr_pairwise_dense((table + prior)[used], initial_params=near)
        return found - found.mean()

    middle = fit(tables.sum(0))
    redrawn = [fit(np.tensordot(counts, tables, 1), middle) for counts in _draws(len(tables))]
    low, high = _ends(np.stack(redrawn))
    numbers = iter(zip(middle, low, high, strict=True))
    return {
        arm: tuple(map(float, next(numbers))) if there else None  # type: ignore[misc]
        for arm, there in zip(arms, seen, strict=True)
    }


def between_raters(votes: Sequence[Vote]) -> Share:
    """Returns how often two people who saw the same pair chose the same side."""
    first = [vote for vote in decided(votes) if vote.asked == 1]
    return _share(_agreeing(first, lambda one, other: one.rater != other.rater))


def with_oneself(votes: Sequence[Vote]) -> Share:
    """Returns how often a person who was asked again chose the same side."""
    return _share(_agreeing(decided(votes), lambda one, other: one.rater == other.rater))


def metric_agreement(votes: Sequence[Vote], scores: Scores, pairs: Mapping[str, Pair]) -> dict:
    """Returns for each metric how often it prefers what people prefer.

    Votes for neither are left out; a metric that sees no difference agrees by half.

    Args:
        votes: Of all people.
        scores: By arm and picture: values by metric, larger is worse.
        pairs: By id.
    """
    counted: dict[str, list] = defaultdict(list)
    for vote in votes:
        if vote.choice not in ("left", "right"):
            continue
        picture = pairs[vote.pair].picture
        better, worse = _winner(vote), _loser(vote)
        good, bad = (scores.get((arm, picture), {}) for arm in (better, worse))
        for metric, value in good.items():
            other = bad.get(metric)
            if value is not None and other is not None:
                agrees = 0.5 if value == other else float(value < other)
                counted[metric].append((vote.scene, 1.0, agrees))
    return {metric: _share(found) for metric, found in sorted(counted.items())}


def summary(
    votes: Sequence[Vote], pairs: Sequence[Pair], arms: Sequence[str], scores: Scores
) -> dict:
    """Returns everything as a JSON document."""
    by_id = {pair.id: pair for pair in pairs}
    votes = [vote for vote in votes if vote.pair in by_id]
    raters = sorted({vote.rater for vote in votes})
    return {
        "schema": SCHEMA,
        "arms": list(arms),
        "votes": len(votes),
        "skipped": sum(vote.choice == "skip" for vote in votes),
        "raters": {one: sum(vote.rater == one for vote in votes) for one in raters},
        "drawn": {
            how: {
                "pairs": sum(pair.drawn == how for pair in pairs),
                "voted": len({v.pair for v in votes if by_id[v.pair].drawn == how}),
                "weight": max((pair.weight for pair in pairs if pair.drawn == how), default=None),
            }
            for how in ("random", "worst")
        },
        "preferences": [
            {
                "first": first,
                "second": second,
                **{
                    name: preference(votes, by_id, (first, second), drawn)._asdict()
                    for name, drawn in (("all", None), ("random", "random"), ("worst", "worst"))
                },
            }
            for first, second in itertools.combinations(arms, 2)
        ],
        "strengths": {
            arm: None if one is None else dict(zip(("value", "low", "high"), one, strict=True))
            for arm, one in strengths(votes, by_id, arms).items()
        },
        "agreement": {
            "between_raters": between_raters(votes)._asdict(),
            "with_oneself": with_oneself(votes)._asdict(),
            "metrics": {
                name: one._asdict() for name, one in metric_agreement(votes, scores, by_id).items()
            },
        },
    }


def _won(vote: Vote, arm: str) -> float:
    if vote.choice == "same":
        return 0.5
    return float(_winner(vote) == arm)


def _winner(vote: Vote) -> str:
    return vote.left if vote.choice == "left" else vote.right


def _loser(vote: Vote) -> str:
    return vote.right if vote.choice == "left" else vote.left


def _agreeing(votes: Sequence[Vote], alike: Callable[[Vote, Vote], bool]) -> list:
    by_pair: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_pair[vote.pair].append(vote)
    counted = []
    for of_pair in by_pair.values():
        for one, other in itertools.combinations(of_pair, 2):
            if alike(one, other):
                same = _won(one, one.left) == _won(other, one.left)
                counted.append((one.scene, 1.0, float(same)))
    return counted


def _share(counted: Sequence[tuple[str, float, float]]) -> Share:
    """A weighted share; each entry is scene, weight, and weight times what is counted."""
    if not counted:
        return Share(None, None, None, 0, 0)
    sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))
    for scene, weight, part in counted:
        sums[scene] += (weight, part)
    table = np.stack(list(sums.values()))
    total = table.sum(0)
    value = float(total[1] / total[0])
    if len(table) < FEWEST_SCENES:
        return Share(value, None, None, len(counted), len(table))
    redrawn = _draws(len(table)) @ table
    low, high = _ends(redrawn[:, 1] / redrawn[:, 0])
    return Share(value, float(low), float(high), len(counted), len(table))


def _draws(count: int) -> np.ndarray:
    """How often each of `count` scenes is in each resample."""
    rng = np.random.default_rng(SEED)
    return rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)


def _ends(values: np.ndarray) -> np.ndarray:
    return np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
