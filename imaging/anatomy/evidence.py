"""What a parsing says about the body in the photo, as `fitting` weighs it."""

from typing import NamedTuple

import cv2
import numpy as np

from .. import masks
from ..parsing import Parsing
from ..pose import NAMES
from . import figure, habits

POINTS = 260  # sampled on mannequin and garment; more change joints by less than a pixel
GUESSED = 0.5  # share of its confidence that the network deserves for arms that are not there
EMPTY = 0.05  # statures off the figure at which cloth hangs empty

HEADED = {"full", "person"}
ARMED = {"full", "headless", "person"}
LEGGED = {"full", "headless", "armless", "legs", "person"}
ARMLESS = {"armless", "dressform", "legs"}
FILLED = {"full", "headless", "ghost", "person", "unknown"}  # their sleeves have arms in them


class Evidence(NamedTuple):
    """What is known of the body, in pixels of a working copy.

    Attributes:
        points: (N, 2) on mannequin or garment.
        is_mannequin: (N,) bool.
        parts: (N, 17) bool: parts of the figure that may hold each point.
        outside_px: (H, W) float32, distance from mannequin and garment.
        weights: (17,) how much each part minds lying on the background.
        bottom: y below which the figure may lie on the background; NEVER where it may not at all.
        top: y above which it may.
        flared: Whether the garment hangs free of the legs.
        joints: (18, 3) x, y, and how sure the network is; None where nobody looked.
        usual: Deviations from what bodies and garments usually are.
    """

    points: np.ndarray
    is_mannequin: np.ndarray
    parts: np.ndarray
    outside_px: np.ndarray
    weights: np.ndarray
    bottom: float
    top: float
    flared: bool
    joints: np.ndarray | None
    usual: habits.Habits


def gather(small: Parsing) -> Evidence:
    """Reads the evidence off the parsing of a small copy, which shows a garment or a mannequin."""
    body = small.mannequin | small.garment | small.interior
    points, is_mannequin = _sample(body, small.mannequin)
    garment = masks.largest(small.garment) if small.garment.any() else body
    top, hem = _extent(garment)
    flared = small.region != "upper" and not _forked(garment)
    weights, cut = _weights(small), None
    if small.kind == "legs" and small.mannequin.any():
        cut = float(np.flatnonzero(small.mannequin.any(1))[0])
    return Evidence(
        points,
        is_mannequin,
        _allowed(is_mannequin, small.kind),
        cv2.distanceTransform((~body).astype(np.uint8), cv2.DIST_L2, 5),
        weights,
        np.inf if small.kind in LEGGED else float(np.flatnonzero(body.any(1))[-1]),
        -np.inf if weights[figure.PARTS.index("shoulders")] else top,
        flared,
        _trusted(small),
        habits.Habits(small.view, small.region, top, hem, flared, _waist_px(garment), cut),
    )


def with_sleeves(e: Evidence, kind: str, sleeves: np.ndarray, built: figure.Figures) -> Evidence:
    """Takes the sleeves into account: cloth off arms that it does not cover, and empty cloth off.

    Args:
        e: The evidence so far.
        kind: Of the photo; empty sleeves hang elsewhere than arms.
        sleeves: (2,) angles of the arms as the sleeves say, see `habits.Habits`.
        built: One figure that fits so far.
    """
    parts = e.parts.copy()
    cloth = ~e.is_mannequin
    for side, angle in zip(("left", "right"), sleeves, strict=True):
        if not (np.isfinite(angle) and kind in FILLED):
            parts[np.ix_(cloth, np.array(figure.PARTS) == f"arm_{side}")] = False
    kept = e.is_mannequin | (figure.distance(built, e.points, parts)[0] < EMPTY)
    kept = kept if kept.any() else ~kept
    return e._replace(
        points=e.points[kept],
        is_mannequin=e.is_mannequin[kept],
        parts=parts[kept],
        usual=e.usual._replace(sleeves=sleeves),
    )


