"""Conclusions: kind of photo, what the garment covers, view, and how far to trust the labels.

From the network's odds where there is a photo; from the shapes in the label map alone where masks
were drawn or edited by hand.
"""

import numpy as np

from .. import labels
from ..parsing import Parsing
from . import measures
from .conclusions import CONFIDENCE, KIND, REGION, VIEW
from .network import Look

# Kinds on which no mannequin shows.
BARE = ("ghost", "hanger", "flatlay")
# A mannequin is denied, and a back or turned view claimed from shapes alone, only on odds better
# than even: where they are wrong, a mannequin is left in the picture or the body placed askew.
SURE_BARE, SURE_VIEW = 0.6, 0.6
# Hooks of the rendered hangers reach above the garment by 0.02 to 0.11 of its height; a row of
# fewer pixels of the working copy is no hook.
LEAST_HOOK, LEAST_HOOK_PX = 0.015, 2
# Keeps the logarithm of certain odds finite.
LEAST_ODDS = 1e-3
# Standardised measurements beyond this are outliers; a linear model must not extrapolate them.
LIMIT_SIGMA = 3.0
# Names, and the table of their weights.
Conclusion = tuple[tuple[str, ...], dict[str, tuple[float, ...]]]


def kind(odds: dict[str, float]) -> str:
    """Names the kind of photo, one of `parsing.KINDS`, from the network's odds."""
    bare = sum(odds[name] for name in BARE) > SURE_BARE
    return likeliest({name: value for name, value in odds.items() if (name in BARE) == bare})


def likeliest(odds: dict[str, float]) -> str:
    """Returns the name with the best odds."""
    return max(odds, key=lambda name: odds[name])


def hung_or_laid(kind: str, label_map: np.ndarray) -> str:
    """Names a hanger without a hook above the garment what it is: a garment that lies.

    Args:
        kind: One of `parsing.KINDS`; all but "hanger" pass unchanged.
        label_map: (h, w) uint8, the working copy's.
    """
    rows = np.flatnonzero((label_map == labels.GARMENT).any(1))
    if kind != "hanger" or not len(rows):
        return kind
    reach = max(1, round(LEAST_HOOK * len(rows)))
    above = label_map[: max(0, rows[0] - reach)]
    if not len(above):  # cut off by the frame, who knows
        return kind
    hook = ((above == labels.SUPPORT).sum(1) >= LEAST_HOOK_PX).any()
    return kind if hook else "flatlay"


def without_impossible(shares: np.ndarray, kind: str) -> np.ndarray:
    """Lets the next likely label take the place of what the kind of photo rules out.

    Args:
        shares: (h, w, 6) float32.
        kind: One of `parsing.KINDS`.
    """
    if kind not in BARE:
        return shares
    left = shares.copy()
    left[..., labels.MANNEQUIN] = 0
    if kind != "hanger":
        left[..., labels.SUPPORT] = 0
    return left


def expected_iou(shares: np.ndarray) -> float:
    """Estimates the garment mask's overlap with the truth, from the shares' own doubts.

    Args:
        shares: (h, w, 6) float32 probabilities.

    Returns:
        Expected intersection over expected union, 0 to 1.
    """
    chosen = shares.argmax(-1) == labels.GARMENT
    garment = shares[..., labels.GARMENT]
    both = float(garment[chosen].sum())
    # The inside of a garment may count either way.
    union = float((1 - shares[..., labels.INTERIOR])[chosen].sum() + garment[~chosen].sum())
    return both / union if union else 0.0


def confidence(shares: np.ndarray, agreement: float, look: Look) -> float:
    """Estimates the garment mask's overlap with the truth, as calibrated on the training scenes.

    Args:
        shares: (h, w, 6) float32 probabilities of the labels.
        agreement: Of the photo with its mirror image, see `network.Reading`.
        look: What the figure shows.

    Returns:
        0 to 1.
    """
    return _odds((("wrong", "right"), CONFIDENCE), trust(shares, agreement, look))["right"]


def trust(shares: np.ndarray, agreement: float, look: Look) -> dict[str, float]:
    """Measures what speaks for a parsing: its own odds, and those of the mirrored photo."""
    return {
        "expected": _log_odds(expected_iou(shares)),
        "agreement": _log_odds(agreement),
        "named": _log_odds(max(look.kind.values())),
    }


def _log_odds(share: float) -> float:
    bounded = min(max(share, LEAST_ODDS), 1 - LEAST_ODDS)
    return float(np.log(bounded / (1 - bounded)))


def complete(parsing: Parsing) -> Parsing:
    """Fills in kind, region and view where the kind is unknown; other parsings pass unchanged."""
    found = measures.measure(parsing.label_map) if parsing.kind == "unknown" else {}
    if not found:
        return parsing
    return parsing._replace(
        kind=shape_kind(found),
        region=likeliest(_odds(REGION, found)),
        view=shape_view(found),
    )


def shape_kind(found: dict[str, float]) -> str:
    """Names the kind of mannequin (never "person" or "unknown"), see `measures.measure`."""
    odds = _odds(KIND, found)
    bare = sum(odds[name] for name in BARE) > SURE_BARE
    return max((name for name in odds if (name in BARE) == bare), key=lambda name: odds[name])


def shape_view(found: dict[str, float]) -> str:
    """Names the view; "front" unless another one is clear, as label maps hardly tell."""
    odds = _odds(VIEW, found)
    return next((name for name in odds if name != "front" and odds[name] > SURE_VIEW), "front")


def _odds(conclusion: Conclusion, found: dict[str, float]) -> dict[str, float]:
    """Multinomial logistic regression: per measurement mean, sigma, and a weight for every name."""
    names, table = conclusion
    rows = np.array([table[name] for name in found])
    standard = (np.array(list(found.values())) - rows[:, 0]) / rows[:, 1]
    standard = np.clip(standard, -LIMIT_SIGMA, LIMIT_SIGMA)
    scores = standard @ rows[:, 2:] + np.array(table["intercept"])
    likely = np.exp(scores - scores.max())
    return dict(zip(names, (likely / likely.sum()).tolist(), strict=True))
