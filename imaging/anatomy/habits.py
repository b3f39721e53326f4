"""What bodies on display and their garments usually are, and how far figures stray from it."""

from typing import NamedTuple

import numpy as np

from . import figure
from . import proportions as p

# Squared deviations at which a habit is taken for broken: hands do rest on hips.
BOUND, NEVER = 9.0, 1e6
# Deviations in their usual spreads, one for each figure, and where they level off.
_Deviation = tuple[np.ndarray, float]


class Habits(NamedTuple):
    """What the photo says about posture and garment, beside the places of labels and joints.

    Attributes:
        view: One of `parsing.VIEWS`.
        region: One of `parsing.REGIONS`.
        top, hem: Rows where the garment begins, and where it ends about its middle.
        flared: Whether it hangs free of the legs.
        waist_px: Its width where it begins.
        cut: Row where a mannequin of legs alone begins; None on others.
        sleeves: (2,) radians by which the arms at picture left and right stand out, as their
            sleeves say; NaN where there is no sleeve. None before anybody looked.
    """

    view: str
    region: str
    top: float
    hem: float
    flared: bool = False
    waist_px: float = 0.0
    cut: float | None = None
    sleeves: np.ndarray | None = None


def deviations(
    usual: Habits, rows: np.ndarray, figures: figure.Figures
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (K, N) deviations of K figures, built from rows, and (N,) where they level off."""
    found = [*_body(usual, rows), *_arms(usual, rows, figures), *_garment(usual, rows)]
    return np.stack([away for away, _ in found], 1), np.array([bound for _, bound in found])


def _body(usual: Habits, rows: np.ndarray) -> list[_Deviation]:
    _, _, _, yaw, child, lean, stance, *_, girth = rows.T
    centre, spread = p.YAW.get(usual.view, p.YAW["front"])
    turned = np.abs(yaw) - centre if centre else yaw
    return [
        (turned / spread, NEVER),
        ((child - p.CHILD[0]) / p.CHILD[1], NEVER),
        (lean / p.LEAN_SPREAD, NEVER),
        ((stance - p.STANCE[0]) / p.STANCE[1], NEVER),
        (girth / p.GIRTH_SPREAD, NEVER),
    ]


def _arms(usual: Habits, rows: np.ndarray, figures: figure.Figures) -> list[_Deviation]:
    left, right = rows[:, 7:9].T, rows[:, 9:11].T
    found: list[_Deviation] = [((left[0] - right[0]) / p.ARMS_DIFFER, BOUND)]
    aims = (np.nan, np.nan) if usual.sleeves is None else usual.sleeves
    for (upper, fore), side, outward, aim in (
        (left, "left", -1.0, aims[0]),
        (right, "right", 1.0, aims[1]),
    ):
        found.append(((fore - p.FOREARM_SHARE * upper) / p.FOREARM_SPREAD, BOUND))
        common, spread = p.SLEEVED_ARM if np.isfinite(aim) else p.BARE_ARM
        found.append(((upper - common) / spread, NEVER))
        if np.isfinite(aim):
            bone = figures.joints[f"elbow_{side}"] - figures.joints[f"shoulder_{side}"]
            angle = np.arctan2(bone[:, 0] * outward, bone[:, 1])
            found.append(((angle - aim) / p.SLEEVE_SPREAD, BOUND))
    return found


def _garment(usual: Habits, rows: np.ndarray) -> list[_Deviation]:
    child, stature = rows[:, 4], np.exp(rows[:, 2])
    mix = lambda pair: pair[0] + (pair[1] - pair[0]) * child  # noqa: E731
    height = lambda row: mix(p.NECK_HEIGHT) + (rows[:, 1] - row) / stature  # noqa: E731
    found: list[_Deviation] = []
    if usual.cut is not None:
        found.append(((height(usual.cut) - p.CUT_HEIGHT) / p.CUT_SPREAD, BOUND))
    if usual.region == "lower":
        found.append(((height(usual.top) - p.WAISTBAND_HEIGHT) / p.WAISTBAND_SPREAD, BOUND))
        if usual.waist_px:
            wide = np.log(usual.waist_px / stature / p.WAISTBAND_WIDTH[0])
            found.append((wide / p.WAISTBAND_WIDTH[1], BOUND))
        if usual.flared:
            found.append(((height(usual.hem) - p.SKIRT_HEM[0]) / p.SKIRT_HEM[1], BOUND))
        return found
    found.append(((height(usual.top) - mix(p.COLLAR_HEIGHT)) / p.COLLAR_SPREAD, BOUND))
    if usual.region in p.HEM_HEIGHT:
        common, spread = p.HEM_HEIGHT[usual.region]
        found.append(((height(usual.hem) - common) / spread, BOUND))
    return found
