"""A parametric figure: twelve numbers make the joints and the flesh of a body seen by a camera.

Everything is computed for K candidate figures at once, so that a search can compare them. Sides
are the picture's ("left" is picture left); `body` turns them into the person's own. Coordinates
inside are shares of the stature, x to the right, y down, seen from a camera that stands in front.
"""

from typing import NamedTuple

import numpy as np

from . import proportions as p

PARAMETERS = (
    "x",  # neck, pixels
    "y",  # neck, pixels
    "log_stature",  # natural logarithm of pixels
    "yaw",  # radians; positive turns the front to picture right
    "child",  # 0 adult, 1 child
    "lean",  # hips to picture right of the neck, statures
    "stance",  # half the ankles' distance, statures
    "upper_left",  # abduction of the upper arm from straight down, radians
    "fore_left",  # the same of the forearm
    "upper_right",
    "fore_right",
    "girth",  # natural logarithm of the trunk's width over the table's
)
CAMERA_DISTANCE = 2.2  # statures: 50 to 85 mm lenses filling a 36 mm high frame with a body
CAMERA_HEIGHT = 0.6  # statures above the floor, half-way between whole-body and bust framings

# Parts in drawing order: name of the part, where it begins and ends, radii.
_LIMBS = (
    ("neck", "neck_low", "neck_high", (p.NECK_RADIUS[0] * 1.2, p.NECK_RADIUS[0])),
    ("shoulders", "neck", "shoulder_left", (0.030, 0.032)),
    ("shoulders", "neck", "shoulder_right", (0.030, 0.032)),
    ("arm_left", "shoulder_left", "elbow_left", p.ARM_RADII[:2]),
    ("arm_right", "shoulder_right", "elbow_right", p.ARM_RADII[:2]),
    ("arm_left", "elbow_left", "wrist_left", p.ARM_RADII[1:]),
    ("arm_right", "elbow_right", "wrist_right", p.ARM_RADII[1:]),
    ("hand_left", "wrist_left", "fingers_left", p.HAND_RADII),
    ("hand_right", "wrist_right", "fingers_right", p.HAND_RADII),
    ("leg_left", "hip_left", "knee_left", p.LEG_RADII[:2]),
    ("leg_right", "hip_right", "knee_right", p.LEG_RADII[:2]),
    ("leg_left", "knee_left", "ankle_left", p.LEG_RADII[1:]),
    ("leg_right", "knee_right", "ankle_right", p.LEG_RADII[1:]),
    ("foot_left", "heel_left", "toe_left", p.FOOT_RADII),
    ("foot_right", "heel_right", "toe_right", p.FOOT_RADII),
    ("head", "crown", "jaw", (0.044, 0.031)),
)
PARTS = (*(limb[0] for limb in _LIMBS), "torso")
TORSO_ROWS = 12  # heights at which the trunk's outline is sampled


class Figures(NamedTuple):
    """K figures in pixels.

    Attributes:
        joints: (K, 2) by name.
        starts, ends: (K, 16, 2), the axes of the limbs in the order of PARTS.
        radii: (K, 16, 2) at start and end.
        trunk: (K, TORSO_ROWS, 3): middle x, y and half width from shoulders to crotch.
        stature: (K,).
    """

    joints: dict[str, np.ndarray]
    starts: np.ndarray
    ends: np.ndarray
    radii: np.ndarray
    trunk: np.ndarray
    stature: np.ndarray


def build(parameters: np.ndarray, *, back: bool = False) -> Figures:
    """Builds (K, 12) rows of PARAMETERS into figures; `back` turns faces and toes away."""
    rows = np.atleast_2d(np.asarray(parameters, np.float64))
    joints = _place(rows, _solid(rows, -1.0 if back else 1.0))
    stature = np.exp(rows[:, 2])
    starts = np.stack([joints[a] for _, a, _, _ in _LIMBS], 1)
    ends = np.stack([joints[b] for _, _, b, _ in _LIMBS], 1)
    radii = np.array([r for *_, r in _LIMBS])[None] * stature[:, None, None]
    head = PARTS.index("head")
    wide = _mix(p.HEAD_HALF_WIDTH, rows[:, 4]) / p.HEAD_HALF_WIDTH[0]
    turned = 1 + 0.2 * np.abs(np.sin(rows[:, 3]))
    radii[:, head] *= (wide * turned)[:, None]
    return Figures(joints, starts, ends, radii, _trunk(rows), stature)


