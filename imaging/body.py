"""Locates the complete body that a mannequin photo implies, from the label map alone.

A parametric figure (`figure`) is fitted to the labels: what is mannequin or garment should lie on
the body, the body should not lie on bare background, and where neither says anything the usual
proportions decide.
"""

from typing import NamedTuple

import cv2
import numpy as np

from . import masks
from .anatomy import figure, outline
from .anatomy import proportions as p
from .labels import BACKGROUND, CLUTTER, SUPPORT
from .parser import assessment
from .parsing import Parsing
from .pose import NAMES, Keypoint, Pose

WORKING_HEIGHT_PX = 384  # a joint's tolerance is about 8 pixels there
POINTS = 260  # sampled on mannequin and garment; more change joints by less than a pixel
CANDIDATES = 90  # figures compared per round
ELITE = 14
ROUNDS = 26
SEEN, COVERED, IMPLIED, OUTSIDE = 1.0, 0.6, 0.3, 0.2  # confidence of a joint
WAIST_DROP = 0.19  # statures from the neck; below it skirts fall free
MIN_AREA = 0.0005  # share of the photo; less is noise, not a body

# Weight of the network's joints against the labels, and how far off they are when all is well, in
# statures; set on the training scenes.
JOINTS, JOINT_SLACK = 200.0, 0.02

LEAST_MANNEQUIN = 0.02  # share of mannequin in the body below which the garment stands alone

_HEADED = {"full", "person"}
_ARMED = {"full", "headless", "person"}
_LEGGED = {"full", "headless", "armless", "legs", "person"}


class _Evidence(NamedTuple):
    """What the labels say, at working size."""

    points: np.ndarray  # (N, 2) on mannequin or garment
    is_mannequin: np.ndarray  # (N,) bool
    parts: np.ndarray  # (N, 17) bool: parts of the figure that may hold each point
    outside_px: np.ndarray  # (H, W) distance from mannequin and garment
    weights: np.ndarray  # (17,) how much each part minds the background
    bottom: float  # y of the lowest pixel of mannequin and garment
    top: float  # y where the garment begins
    hem: float  # y where it ends, about the middle
    flared: bool  # whether the garment hangs free of the legs
    kind: str
    region: str
    view: str
    joints: np.ndarray | None  # (18, 3): x, y, and how sure the network is


def locate(parsing: Parsing) -> Pose:
    """Finds the eighteen joints of the body that mannequin and garment imply.

    Args:
        parsing: Label map with kind, region and view; rough masks will do. Where the kind is
            unknown, all three are worked out from the label map.

    Returns:
        Every joint, in photo pixels, also outside the photo. Confidence is 1 where the mannequin
        shows the joint, 0.6 where the garment covers it, 0.3 where proportions alone place it,
        0.2 outside the photo.

    Raises:
        ValueError: Neither garment nor mannequin is labelled.
    """
    parsing = assessment.complete(parsing)
    figures, scale = _fit(parsing)
    facing_back = parsing.view == "back"
    height, width = parsing.size
    named, keypoints = _named(figures, facing_back), {}
    for name in NAMES:
        x, y = (named[name][0] + 0.5) / scale - 0.5
        keypoints[name] = Keypoint(float(x), float(y), _confidence(parsing, x, y))
    return Pose(height, width, keypoints)


