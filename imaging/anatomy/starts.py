"""Where the search for a body begins: rough figures from the garment's extent and the joints."""

import numpy as np

from ..parsing import Parsing
from ..pose import NAMES
from . import figure, fitting
from . import proportions as p
from .evidence import LEGGED, Evidence

TURN = p.YAW["three-quarter"][0]
PAIRS = [(NAMES.index(name), NAMES.index("L" + name[1:])) for name in NAMES if name[0] == "R"]
ROUNDS = 3  # in which outlying joints lose their say
OUTLYING = 0.05  # statures off the usual figure at which a joint counts half


def starts(e: Evidence, small: Parsing) -> np.ndarray:
    """Returns (S, 12) rows of figure.PARAMETERS to begin with."""
    first = [_from_garment(e, small)]
    if e.joints is not None:
        first.append(_from_joints(e.joints, first[0]))
    turns = (-TURN, TURN) if small.view == "three-quarter" else (0.0,)
    found = np.repeat(np.array(first), len(turns), 0)
    found[:, figure.PARAMETERS.index("yaw")] = np.tile(turns, len(first))
    return found


def _from_garment(e: Evidence, small: Parsing) -> np.ndarray:
    top = e.usual.top
    body = small.mannequin | small.garment | small.interior
    bottom = float(np.flatnonzero(body.any(1))[-1])
    length = max(e.usual.hem - top, 4.0)
    inside = e.points[(e.points[:, 1] >= top) & ~e.is_mannequin]
    inside = inside if len(inside) else e.points
    x = float(np.median(inside[:, 0]))
    if small.region == "lower":
        begin = p.WAISTBAND_HEIGHT
        stature = max(e.usual.waist_px, 0.2 * length) / p.WAISTBAND_WIDTH[0]
    else:
        begin = p.COLLAR_HEIGHT[0]
        hem, _ = p.HEM_HEIGHT.get(small.region, p.HEM_HEIGHT["upper"])
        stature = length / (begin - hem)
    if small.kind in LEGGED and bottom < e.outside_px.shape[0] - 3:
        stature = max(bottom - top, 1.0) / begin
    y = top + (begin - p.NECK_HEIGHT[0]) * stature
    return np.array([x, y, np.log(stature), 0, 0.1, 0, 0.07, 0.5, 0.45, 0.5, 0.45, 0])


def _from_joints(joints: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Moves and sizes a figure onto the surest joints; those that disagree lose their say."""
    placed = fitting.named(figure.build(start), back=False)
    places = np.stack([placed[name][0] for name in NAMES])
    aim, sure = joints[:, :2].astype(np.float64), joints[:, 2].astype(np.float64) ** 2 + 1e-6
    for right, left in PAIRS:
        if aim[right, 0] > aim[left, 0]:
            aim[[right, left]], sure[[right, left]] = aim[[left, right]], sure[[left, right]]
    weight, stature = sure, float(np.exp(start[2]))
    for _ in range(ROUNDS):
        middle, there, grown = _similarity(places, aim, weight)
        away = np.linalg.norm(there + grown * (places - middle) - aim, axis=1)
        weight = sure / (1 + (away / (OUTLYING * grown * stature)) ** 2)
    middle, there, grown = _similarity(places, aim, weight)
    neck = there + grown * (start[:2] - middle)
    return np.concatenate([neck, [start[2] + np.log(grown)], start[3:]])


def _similarity(
    places: np.ndarray, aim: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Returns the points' weighted middles, and the factor that brings the first to the second."""
    middle, there = weight @ places / weight.sum(), weight @ aim / weight.sum()
    spread = weight @ ((places - middle) ** 2).sum(1)
    grown = weight @ ((places - middle) * (aim - there)).sum(1) / spread
    return middle, there, float(np.clip(grown, 0.3, 3))
