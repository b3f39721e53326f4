"""Outlines of body parts around a pose: closed polygons that a pencil could follow."""

from typing import NamedTuple

import numpy as np

from ..pose import Pose
from . import proportions as p

CURVE_POINTS = 14  # per rounded end; smooth at any display size
SOFTENING = 0.25  # share of each neighbour that rounds an elbow or knee


class Frame(NamedTuple):
    """How the body of a pose stands in the photo.

    Attributes:
        stature: Pixels.
        child: 0 adult to 1 child.
        facing: 1 toward the camera, -1 away.
        yaw: Radians; positive turns what is in front to picture right.
        head: (2,) centre of the head, pixels.
        up: (2,) unit vector from neck to head.
    """

    stature: float
    child: float
    facing: int
    yaw: float
    head: np.ndarray
    up: np.ndarray


def frame(pose: Pose) -> Frame:
    """Reads size, age and turn of the body from its joints."""
    neck, ears = _at(pose, "Neck"), (_at(pose, "REar") + _at(pose, "LEar")) / 2
    hips = (_at(pose, "RHip") + _at(pose, "LHip")) / 2
    torso = max(float(np.linalg.norm(hips - neck)), 1e-3)
    rise = float(np.linalg.norm(ears - neck)) / torso
    ratios = [
        (p.HEAD_CENTRE[i] + p.EAR[2] * p.HEAD_HALF_HEIGHT[i] - p.NECK_HEIGHT[i])
        / (p.NECK_HEIGHT[i] - p.HIP_HEIGHT[i])
        for i in (0, 1)
    ]
    child = float(np.clip((rise - ratios[0]) / (ratios[1] - ratios[0]), 0, 1))
    stature = torso / (mix(p.NECK_HEIGHT, child) - mix(p.HIP_HEIGHT, child))
    facing = 1 if _at(pose, "RShoulder")[0] <= _at(pose, "LShoulder")[0] else -1
    ahead = (_at(pose, "Nose")[0] - ears[0]) / (stature * mix(p.HEAD_HALF_DEPTH, child) * 1.2)
    yaw = float(np.arcsin(np.clip(ahead, -0.7, 0.7)))
    up = (ears - neck) / max(float(np.linalg.norm(ears - neck)), 1e-3)
    lift = stature * mix(p.HEAD_HALF_HEIGHT, child) * -p.EAR[2]
    return Frame(stature, child, facing, yaw, ears + up * lift, up)


def parts(pose: Pose) -> dict[str, np.ndarray]:
    """Returns (N, 2) closed polygons in photo pixels by stroke role, sides the person's own."""
    f = frame(pose)
    found = {"torso": _torso(pose, f), "neck": _neck(pose, f), "head": head(f)}
    for side, letter in (("right", "R"), ("left", "L")):
        shoulder, elbow, wrist = (_at(pose, letter + j) for j in ("Shoulder", "Elbow", "Wrist"))
        hip, knee, ankle = (_at(pose, letter + j) for j in ("Hip", "Knee", "Ankle"))
        calf = knee + 0.35 * (ankle - knee)
        found[f"leg_{side}"] = limb(
            [hip, knee, calf, ankle],
            np.array([p.LEG_RADII[0], p.LEG_RADII[1], 0.031, p.LEG_RADII[2]]) * f.stature,
        )
        found[f"foot_{side}"] = _foot(ankle, f, -1.0 if letter == "R" else 1.0)
        found[f"arm_{side}"] = limb([shoulder, elbow, wrist], np.array(p.ARM_RADII) * f.stature)
        inward = np.sign((_at(pose, "Neck") - shoulder)[0]) or 1.0
        found[f"hand_{side}"] = _mitt(elbow, wrist, inward, f.stature)
    return found


def head(f: Frame) -> np.ndarray:
    """An egg with its narrow end at the chin."""
    across = np.array([-f.up[1], f.up[0]])
    half = f.stature * np.hypot(
        mix(p.HEAD_HALF_WIDTH, f.child) * np.cos(f.yaw),
        mix(p.HEAD_HALF_DEPTH, f.child) * np.sin(f.yaw),
    )
    tall = f.stature * mix(p.HEAD_HALF_HEIGHT, f.child)
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    rise = np.sin(angle)
    narrow = 1 - 0.20 * np.clip(-rise, 0, 1) ** 1.5
    return f.head + np.outer(np.cos(angle) * half * narrow, across) + np.outer(rise * tall, f.up)


def limb(joints: list[np.ndarray], radii: np.ndarray) -> np.ndarray:
    """A rounded tube around a chain of two or more joints, with a radius at each."""
    chain, widths = _soften(np.array(joints, np.float64), np.asarray(radii, np.float64))
    step = np.gradient(chain, axis=0)
    step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-6)
    normal = np.stack([-step[:, 1], step[:, 0]], -1)
    there = chain + normal * widths[:, None]
    back = (chain - normal * widths[:, None])[::-1]
    return np.concatenate(
        [
            there,
            _cap(chain[-1], normal[-1], step[-1], widths[-1]),
            back,
            _cap(chain[0], -normal[0], -step[0], widths[0]),
        ]
    )


