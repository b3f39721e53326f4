"""What is decided before anything is run: gates, margins, targets and limits."""

from typing import NamedTuple

MAX_GATES = 3  # each further gate costs scenes: 24 gates need 75 per slice, 8 need 62 (power.py)
CLAIMS = ("better", "no worse")
ALPHA = 0.05  # of every one-sided test and bound
NEW_FAIL_LIMIT = 0.05  # share of scenes that may fail now and did not before, upper 95 % bound
POWER = 0.8  # with which a sample size is promised to be enough
# A confirmed new fail of one of these stops a change, however rare it is. `blank` and `scene`
# are found by scoring: an empty picture, and one that does not show the scene.
BLOCKERS = ("residue", "leak", "blank", "scene")
# What every picture has whichever model made it; it says nothing about the change.
NOT_JUDGED = ("masks",)


class Gate(NamedTuple):
    """A metric that must not become worse in any slice.

    Attributes:
        metric: Its name; larger is worse.
        margin: In its unit, above 0: a mean loss below it would not be noticed by a buyer.
    """

    metric: str
    margin: float


class Target(NamedTuple):
    """What the change was made for.

    Attributes:
        metric: That is to become smaller.
        slice: Where; None is in all scenes.
    """

    metric: str
    slice: str | None = None


class Plan(NamedTuple):
    """How a comparison is decided, fixed before it is run.

    Attributes:
        gates: At most MAX_GATES.
        targets: Named improvements; empty only for the claim `no worse`.
        claim: One of CLAIMS.
        resamples: Of the bootstrap and of random sign flips.
    """

    gates: tuple[Gate, ...]
    targets: tuple[Target, ...] = ()
    claim: str = "better"
    resamples: int = 9999


def require(plan: Plan) -> Plan:
    """Returns the plan where it can be decided by.

    Raises:
        ValueError: It has no gates or too many, a margin that is not above 0, or no target.
    """
    names = [gate.metric for gate in plan.gates]
    if not 1 <= len(names) <= MAX_GATES or len(set(names)) != len(names):
        raise ValueError(
            f"1 to {MAX_GATES} different gate metrics are required, got {len(names)}: "
            f"{', '.join(names) or 'none'}. Keep what costs sales; everything else is watched."
        )
    for gate in plan.gates:
        if not 0 < gate.margin < float("inf"):
            raise ValueError(
                f"the margin of {gate.metric} must be above 0, got {gate.margin}. Give the mean "
                "loss that a buyer would not notice, in the unit of the check."
            )
    if plan.claim not in CLAIMS:
        raise ValueError(
            f"claim must be one of {', '.join(CLAIMS)}, got {plan.claim!r}. Correct it."
        )
    if plan.claim == "better" and not plan.targets:
        raise ValueError(
            "an improvement target is required, got none. Name what the change was made for, or "
            "write claim = 'no worse' where it only has to do no harm."
        )
    return plan