def _trusted(small: Parsing) -> np.ndarray | None:
    """The network's joints; where an arm hangs that is not there it can only guess."""
    if small.joints is None or small.kind not in ARMLESS:
        return small.joints
    trust = np.ones((len(NAMES), 3))
    trust[[name[1:] in ("Elbow", "Wrist") for name in NAMES], 2] = GUESSED
    return small.joints * trust


def _sample(body: np.ndarray, mannequin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """About POINTS pixels of the body on an even grid."""
    step = max(1, round(np.sqrt(body.sum() / POINTS)))
    rows, columns = np.nonzero(body)
    kept = (rows % step == step // 2) & (columns % step == step // 2)
    rows, columns = (rows[kept], columns[kept]) if kept.sum() > 20 else (rows, columns)
    return np.stack([columns, rows], -1).astype(np.float64), mannequin[rows, columns]


def _extent(garment: np.ndarray) -> tuple[float, float]:
    """Rows where the garment begins, and where it ends about its middle."""
    rows = np.flatnonzero(garment.any(1))
    columns = np.flatnonzero(garment.any(0))
    middle = (columns[0] + columns[-1]) / 2
    reach = max(1.0, (columns[-1] - columns[0]) * 0.15)
    band = garment[:, int(middle - reach) : int(middle + reach) + 1]
    inner = np.flatnonzero(band.any(1))
    return float(rows[0]), float(inner[-1] if len(inner) else rows[-1])


def _waist_px(garment: np.ndarray) -> float:
    """Width of the garment's uppermost fifteenth."""
    rows = np.flatnonzero(garment.any(1))
    band = garment[rows[0] : rows[0] + max(2, len(rows) // 15)]
    return float(np.ptp(np.flatnonzero(band.any(0)))) + 1


def _forked(garment: np.ndarray) -> bool:
    """Tells trouser legs from skirts: most low rows fall apart into two wide runs."""
    rows = np.flatnonzero(garment.any(1))
    low = garment[rows[0] + 2 * len(rows) // 3 : rows[-1] + 1].astype(np.int8)
    begins = (np.diff(low, axis=1, prepend=0) == 1).sum(1)
    return bool((begins >= 2).mean() > 0.4)


def _allowed(is_mannequin: np.ndarray, kind: str) -> np.ndarray:
    names = np.array(figure.PARTS)
    limb = lambda *stems: np.isin([n.split("_")[0] for n in names], stems)  # noqa: E731
    cloth = ~limb("head", "hand", "foot")
    flesh = np.ones(len(names), bool)
    if kind not in HEADED | {"unknown"}:
        flesh &= ~limb("head")
    if kind not in ARMED | {"unknown"}:
        flesh &= ~limb("hand")
        forearms = np.array([n in ("arm_left", "arm_right") for n in names])
        forearms[: figure.PARTS.index("arm_right") + 1] = False
        flesh &= ~forearms
    if kind == "legs":
        flesh = limb("leg", "foot", "torso")
    return np.where(is_mannequin[:, None], flesh, cloth)


def _weights(parsing: Parsing) -> np.ndarray:
    kind, lower_only = parsing.kind, parsing.region == "lower"
    topless = kind == "legs" or (lower_only and kind not in ARMED | {"armless"})
    table = {
        "head": 1.0 if kind in HEADED else 0.0,
        "neck": 1.0 if kind in HEADED else 0.3,
        "shoulders": 1.0,
        "torso": 1.0,
        "arm": 1.0 if kind in ARMED else 0.0,
        "hand": 0.5 if kind in ARMED else 0.0,
        "leg": 1.0 if kind in LEGGED else 0.0,
        "foot": 0.5 if kind in LEGGED else 0.0,
    }
    if topless:
        table |= dict.fromkeys(("head", "neck", "shoulders", "arm", "hand"), 0.0)
    return np.array([table[name.split("_")[0]] for name in figure.PARTS])
