"""Measures of a parsing against an exact label map, and of a confidence against what it promised.

Label INTERIOR is left out of every measure of a mask: keeping or dropping the inside of a garment
are both defensible.
"""

from collections.abc import Sequence

import numpy as np
from dressform.imaging import labels, masks

# Outlines agree within this distance, at a long side of 1024 pixels.
BOUNDARY_PX, BOUNDARY_LONG_SIDE_PX = 3, 1024
# Fewer true pixels are no mannequin that could be found or missed.
LEAST_MANNEQUIN_PX = 50


def measure(
    garment: np.ndarray, mannequin: np.ndarray, truth: np.ndarray
) -> dict[str, float | None]:
    """Measures the masks of one photo.

    Args:
        garment: (H, W) bool.
        mannequin: (H, W) bool, with its support.
        truth: (H, W) uint8, values of `labels`.

    Returns:
        `garment_iou`, `garment_bf`, `mannequin_iou`, `residue` (share of the mannequin kept as
        garment), `eaten` (share of the garment taken for mannequin) and `false_mannequin` (share of
        the photo called mannequin where none is); None where the photo cannot tell.
    """
    counted = truth != labels.INTERIOR
    true_garment = truth == labels.GARMENT
    body = (truth == labels.MANNEQUIN) | (truth == labels.SUPPORT)
    has_body = np.count_nonzero(body) > LEAST_MANNEQUIN_PX
    reach_px = max(1, round(BOUNDARY_PX * max(truth.shape) / BOUNDARY_LONG_SIDE_PX))
    wrong = mannequin & ~body & counted
    bare = not (truth == labels.MANNEQUIN).any()
    return {
        "garment_iou": iou(garment, true_garment, counted),
        "garment_bf": boundary_f(garment, true_garment, counted, reach_px),
        "mannequin_iou": iou(mannequin, body, counted) if has_body else None,
        "residue": share(garment & body, body) if has_body else None,
        "eaten": share(mannequin & true_garment, true_garment),
        "false_mannequin": share(wrong, counted) if bare else None,
    }


def iou(found: np.ndarray, true: np.ndarray, counted: np.ndarray) -> float:
    """Returns intersection over union of two (H, W) bool masks where `counted`; 1 if both empty."""
    union = np.count_nonzero((found | true) & counted)
    return np.count_nonzero(found & true & counted) / union if union else 1.0


def boundary_f(found: np.ndarray, true: np.ndarray, counted: np.ndarray, reach_px: int) -> float:
    """Returns the F-score of two masks' outlines, matched within `reach_px`.

    Outlines next to pixels that do not count are left out.

    Reference:
        Martin, Fowlkes and Malik, Learning to detect natural image boundaries, PAMI 2004.
    """
    clear = masks.shrink(counted, reach_px + 1)
    drawn, wanted = _outline(found), _outline(true)
    precision = share(masks.grow(wanted, reach_px) & drawn & clear, drawn & clear)
    recall = share(masks.grow(drawn, reach_px) & wanted & clear, wanted & clear)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def share(part: np.ndarray, whole: np.ndarray) -> float:
    """Returns how many pixels of `whole` are in `part`, 0 where `whole` is empty."""
    return np.count_nonzero(part) / max(1, np.count_nonzero(whole))


def mean(values: Sequence[float | None]) -> float | None:
    """Returns the mean of those that are known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def worst_tenth(values: Sequence[float]) -> float | None:
    """Returns the mean of the lowest tenth, of one value at least."""
    count = max(1, round(len(values) / 10))
    return float(np.mean(sorted(values)[:count])) if values else None


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """Returns how often a positive scores above a negative, a tie counting half.

    None where there is only one of both kinds.

    Reference:
        Mann and Whitney, On a test of whether one of two random variables is stochastically
        larger than the other, Annals of Mathematical Statistics 1947.
    """
    values, chosen = np.asarray(scores, float), np.asarray(positive, bool)
    if not chosen.any() or chosen.all():
        return None
    gaps = values[chosen][:, None] - values[~chosen][None, :]
    return float(np.mean((gaps > 0) + 0.5 * (gaps == 0)))


def _outline(mask: np.ndarray) -> np.ndarray:
    return masks.grow(mask, 1) & ~masks.shrink(mask, 1)
