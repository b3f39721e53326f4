"""Fits a figure to what is known of a body: labels, the network's joints, and usual proportions.

Every kind of evidence is a column of deviations in units of how far off they usually are; each is
squared near zero and levels off at its bound, so that what is wrong cannot pull for ever.
"""

import cv2
import numpy as np

from ..pose import NAMES
from . import figure, habits
from .evidence import Evidence

# Deviations level off late at first and in time at the end, so that a fit that starts far away
# finds its way (graduated non-convexity, Blake and Zisserman, Visual Reconstruction, 1987).
LOOSENESS = (6.0, 5.0, 4.0, 3.0, 2.2, 1.6, 1.2, 1.0, 1.0)
ARMS_LOOSENESS = (2.5, 1.5, 1.0, 1.0, 1.0)  # once the sleeves are measured
BOUND = 9.0  # squared deviations beyond which evidence counts as wrong, where nothing else is said
NEVER = 1e6
# Steps of the numeric derivatives in the order of figure.PARAMETERS, in statures and radians.
_STEPS = np.array([0.004, 0.004, 0.005, 0.02, 0.04, 0.004, 0.004, 0.02, 0.02, 0.02, 0.02, 0.01])
DAMPING = 0.3  # of Levenberg and Marquardt at the start
FARTHEST = 0.25  # radians, statures and shares that one step may change a parameter

# Weights of the labels against the joints, set on the training scenes.
COVERING, BARING = 120.0, 240.0
CLOTH_SLACK, SKIN_SLACK = 0.07, 0.012  # statures that cloth and mannequin stand off the figure
BARE_SLACK = 0.012
WAIST_DROP = 0.19  # statures from the neck; below it skirts fall free
FALL = 0.35  # statures by which skirts stand off for every stature below the waist
# The network's joints: how far off they are where it is right, in statures; how much likelier a
# joint is there than where bodies usually have it; and what its claims come to (of joints that it
# is sure of by c, 1 - (1 - c) ** POWER are right on scenes that it was not trained on).
JOINT_SLACK, JOINT_ODDS = 0.012, 10.0
POWER = 1.8
FACE_SHARE = 0.5  # five joints of one head err together
RIM = 0.025  # of the long side; joints outside the photo are put there by the network

_PAIRED = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]
_SIDED = ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Eye", "Ear")


def fit(e: Evidence, starts: np.ndarray, *, back: bool, looseness: tuple[float, ...]) -> np.ndarray:
    """Returns the best of the figures that are found from some starts.

    Args:
        e: What is known.
        starts: (S, 12) rows of figure.PARAMETERS.
        back: Whether the body is seen from behind.
        looseness: For every step, how late evidence levels off, 1 at the end.

    Reference:
        Levenberg and Marquardt; Holland and Welsch, Robust regression using iteratively reweighted
        least-squares, 1977.
    """
    rows = tried = starts.astype(np.float64)
    damping = np.full(len(rows), DAMPING)
    steps = np.vstack([np.zeros(len(_STEPS)), np.diag(_STEPS)])
    known = np.full((len(rows), 1, 1), np.inf)
    for loose in looseness:
        moved = _moved(tried[:, None], steps)
        away, bound = deviations(e, moved.reshape(-1, len(_STEPS)), back=back)
        away, limit = away.reshape(*moved.shape[:2], -1), bound * loose**2
        better = _level(away[:, 0], limit).sum(-1) < _level(known[:, 0], limit).sum(-1)
        known = np.where(better[:, None, None], away, known)
        rows = np.where(better[:, None], tried, rows)
        damping = np.where(better, damping / 3, damping * 8)
        tried = _moved(rows, _step(known, limit, damping))
    away, bound = deviations(e, np.concatenate([rows, tried]), back=back)
    return np.concatenate([rows, tried])[int(_level(away, bound).sum(-1).argmin())]