def mix(pair: tuple[float, float], child: float) -> float:
    """Blends an (adult, child) pair of the table of proportions."""
    return pair[0] + (pair[1] - pair[0]) * child


def _at(pose: Pose, name: str) -> np.ndarray:
    joint = pose.keypoints[name]
    return np.array([joint.x, joint.y])


def _soften(chain: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Subdivides the chain and rounds its corners."""
    place = np.linspace(0, len(chain) - 1, 8 * (len(chain) - 1) + 1)
    knots = np.arange(len(chain))
    fine = np.stack([np.interp(place, knots, chain[:, i]) for i in (0, 1)], -1)
    width = np.interp(place, knots, widths)
    for _ in range(4):
        fine[1:-1] += SOFTENING * (fine[:-2] - 2 * fine[1:-1] + fine[2:])
        width[1:-1] += SOFTENING * (width[:-2] - 2 * width[1:-1] + width[2:])
    return fine, width


def _cap(centre: np.ndarray, side: np.ndarray, ahead: np.ndarray, radius: float) -> np.ndarray:
    angle = np.linspace(0, np.pi, CURVE_POINTS)[1:-1, None]
    return centre + radius * (np.cos(angle) * side + np.sin(angle) * ahead)


def _torso(pose: Pose, f: Frame) -> np.ndarray:
    """The trunk from the shoulder line to the crotch, leaning from neck to hips."""
    neck = _at(pose, "Neck")
    down = (_at(pose, "RHip") + _at(pose, "LHip")) / 2 - neck
    span = mix(p.NECK_HEIGHT, f.child) - mix(p.HIP_HEIGHT, f.child)
    sizes = [np.array(table) for table in (p.TRUNK, p.CHILD_TRUNK)]
    drop = np.linspace(-0.012, span + 0.06, 24)
    half = []
    for column in (1, 2):
        each = [
            np.interp(mix(p.NECK_HEIGHT, i) - drop, sizes[i][:, 0], sizes[i][:, column])
            for i in (0, 1)
        ]
        half.append(each[0] + (each[1] - each[0]) * f.child)
    width = np.hypot(half[0] * np.cos(f.yaw), half[1] * np.sin(f.yaw)) * f.stature
    axis = down / max(float(np.linalg.norm(down)), 1e-3)
    across = np.array([axis[1], -axis[0]])
    middle = neck + np.outer(drop * f.stature, axis)
    side = width[:, None] * across
    caps = [_at(pose, name) for name in ("RShoulder", "LShoulder")]
    first, last = sorted(caps, key=lambda c: float((c - neck) @ across))
    top = 0.024 * f.stature * axis
    return np.concatenate([[last - top], middle + side, (middle - side)[::-1], [first - top]])


def _neck(pose: Pose, f: Frame) -> np.ndarray:
    neck = _at(pose, "Neck")
    high = f.head - 0.55 * f.stature * mix(p.HEAD_HALF_HEIGHT, f.child) * f.up
    radius = f.stature * mix(p.NECK_RADIUS, f.child)
    low = neck + 0.015 * f.stature * f.up  # its round end reaches the pit of the throat
    return limb([low, (low + high) / 2, high], np.array([1.5, 1.02, 1.0]) * radius)


def _mitt(elbow: np.ndarray, wrist: np.ndarray, inward: float, stature: float) -> np.ndarray:
    """A hand without fingers but with a thumb, in the forearm's direction."""
    ahead = (wrist - elbow) / max(float(np.linalg.norm(wrist - elbow)), 1e-3)
    across = np.array([-ahead[1], ahead[0]])
    across *= inward * (np.sign(across[0]) or 1.0)
    shape = np.array(  # along the hand, toward the thumb; statures
        [
            (0.000, -0.015), (0.018, -0.018), (0.040, -0.021), (0.062, -0.019),
            (0.082, -0.012), (0.090, 0.000), (0.084, 0.010), (0.066, 0.016),
            (0.050, 0.019), (0.058, 0.027), (0.056, 0.034), (0.046, 0.034),
            (0.028, 0.026), (0.012, 0.018), (0.000, 0.015),
        ]
    )  # fmt: skip
    return wrist + stature * (shape[:, :1] * ahead + shape[:, 1:] * across)


def _foot(ankle: np.ndarray, f: Frame, side: float) -> np.ndarray:
    """Seen from the front or the back: heel to toe, foreshortened."""
    turn = f.facing * side
    forward = np.sin(f.yaw) * p.FOOT_FORWARD  # toes point where the nose does
    x = turn * p.FOOT_OUTWARD * np.cos(f.yaw) + forward
    near = p.FOOT_FORWARD * np.cos(f.yaw) * f.facing
    toe = ankle + f.stature * np.array([x, p.TOE_DROP + 0.27 * near])
    heel = ankle + f.stature * np.array([-0.22 * forward, p.TOE_DROP - 0.004])
    return limb([heel, (heel + toe) / 2, toe], np.array([0.021, 0.023, 0.018]) * f.stature)