def silhouette(pose: Pose) -> np.ndarray:
    """Returns the (H, W) bool outline of the complete body around a pose, without clothes."""
    filled = np.zeros((pose.height, pose.width), np.uint8)
    for polygon in outline.parts(pose).values():
        cv2.fillPoly(filled, [np.rint(polygon * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    return filled > 0


def _fit(parsing: Parsing) -> tuple[figure.Figures, float]:
    height, width = parsing.size
    scale = min(1.0, WORKING_HEIGHT_PX / max(height, width))
    evidence = _gather(parsing, scale)
    back = evidence.view == "back"
    start = _first_guess(evidence)
    starts = [start]
    if evidence.view == "three-quarter":
        starts = [_with(start, yaw=-0.42), _with(start, yaw=0.42)]
    found = [_search(evidence, s, back) for s in starts]
    best = min(found, key=lambda pair: pair[1])[0]
    return figure.build(best, back=back), scale


def _gather(parsing: Parsing, scale: float) -> _Evidence:
    height, width = parsing.size
    size = max(1, round(width * scale)), max(1, round(height * scale))
    labels = cv2.resize(parsing.label_map, size, interpolation=cv2.INTER_NEAREST)
    small = parsing._replace(label_map=labels)
    body = small.mannequin | small.garment | small.interior
    if body.mean() < MIN_AREA:
        raise ValueError(
            "a garment or a mannequin must be labelled to locate a body, got "
            f"{int(body.sum())} pixels of them. Mark the garment in the mask and try again."
        )
    if small.mannequin.sum() < LEAST_MANNEQUIN * body.sum():
        small = small._replace(kind="ghost")
    points, is_mannequin = _sample(body, small.mannequin)
    garment = masks.largest(small.garment) if small.garment.any() else body
    top, hem = _extent(garment)
    outside = cv2.distanceTransform((~body).astype(np.uint8), cv2.DIST_L2, 5)
    return _Evidence(
        points,
        is_mannequin,
        _allowed(is_mannequin, small.kind),
        outside,
        _weights(small),
        float(np.flatnonzero(body.any(1))[-1]),
        top,
        hem,
        parsing.region != "upper" and not _forked(garment),
        small.kind,
        small.region,
        small.view,
        None if parsing.joints is None else parsing.joints * (scale, scale, 1),
    )


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
    if kind not in _HEADED | {"unknown"}:
        flesh &= ~limb("head")
    if kind not in _ARMED | {"unknown"}:
        flesh &= ~limb("hand")
        forearms = np.array([n in ("arm_left", "arm_right") for n in names])
        forearms[: figure.PARTS.index("arm_right") + 1] = False
        flesh &= ~forearms
    if kind == "legs":
        flesh = limb("leg", "foot", "torso")
    return np.where(is_mannequin[:, None], flesh, cloth)


def _weights(parsing: Parsing) -> np.ndarray:
    kind, lower_only = parsing.kind, parsing.region == "lower"
    topless = kind == "legs" or (lower_only and kind not in _ARMED | {"armless"})
    table = {
        "head": 1.0 if kind in _HEADED else 0.0,
        "neck": 1.0 if kind in _HEADED else 0.3,
        "shoulders": 1.0,
        "torso": 1.0,
        "arm": 1.0 if kind in _ARMED else 0.0,
        "hand": 0.5 if kind in _ARMED else 0.0,
        "leg": 1.0 if kind in _LEGGED else 0.0,
        "foot": 0.5 if kind in _LEGGED else 0.0,
    }
    if topless:
        table |= dict.fromkeys(("head", "neck", "shoulders", "arm", "hand"), 0.0)
    return np.array([table[name.split("_")[0]] for name in figure.PARTS])


def _with(start: np.ndarray, **changes: float) -> np.ndarray:
    changed = start.copy()
    for name, value in changes.items():
        changed[figure.PARAMETERS.index(name)] = value
    return changed


def _first_guess(e: _Evidence) -> np.ndarray:
    feet = e.kind in _LEGGED and e.bottom < e.outside_px.shape[0] - 3
    length = max(e.hem - e.top, 4.0)
    inside = e.points[(e.points[:, 1] >= e.top) & ~e.is_mannequin]
    inside = inside if len(inside) else e.points
    x = float(np.median(inside[:, 0]))
    if e.region == "lower":
        begin = p.WAISTBAND_HEIGHT
        band = inside[inside[:, 1] < e.top + 0.1 * length] if len(inside) > 40 else inside
        wide = max(float(np.ptp(band[:, 0])) if len(band) > 2 else 0.0, 0.2 * length)
        stature = wide / 0.17
    else:
        begin = p.COLLAR_HEIGHT[0]
        hem, _ = p.HEM_HEIGHT.get(e.region, p.HEM_HEIGHT["upper"])
        stature = length / (begin - hem)
    if feet:
        stature = (e.bottom - e.top) / begin
    y = e.top + (begin - p.NECK_HEIGHT[0]) * stature
    return np.array([x, y, np.log(stature), 0, 0.1, 0, 0.07, 0.5, 0.45, 0.5, 0.45, 0])


_SPREAD = np.array([0.04, 0.03, 0.12, 0.15, 0.25, 0.02, 0.012, 0.15, 0.25, 0.15, 0.25, 0.05])


def _search(e: _Evidence, start: np.ndarray, back: bool) -> tuple[np.ndarray, float]:
    """Narrows a cloud of figures down to the best (cross-entropy method, Rubinstein 1999)."""
    draw = np.random.default_rng(18)  # a fixed seed: the same photo gives the same body
    mean, spread = start.copy(), _SPREAD.copy()
    spread[:2] *= np.exp(start[2])
    floor = spread * 0.02
    for _ in range(ROUNDS):
        rows = mean + spread * draw.standard_normal((CANDIDATES, len(mean)))
        rows[0] = mean
        rows[:, 4] = np.clip(rows[:, 4], 0, 1)
        elite = rows[np.argsort(_cost(e, rows, back))[:ELITE]]
        mean = 0.2 * mean + 0.8 * elite.mean(0)
        spread = np.maximum(0.3 * spread + 0.7 * elite.std(0), floor)
    return mean, float(_cost(e, mean[None], back)[0])


def _cost(e: _Evidence, rows: np.ndarray, back: bool) -> np.ndarray:
    figures = figure.build(rows, back=back)
    total = 120 * _uncovered(e, figures) + 240 * _exposed(e, figures) + _unusual(e, rows)
    if e.joints is not None:
        total = total + JOINTS * _misplaced(e.joints, figures, back)
    return total


def _uncovered(e: _Evidence, figures: figure.Figures) -> np.ndarray:
    """(K,) how much of mannequin and garment lies off the body."""
    away = np.maximum(figure.distance(figures, e.points, e.parts), 0)
    slack = np.where(e.is_mannequin, 0.012, 0.07)[None]  # statures; cloth stands off the body
    if e.flared:
        depth = (e.points[None, :, 1] - figures.joints["neck"][:, 1:]) / figures.stature[:, None]
        hanging = 0.35 * np.maximum(depth - WAIST_DROP, 0)
        slack = slack + np.where(e.is_mannequin, 0, hanging)
    return _robust(away / slack).mean(1)


def _exposed(e: _Evidence, figures: figure.Figures) -> np.ndarray:
    """(K,) how much of the body lies on background that should be covered."""
    spots, part = figure.samples(figures)
    height, width = e.outside_px.shape
    column, row = np.rint(spots[..., 0]).astype(int), np.rint(spots[..., 1]).astype(int)
    framed = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    away = e.outside_px[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    weight = e.weights[part] * framed
    if e.kind not in _LEGGED:
        weight = weight * (spots[..., 1] < e.bottom)
    if not e.weights[figure.PARTS.index("shoulders")]:
        weight = weight * (spots[..., 1] > e.top)
    cost = _robust(away / figures.stature[:, None] / 0.012) * weight
    return cost.mean(1)


def _misplaced(joints: np.ndarray, figures: figure.Figures, back: bool) -> np.ndarray:
    """(K,) how far the body's joints are from those that the network sees, as far as it is sure."""
    named = _named(figures, back)
    places = np.stack([named[name] for name in NAMES], 1)
    away = np.linalg.norm(places - joints[None, :, :2], axis=-1) / figures.stature[:, None]
    return (_robust(away / JOINT_SLACK) * joints[:, 2]).mean(1)


def _robust(deviation: np.ndarray) -> np.ndarray:
    """Squares small deviations and saturates: wrong labels far away must not pull."""
    square = deviation**2
    return 9 * square / (9 + square)


def _unusual(e: _Evidence, rows: np.ndarray) -> np.ndarray:
    """(K,) squared deviations from what mannequins and garments usually are."""
    _x, y, log_stature, yaw, child, lean, stance, ul, fl, ur, fr, girth = rows.T
    turn = {"front": (0.0, 0.08), "back": (0.0, 0.25), "three-quarter": (0.42, 0.11)}
    centre, spread = turn.get(e.view, (0.0, 0.3))
    total = ((np.abs(yaw) - centre) / spread) ** 2 if centre else (yaw / spread) ** 2
    total = total + ((child - 0.1) / 0.35) ** 2 + (lean / 0.012) ** 2 + (girth / 0.05) ** 2
    total = total + ((stance - 0.07) / 0.012) ** 2
    for upper, fore in ((ul, fl), (ur, fr)):
        total = total + ((upper - 0.53) / 0.15) ** 2 + ((fore - 0.75 * upper) / 0.25) ** 2
    stature = np.exp(log_stature)
    neck_z = p.NECK_HEIGHT[0] + (p.NECK_HEIGHT[1] - p.NECK_HEIGHT[0]) * child
    at = lambda row: neck_z + (y - row) / stature  # noqa: E731
    if e.region == "lower":
        return total + _robust((at(e.top) - p.WAISTBAND_HEIGHT) / p.WAISTBAND_SPREAD)
    collar = p.COLLAR_HEIGHT[0] + (p.COLLAR_HEIGHT[1] - p.COLLAR_HEIGHT[0]) * child
    total = total + _robust((at(e.top) - collar) / p.COLLAR_SPREAD)
    if e.region in p.HEM_HEIGHT:
        height, spread = p.HEM_HEIGHT[e.region]
        total = total + _robust((at(e.hem) - height) / spread)
    return total


_JOINTS = ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Eye", "Ear")


def _named(figures: figure.Figures, back: bool) -> dict[str, np.ndarray]:
    """(K, 2) joints by OpenPose name; the person's right is at picture left but from behind."""
    sides = ("left", "right") if not back else ("right", "left")
    found = {"Nose": figures.joints["nose"], "Neck": figures.joints["neck"]}
    for letter, side in zip("RL", sides, strict=True):
        found |= {letter + j: figures.joints[f"{j.lower()}_{side}"] for j in _JOINTS}
    return found


def _confidence(parsing: Parsing, x: float, y: float) -> float:
    height, width = parsing.size
    column, row = round(float(x)), round(float(y))
    if not (0 <= column < width and 0 <= row < height):
        return OUTSIDE
    label = int(parsing.label_map[row, column])
    if label in (BACKGROUND, SUPPORT, CLUTTER):
        return IMPLIED
    return SEEN if parsing.mannequin[row, column] else COVERED