def _step(known: np.ndarray, limit: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """(S, 12) changes that lower the deviations, from those at and about S figures."""
    slope = (known[:, 1:] - known[:, :1]) / _STEPS[:, None]
    weighted = slope * ((limit / (limit + known[:, 0] ** 2)) ** 2)[:, None]
    square = weighted @ slope.transpose(0, 2, 1)
    pull = (weighted @ known[:, 0][..., None])[..., 0]
    diagonal = np.einsum("kii->ki", square)
    square = square + (damping[:, None] * diagonal + 1e-6)[..., None] * np.eye(len(_STEPS))
    step = np.linalg.solve(square, pull[..., None])[..., 0]
    return -np.clip(step, -FARTHEST, FARTHEST)


def _moved(rows: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Adds steps; those of the neck's place are in statures."""
    scaled = np.broadcast_to(steps, np.broadcast_shapes(rows.shape, steps.shape)).copy()
    scaled[..., :2] *= np.exp(rows[..., 2:3])
    moved = rows + scaled
    moved[..., 4] = np.clip(moved[..., 4], -0.05, 1.05)
    return moved


def _level(away: np.ndarray, limit: np.ndarray) -> np.ndarray:
    square = np.minimum(away, NEVER) ** 2
    return limit * square / (limit + square)


def deviations(e: Evidence, rows: np.ndarray, *, back: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns (K, N) deviations of K figures from all evidence, and (N,) where they level off."""
    figures = figure.build(rows, back=back)
    found = [_uncovered(e, figures), _bared(e, figures), habits.deviations(e.usual, rows, figures)]
    if e.joints is not None:
        found.append(_misplaced(e.joints, e.outside_px.shape, figures, back))
    return np.concatenate([a for a, _ in found], 1), np.concatenate([b for _, b in found])


def _uncovered(e: Evidence, figures: figure.Figures) -> tuple[np.ndarray, np.ndarray]:
    """How far mannequin and garment lie off the body."""
    away = np.maximum(figure.distance(figures, e.points, e.parts), 0)
    slack = np.where(e.is_mannequin, SKIN_SLACK, CLOTH_SLACK)[None]
    if e.flared:
        depth = (e.points[None, :, 1] - figures.joints["neck"][:, 1:]) / figures.stature[:, None]
        slack = slack + np.where(e.is_mannequin, 0, FALL * np.maximum(depth - WAIST_DROP, 0))
    weight = COVERING / len(e.points)
    return away / slack * np.sqrt(weight), np.full(len(e.points), BOUND * weight)


def _bared(e: Evidence, figures: figure.Figures) -> tuple[np.ndarray, np.ndarray]:
    """How far the body lies on background where it should be covered."""
    spots, part = figure.samples(figures)
    height, width = e.outside_px.shape
    column, row = spots[..., 0].astype(np.float32), spots[..., 1].astype(np.float32)
    framed = (
        (column >= 0) & (column < width) & (row >= max(0, e.top)) & (row < min(height, e.bottom))
    )
    away = cv2.remap(e.outside_px, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    weight = BARING / spots.shape[1] * e.weights[part]
    away = away / figures.stature[:, None] / BARE_SLACK * framed
    return away * np.sqrt(weight), BOUND * np.maximum(weight, 1e-9)


def _misplaced(
    seen: np.ndarray, shape: tuple[int, ...], figures: figure.Figures, back: bool
) -> tuple[np.ndarray, np.ndarray]:
    """How far the body's joints are from the network's.

    Which side a joint belongs to says the view: the network finds a place more surely than a side.
    """
    placed = named(figures, back=back)
    places = np.stack([placed[name] for name in NAMES], 1)
    own = np.linalg.norm(places - seen[None, :, :2], axis=-1)
    other = np.linalg.norm(places[:, _PAIRED] - seen[None, :, :2], axis=-1)
    away = np.minimum(own, other) / (figures.stature[:, None] * JOINT_SLACK)
    sure = np.clip(1 - (1 - seen[:, 2]) ** POWER, 0.01, 0.99)
    bound = 2 * np.log(1 + JOINT_ODDS * sure / (1 - sure))
    size = np.array(shape[::-1])
    outside = ((places < 0) | (places >= size)).any(-1)
    rim = RIM * max(size)
    at_rim = ((seen[:, :2] < rim) | (seen[:, :2] > size - rim)).any(-1)
    away = np.where(outside, np.where(at_rim, 0.0, NEVER), away)
    share = np.array([FACE_SHARE if n[1:] in ("Eye", "Ear") or n == "Nose" else 1.0 for n in NAMES])
    return away * np.sqrt(share), bound * share


def named(figures: figure.Figures, *, back: bool) -> dict[str, np.ndarray]:
    """(K, 2) joints by OpenPose name; the person's right is at picture left but from behind."""
    sides = ("left", "right") if not back else ("right", "left")
    found = {"Nose": figures.joints["nose"], "Neck": figures.joints["neck"]}
    for letter, side in zip("RL", sides, strict=True):
        found |= {letter + j: figures.joints[f"{j.lower()}_{side}"] for j in _SIDED}
    return found
