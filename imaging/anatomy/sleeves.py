"""Empty sleeves hang: brings the arms of a pose into them, so that hands come out of cuffs."""

import numpy as np

from ..parsing import Parsing
from ..pose import Keypoint, Pose
from . import outline
from . import proportions as p

FILLED = ("full", "headless", "person")  # kinds whose own arms fill the sleeves, where hands show
HAND_REACH = 0.06  # statures around a wrist in which a hand of the mannequin's own is looked for
HAND_AREA = 0.0006  # square statures of it that are no speck; a whole hand has 0.003
UPPER_RING = (0.11, 0.16)  # statures from the shoulder, where the sleeve's edge is looked for
FORE_RING = (0.06, 0.13)  # the same from the elbow
SLEEVE_ANGLE = 0.3  # radians; a sleeveless garment's side lies closer to the trunk
LARGEST_ANGLE = 1.4  # radians; above it lie the collar and the other sleeve
CUFF = (0.75, 1.5)  # lengths of the forearm from the elbow at which a long sleeve ends
INSIDE = 0.006  # statures by which a wrist lies inside of its cuff


def follow(parsing: Parsing, pose: Pose) -> Pose:
    """Lowers arms that stand outside the sleeves, and ends them where a long sleeve ends.

    Args:
        parsing: Its garment has the sleeves; arms whose own hand shows are left alone.
        pose: The body located in it.

    Returns:
        The pose with hands at the cuffs; arms without sleeves stay.
    """
    if not parsing.garment.any():
        return pose
    stature = outline.frame(pose).stature
    where = np.argwhere(parsing.garment)[:, ::-1].astype(np.float32)
    skin = np.argwhere(parsing.mannequin)[:, ::-1].astype(np.float32)
    joints = dict(pose.keypoints)
    for letter in "RL":
        if parsing.kind in FILLED and _has_hand(skin, _at(joints, letter + "Wrist"), stature):
            continue
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
        tip = _at_cuff(
            parsing.garment, moved, moved + _lowered(wrist - elbow, outward, aim), stature
        )
        joints[letter + "Elbow"] = _to(joints[letter + "Elbow"], moved)
        joints[letter + "Wrist"] = _to(joints[letter + "Wrist"], tip)
    return pose._replace(keypoints=joints)


def _has_hand(skin: np.ndarray, wrist: np.ndarray, stature: float) -> bool:
    near = np.hypot(*(skin - wrist).T) < HAND_REACH * stature
    return bool(near.sum() > HAND_AREA * stature**2)


def _at_cuff(
    garment: np.ndarray, elbow: np.ndarray, wrist: np.ndarray, stature: float
) -> np.ndarray:
    """Moves a wrist along the forearm to where the cloth ends, if that is near."""
    share = np.arange(0.3, CUFF[1] + 0.3, 0.01)
    places = np.rint(elbow + share[:, None] * (wrist - elbow)).astype(int)
    framed = ((places >= 0) & (places < garment.shape[::-1])).all(1)
    cloth = np.zeros(len(share), bool)
    cloth[framed] = garment[places[framed, 1], places[framed, 0]]
    if not cloth[0] or cloth.all():
        return wrist
    cuff = float(share[int(cloth.argmin())])
    if not CUFF[0] < cuff < CUFF[1]:
        return wrist
    length = max(float(np.hypot(*(wrist - elbow))), 1e-6)
    return elbow + (cuff - INSIDE * stature / length) * (wrist - elbow)


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
