"""What one person is asked, in which order, and which picture stands on which side."""

import hashlib
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from .pairing import Pair

AGAIN_EVERY = 10  # so many pairs, one is asked again with its sides changed: does one agree with
# oneself? That is the most that any metric can be asked to do.
MAX_RATER = 40  # characters


class Ticket(NamedTuple):
    """One question to one person.

    Attributes:
        id: Tells nothing about the pair.
        pair: What is shown.
        left, right: Arms.
        asked: 1 for the first time, 2 for the repetition.
    """

    id: str
    pair: Pair
    left: str
    right: str
    asked: int


def tickets(pairs: Sequence[Pair], rater: str, seed: int) -> tuple[Ticket, ...]:
    """Returns all questions to a person: every pair once, shuffled, and some of them again.

    The same person gets the same questions whenever asked, so a session can be resumed.

    Args:
        pairs: Of the session.
        rater: Name of the person.
        seed: Of the session.
    """
    rng = Random(f"{seed} {rater}")  # noqa: S311 (no secret)
    order = list(pairs)
    rng.shuffle(order)
    asked: list[Ticket] = []
    for count, pair in enumerate(order, start=1):
        flip = rng.random() < 0.5
        left, right = reversed(pair.arms) if flip else pair.arms
        asked.append(Ticket(_id(seed, rater, pair.id, 1), pair, left, right, 1))
        if count % AGAIN_EVERY == 0:
            # From the first half of the last ones: not from a moment ago.
            first = asked[-AGAIN_EVERY + rng.randrange(AGAIN_EVERY // 2)]
            if first.asked == 1:
                new = _id(seed, rater, first.pair.id, 2)
                asked.append(Ticket(new, first.pair, first.right, first.left, 2))
    return tuple(asked)


def name(text: str) -> str:
    """Returns a person's name as it is written down.

    Raises:
        ValueError: it is empty, too long, or has control characters.
    """
    cleaned = " ".join(text.split())
    if not cleaned or len(cleaned) > MAX_RATER or not cleaned.isprintable():
        raise ValueError(
            f"a name of 1 to {MAX_RATER} letters is required, got {len(cleaned)}. "
            "Type a name or initials."
        )
    return cleaned


def _id(seed: int, rater: str, pair: str, asked: int) -> str:
    return hashlib.sha256(f"{seed} {rater} {pair} {asked}".encode()).hexdigest()[:20]
