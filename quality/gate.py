"""Which of several tries is good enough, whether another is needed, and which one is the best."""

import json
from collections.abc import Sequence
from typing import NamedTuple

# What is good enough, by name: the verdicts with which no other try is made.
ACCEPT = {"pass": ("pass",), "pass or warn": ("pass", "warn")}
BEST_FIRST = ("pass", "warn", "unmeasurable", "fail")
ROUTES = ("pass", "retry", "review")


class Score(NamedTuple):
    """How good a picture is; less is better, compared from left to right.

    Attributes:
        state: Place of the verdict in BEST_FIRST.
        fails, warns: How many checks.
        severity: Mean over the checks of how far each is on its way to failing, 0 to 1; 0.5 is
            at the fail threshold.
    """

    state: int
    fails: int = 0
    warns: int = 0
    severity: float = 0.0

    @property
    def verdict(self) -> str:
        """One of BEST_FIRST."""
        return BEST_FIRST[self.state]


class Choice(NamedTuple):
    """The best of the tries of one picture.

    Attributes:
        best: Index of the try, 0 is the first.
        score: Its score.
        route: One of ROUTES: good at once, good after a retry, or for people to look at.
    """

    best: int
    score: Score
    route: str


def read(text: str, count: int, name: str) -> tuple[Score, ...]:
    """Reads what Check Quality says about a batch: its `verdict` or its `scores`.

    Args:
        text: One word for all pictures, or JSON for each.
        count: Pictures in the batch.
        name: Of the socket, for the errors.

    Raises:
        ValueError: it is neither, or about another number of pictures.
    """
    word = text.strip()
    if word in BEST_FIRST:
        return (Score(BEST_FIRST.index(word)),) * count
    try:
        document = json.loads(word)
        documents = document if isinstance(document, list) else [document]
        scores = tuple(_score(one) for one in documents)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{name} must be verdict or scores of Check Quality, got {word[:60]!r}. "
            "Connect one of these two outputs."
        ) from error
    if len(scores) not in (1, count):
        raise ValueError(
            f"{name} must tell about {count} pictures, got {len(scores)}. "
            "Check the pictures that are connected beside it."
        )
    return scores if len(scores) == count else scores * count


def reasons(text: str, place: int) -> list[str]:
    """Returns a sentence for each check that is not passed; none where only a word was said.

    Args:
        text: As of `read`.
        place: Of the picture in its batch.
    """
    if not text.lstrip().startswith(("{", "[")):
        return []
    document = json.loads(text)
    documents = document if isinstance(document, list) else [document]
    checks = documents[place if len(documents) > 1 else 0]["checks"]
    return [
        f"{check.get('title') or check.get('name')}: {check.get('sentence')}"
        for check in checks
        if check["state"] in ("warn", "fail")
    ]


def enough(tries: Sequence[Sequence[Score]], accept: str) -> bool:
    """Whether every picture of the batch has a try that is good enough.

    Args:
        tries: For each try the scores of its pictures.
        accept: A name of ACCEPT.
    """
    return all(choice.route != "review" for choice in choose(tries, accept))


def choose(tries: Sequence[Sequence[Score]], accept: str) -> tuple[Choice, ...]:
    """Chooses the best try of every picture; of equals the first.

    Raises:
        ValueError: The tries have different numbers of pictures.
    """
    counts = [len(scores) for scores in tries]
    if len(set(counts)) > 1:
        raise ValueError(
            f"every try must have as many pictures as image, got {', '.join(map(str, counts))}. "
            "Make every retry from the same photos."
        )
    choices = []
    for scores in zip(*tries, strict=True):
        best = min(range(len(scores)), key=lambda place: scores[place])
        good = scores[best].verdict in ACCEPT[accept]
        route = "review" if not good else "retry" if best else "pass"
        choices.append(Choice(best, scores[best], route))
    return tuple(choices)


def _score(document: dict) -> Score:
    states = [check["state"] for check in document["checks"]]
    shares = [
        _eased(check["value"] / check["thresholds"]["fail"])
        for check in document["checks"]
        if check.get("value") is not None and check.get("thresholds", {}).get("fail")
    ]
    return Score(
        BEST_FIRST.index(document["overall"]),
        states.count("fail"),
        states.count("warn"),
        sum(shares) / len(shares) if shares else 1.0,
    )


def _eased(share: float) -> float:
    """Keeps worse apart from bad: twice the threshold is worse than once, but not twice as bad."""
    return max(0.0, share) / (1 + max(0.0, share))