def distance(figures: Figures, points: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Measures how far points lie outside the figures.

    Args:
        points: (N, 2) pixels.
        parts: (N, 17) bool: which of PARTS may hold each point.

    Returns:
        (K, N) in statures, negative inside.
    """
    nearest = np.full((len(figures.stature), len(points)), np.inf)
    for index in range(figures.starts.shape[1]):
        chosen = np.flatnonzero(parts[:, index])
        if len(chosen):
            axis = figures.starts[:, index], figures.ends[:, index]
            found = _to_limb(points[chosen], *axis, figures.radii[:, index])
            nearest[:, chosen] = np.minimum(nearest[:, chosen], found)
    chosen = np.flatnonzero(parts[:, -1])
    if len(chosen):
        found = _to_trunk(points[chosen], figures.trunk)
        nearest[:, chosen] = np.minimum(nearest[:, chosen], found)
    return nearest / figures.stature[:, None]


def samples(figures: Figures) -> tuple[np.ndarray, np.ndarray]:
    """Spreads points over the flesh of each figure.

    Returns:
        (K, M, 2) pixels and the (M,) index into PARTS of each point.
    """
    along = np.linspace(0.08, 0.92, 5)
    across = np.array([-0.85, 0.0, 0.85])
    axis = figures.ends - figures.starts
    length = np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-6)
    normal = np.stack([-axis[..., 1], axis[..., 0]], -1) / length
    centre = figures.starts[:, :, None] + axis[:, :, None] * along[:, None]
    radius = figures.radii[..., :1] * (1 - along) + figures.radii[..., 1:] * along
    offset = radius[..., None] * across
    limbs = centre[:, :, :, None] + normal[:, :, None, None] * offset[..., None]
    reach = np.array([-0.9, -0.5, 0.0, 0.5, 0.9])
    trunk_x = figures.trunk[:, :, :1] + figures.trunk[:, :, 2:] * reach
    trunk = np.stack([trunk_x, np.broadcast_to(figures.trunk[:, :, 1:2], trunk_x.shape)], -1)
    count = len(figures.stature)
    spread = np.concatenate([limbs.reshape(count, -1, 2), trunk.reshape(count, -1, 2)], 1)
    per_limb = len(along) * len(across)
    torso = np.full(TORSO_ROWS * len(reach), len(_LIMBS))
    return spread, np.concatenate([np.repeat(np.arange(len(_LIMBS)), per_limb), torso])


def _mix(pair: tuple[float, float], child: np.ndarray) -> np.ndarray:
    return pair[0] + (pair[1] - pair[0]) * child


def _solid(rows: np.ndarray, facing: float) -> dict[str, np.ndarray]:
    """(K, 3) joints before turning: right, toward the beholder, up; the neck's column is 0."""
    child, lean, stance = rows[:, 4], rows[:, 5], rows[:, 6]
    nothing = np.zeros(len(rows))
    point = lambda x, y, z: np.stack([x + nothing, y + nothing, z + nothing], -1)  # noqa: E731
    neck_z, hip_z = _mix(p.NECK_HEIGHT, child), _mix(p.HIP_HEIGHT, child)
    head_z, tall = _mix(p.HEAD_CENTRE, child), _mix(p.HEAD_HALF_HEIGHT, child)
    wide, deep = _mix(p.HEAD_HALF_WIDTH, child), _mix(p.HEAD_HALF_DEPTH, child)
    face = lambda a, s: point(  # noqa: E731
        s * a[0] * wide, facing * (a[1] * deep + 0.006), head_z + a[2] * tall
    )
    found = {
        "neck": point(0, -facing * 0.008, neck_z),
        "neck_low": point(0, -facing * 0.010, neck_z - 0.005),
        "neck_high": point(0, 0, head_z - 0.55 * tall),
        "crown": point(0, 0, head_z + 0.33 * tall),
        "jaw": point(0, facing * 0.012, head_z - 0.50 * tall),
        "nose": face(p.NOSE, 0),
    }
    for side, s in (("left", -1.0), ("right", 1.0)):
        upper, fore = rows[:, 7 if s < 0 else 9], rows[:, 8 if s < 0 else 10]
        tilt = s * p.TILT * lean
        shoulder = point(s * _mix(p.SHOULDER_HALF, child), -facing * 0.008, neck_z + tilt)
        elbow = shoulder + p.UPPER_ARM[0] * point(s * np.sin(upper), 0, -np.cos(upper))
        ray = point(s * np.sin(fore), facing * p.FOREARM_FORWARD, -np.cos(fore))
        wrist = elbow + p.FOREARM[0] * ray
        hip = point(lean + s * p.HIP_HALF[0], -facing * 0.004, hip_z - 0.6 * tilt)
        ankle = point(lean * 0.45 + s * stance, -facing * 0.012, p.ANKLE_HEIGHT[0])
        bend = point(s * 0.004, facing * 0.014, 0)
        toe = point(s * p.FOOT_OUTWARD, facing * p.FOOT_FORWARD, -p.TOE_DROP)
        found |= {
            f"shoulder_{side}": shoulder,
            f"elbow_{side}": elbow,
            f"wrist_{side}": wrist,
            f"fingers_{side}": wrist + p.HAND[0] * ray,
            f"hip_{side}": hip,
            f"knee_{side}": 0.47 * hip + 0.53 * ankle + bend,
            f"ankle_{side}": ankle,
            f"toe_{side}": ankle + toe,
            f"heel_{side}": ankle + point(0, -facing * 0.022, -p.TOE_DROP),
            f"eye_{side}": face(p.EYE, s),
            f"ear_{side}": face(p.EAR, s),
        }
    return found


def _place(rows: np.ndarray, solid: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Turns (K, 3) joints about the plumb line and projects them to (K, 2) pixels."""
    cosine, sine = np.cos(rows[:, 3]), np.sin(rows[:, 3])
    stature, neck_z = np.exp(rows[:, 2]), solid["neck"][:, 2]
    seen = {}
    for name, joint in solid.items():
        right = joint[:, 0] * cosine + joint[:, 1] * sine
        near = joint[:, 1] * cosine - joint[:, 0] * sine
        zoom = near / CAMERA_DISTANCE
        up = joint[:, 2] + (joint[:, 2] - CAMERA_HEIGHT) * zoom
        x = rows[:, 0] + stature * right
        seen[name] = np.stack([x, rows[:, 1] + stature * (neck_z - up)], -1)
    return seen


def _trunk(rows: np.ndarray) -> np.ndarray:
    """(K, TORSO_ROWS, 3): middle x, y, half width in pixels, top to bottom."""
    child, lean, yaw = rows[:, 4:5], rows[:, 5:6], rows[:, 3:4]
    stature = np.exp(rows[:, 2:3])
    drop = np.linspace(-0.015, 0.345, TORSO_ROWS)[None]
    adult, young = np.array(p.TRUNK), np.array(p.CHILD_TRUNK)
    sizes = []
    for column in (1, 2):
        grown = np.interp(p.NECK_HEIGHT[0] - drop, adult[:, 0], adult[:, column])
        small = np.interp(p.NECK_HEIGHT[1] - drop, young[:, 0], young[:, column])
        sizes.append(grown + (small - grown) * child)
    half = np.hypot(sizes[0] * np.cos(yaw), sizes[1] * np.sin(yaw)) * np.exp(rows[:, 11:12])
    middle = rows[:, 0:1] + stature * lean * np.clip(drop / 0.27, 0, 1) * np.cos(yaw)
    height = np.broadcast_to(rows[:, 1:2] + stature * drop, half.shape)
    return np.stack([middle, height, half * stature], -1)


def _to_limb(
    points: np.ndarray, start: np.ndarray, end: np.ndarray, radii: np.ndarray
) -> np.ndarray:
    """(K, N) pixels from N points to K tapered capsules."""
    axis = end - start
    square = np.maximum((axis**2).sum(-1), 1e-9)[:, None]
    dx = points[None, :, 0] - start[:, None, 0]
    dy = points[None, :, 1] - start[:, None, 1]
    share = np.clip((dx * axis[:, None, 0] + dy * axis[:, None, 1]) / square, 0, 1)
    radius = radii[:, :1] + (radii[:, 1:] - radii[:, :1]) * share
    return np.hypot(dx - share * axis[:, None, 0], dy - share * axis[:, None, 1]) - radius


def _to_trunk(points: np.ndarray, trunk: np.ndarray) -> np.ndarray:
    """(K, N) pixels from N points to K trunks; rows are evenly spaced in height."""
    top, bottom = trunk[:, :1, 1], trunk[:, -1:, 1]
    last = trunk.shape[1] - 1
    place = np.clip((points[None, :, 1] - top) / (bottom - top), 0, 1) * last
    below = np.minimum(place.astype(int), last - 1)
    share = place - below
    take = lambda column: (  # noqa: E731
        np.take_along_axis(trunk[..., column], below, 1) * (1 - share)
        + np.take_along_axis(trunk[..., column], below + 1, 1) * share
    )
    aside = np.abs(points[None, :, 0] - take(0)) - take(2)
    beyond = np.maximum(top - points[None, :, 1], points[None, :, 1] - bottom)
    return np.maximum(aside, beyond)
