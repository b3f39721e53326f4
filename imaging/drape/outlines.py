"""A mannequin's own outline, laid onto a person: how well the two bodies agree."""

import cv2
import numpy as np

from .. import labels, masks
from ..parsing import Parsing
from ..pose import Pose
from . import occlusion, skinning

# Bodies are compared along these bones; heads, hands and feet are shaped and dressed at will.
BONES = tuple(
    (start if start == "Neck" else side + start, side + end)
    for side in "RL"
    for start, end in (
        ("Neck", "Shoulder"),
        ("Shoulder", "Elbow"),
        ("Elbow", "Wrist"),
        ("Neck", "Hip"),
        ("Hip", "Knee"),
        ("Knee", "Ankle"),
    )
)
# Pixels of the reduced photo: what is nearer to cloth, stand or frame is no outline of the body.
CLEAR_PX = 4
# Fewer points than this prove nothing, more than the second number add nothing.
LEAST_POINTS, MOST_POINTS = 150, 800
# Torso lengths: outlines of one body that are laid onto each other lie this near.
NEAR = 0.015
# Torso lengths within which an outline attracts, from the first turn to the last.
REACH = (0.08,) * 5 + (0.04,) * 6 + (0.02,) * 6
# Share of the points that lie near after a fit, from which outlines are of one body in one pose.
FITTING = 0.5


def find(parsing: Parsing, pose: Pose) -> np.ndarray:
    """Returns places on the mannequin's outline before the backdrop: (N, 2) float64, in pixels."""
    scale, shape = occlusion.reduced(parsing.size)
    small = cv2.resize(parsing.label_map, shape[::-1], interpolation=cv2.INTER_NEAREST)
    mannequin = small == labels.MANNEQUIN
    other = ~mannequin & (small != labels.BACKGROUND)
    other[:1], other[-1:], other[:, :1], other[:, -1:] = True, True, True, True
    edge = mannequin & ~masks.shrink(mannequin, 1) & ~masks.grow(other, CLEAR_PX)
    places = (np.argwhere(edge)[:, ::-1] + 0.5) / scale - 0.5
    places = places[_beside_bones(places, pose)]
    return places[:: max(1, len(places) // MOST_POINTS)]


def agreement(
    edge: np.ndarray, body: np.ndarray, still: np.ndarray, other: np.ndarray, pose: Pose
) -> float | None:
    """Says how well outlines agree under a map, in comparison with the best map there is.

    Args:
        edge: As `find` returns it.
        body: Silhouette of the person as `occlusion.body` returns it.
        still: (2, 3) float64, the map in question.
        other: (2, 3) float64, another map from which the best one is looked for too.
        pose: Of the person.

    Returns:
        0 to 1; None where there is too little to compare, or no map makes the outlines agree.
    """
    if len(edge) < LEAST_POINTS:
        return None
    scale = body.shape[0] / pose.height
    far = _signed(body) / (scale * _torso(pose))

    def share(matrix: np.ndarray) -> float:
        return float((np.abs(_at(far, skinning.transform(matrix, edge), scale)) < NEAR).mean())

    best = max(share(fit(edge, far, start, scale)) for start in (still, other))
    return min(share(still) / best, 1.0) if best > FITTING else None


def fit(edge: np.ndarray, far: np.ndarray, start: np.ndarray, scale: float) -> np.ndarray:
    """Moves a similarity until the outline lies on the silhouette's, as far as it can.

    Args:
        edge: (N, 2) float64, in pixels of the garment photo.
        far: (h, w) float32, distance to the silhouette's outline in torso lengths, signed.
        start: (2, 3) float64, from the garment photo to the person photo.
        scale: Of `far` to the person photo.

    Returns:
        (2, 3) float64.

    Reference:
        Iteratively reweighted least squares with the weights of Geman and McClure.
    """
    slopes = [cv2.Sobel(far, cv2.CV_32F, *axis, scale=scale / 8) for axis in ((1, 0), (0, 1))]
    middle = edge.mean(0)
    x, y = (edge - middle).T
    # Rotation and scale about the middle of the points, then its place.
    told = np.array([start[0, 0], start[1, 0], *skinning.transform(start, middle)])
    for reach in REACH:
        placed = skinning.transform(_matrix(told, middle), edge)
        away, dx, dy = (_at(values, placed, scale) for values in (far, *slopes))
        weight = 1 / (1 + (away / reach) ** 2) ** 2
        slope = np.stack([dx * x + dy * y, dy * x - dx * y, dx, dy], 1)
        normal = slope.T @ (weight[:, None] * slope)
        normal += 1e-6 * np.diag(np.diag(normal) + 1e-12)
        told = told - np.linalg.solve(normal, slope.T @ (weight * away))
    return _matrix(told, middle)


def _matrix(told: np.ndarray, middle: np.ndarray) -> np.ndarray:
    linear = np.array([[told[0], -told[1]], [told[1], told[0]]])
    return np.column_stack([linear, told[2:] - linear @ middle])


def _signed(body: np.ndarray) -> np.ndarray:
    """Distance to the silhouette's outline in its pixels, negative outside: (h, w) float32."""
    inside = (body > 0.5).astype(np.uint8)
    deep, off = (cv2.distanceTransform(part, cv2.DIST_L2, 5) for part in (inside, 1 - inside))
    # A fit needs the slope to be even across the outline.
    return cv2.GaussianBlur(np.where(inside > 0, deep - 0.5, 0.5 - off), (0, 0), 1)


def _at(values: np.ndarray, places: np.ndarray, scale: float) -> np.ndarray:
    """Reads a reduced map at (N, 2) places of the photo."""
    at = ((places + 0.5) * scale - 0.5).astype(np.float32)[None]
    border = cv2.BORDER_REPLICATE
    return cv2.remap(values, at, None, cv2.INTER_LINEAR, borderMode=border)[0].astype(np.float64)


def _beside_bones(places: np.ndarray, pose: Pose) -> np.ndarray:
    """Selects places whose nearest bone runs past them rather than ending before."""
    nearest, beside = np.full(len(places), np.inf), np.zeros(len(places), bool)
    for names in BONES:
        start, end = (skinning.point(pose, name) for name in names)
        along = (places - start) @ (end - start) / max((end - start) @ (end - start), 1e-9)
        away = skinning.distance(places, start, end)
        last = names[1].endswith(("Wrist", "Ankle"))
        passing = (along < 1 if last else True) & ((along > 0) | (names[0] != "Neck"))
        nearer = away < nearest
        nearest[nearer], beside[nearer] = away[nearer], passing[nearer]
    return beside


def _torso(pose: Pose) -> float:
    return max(float(np.hypot(*np.subtract(*skinning.spine(pose)))), 1e-6)
