"""Empty sleeves hang: brings the arms of a pose into them, so that hands come out of cuffs."""

import numpy as np

from . import outline
from . import proportions as p
from .parsing import Parsing
from .pose import Keypoint, Pose

FILLED = ("full", "headless", "person")  # kinds whose own arms fill the sleeves
UPPER_RING = (0.11, 0.16)  # statures from the shoulder, where the sleeve's edge is looked for
FORE_RING = (0.06, 0.13)  # the same from the elbow
SLEEVE_ANGLE = 0.3  # radians; a sleeveless garment's side lies closer to the trunk
LARGEST_ANGLE = 1.4  # radians; above it lie the collar and the other sleeve


def follow(parsing: Parsing, pose: Pose) -> Pose:
    """Lowers arms that stand outside the sleeves; arms inside, or without sleeves, stay.

    Args:
        parsing: Its garment has the sleeves; kinds with arms of their own are left alone.
        pose: The body located in it.
    """
    if parsing.kind in FILLED or not parsing.garment.any():
        return pose
    stature = outline.frame(pose).stature
    where = np.argwhere(parsing.garment)[:, ::-1].astype(np.float32)
    joints = dict(pose.keypoints)
    for letter in "RL":
        shoulder, elbow, wrist = (_at(joints, letter + j) for j in ("Shoulder", "Elbow", "Wrist"))
        outward = float(np.sign(shoulder[0] - joints["Neck"].x)) or 1.0
        edge = _edge(where, shoulder, outward, np.array(UPPER_RING) * stature)
        if edge is None:
            continue
        hanging = _lowered(
            elbow - shoulder, outward, edge - p.ARM_RADII[0] / float(np.mean(UPPER_RING))
        )
        moved = shoulder + hanging
        edge = _edge(where, moved, outward, np.array(FORE_RING) * stature)
        aim = np.inf if edge is None else edge - p.ARM_RADII[1] / float(np.mean(FORE_RING))
        tip = moved + _lowered(wrist - elbow, outward, aim)
        joints[letter + "Elbow"] = _to(joints[letter + "Elbow"], moved)
        joints[letter + "Wrist"] = _to(joints[letter + "Wrist"], tip)
    return pose._replace(keypoints=joints)


def _edge(where: np.ndarray, start: np.ndarray, outward: float, ring: np.ndarray) -> float | None:
    """Angle from straight down to a sleeve's outer edge, None where there is no sleeve."""
    offset = where - start
    angle = np.arctan2(offset[:, 0] * outward, offset[:, 1])
    reach = np.hypot(*offset.T)
    near = (reach > ring[0]) & (reach < ring[1]) & (np.abs(angle) < LARGEST_ANGLE)
    if not near.any():
        return None
    edge = float(np.quantile(angle[near], 0.97))  # a few stray pixels do not make a sleeve
    return edge if edge > SLEEVE_ANGLE else None


def _lowered(bone: np.ndarray, outward: float, aim: float) -> np.ndarray:
    """The bone turned down to the aimed angle, where it stands farther out."""
    angle = float(np.arctan2(bone[0] * outward, bone[1]))
    turned = min(angle, max(aim, 0.0))
    return float(np.hypot(*bone)) * np.array([outward * np.sin(turned), np.cos(turned)])


def _at(joints: dict[str, Keypoint], name: str) -> np.ndarray:
    return np.array(joints[name][:2])


def _to(joint: Keypoint, place: np.ndarray) -> Keypoint:
    return Keypoint(float(place[0]), float(place[1]), joint.confidence)
