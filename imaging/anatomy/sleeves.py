"""Empty sleeves hang: brings the arms of a pose into them, so that hands come out of cuffs."""

import cv2
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
WORKING_PX = 1024  # the photo's longer side here: cuffs are found to a pixel of it
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
    parsing, small, scale = _copy(parsing, pose)
    stature = outline.frame(small).stature
    where, joints = _places(parsing.garment), dict(pose.keypoints)
    for letter in _empty(parsing, small, stature):
        shoulder, elbow, wrist = (
            _at(small.keypoints, letter + j) for j in ("Shoulder", "Elbow", "Wrist")
        )
        outward = float(np.sign(shoulder[0] - small.keypoints["Neck"].x)) or 1.0
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
        joints[letter + "Elbow"] = _to(joints[letter + "Elbow"], (moved + 0.5) / scale - 0.5)
        joints[letter + "Wrist"] = _to(joints[letter + "Wrist"], (tip + 0.5) / scale - 0.5)
    return pose._replace(keypoints=joints)


def held(parsing: Parsing, pose: Pose) -> frozenset[str]:
    """Returns the bones that lie in sleeves: "upper_left", "fore_left" and the person's right.

    Args:
        parsing: Its garment has the sleeves.
        pose: The body with its arms in them, as `follow` returns it.
    """
    parsing, pose, _ = _copy(parsing, pose)
    stature, where = outline.frame(pose).stature, _places(parsing.garment)
    found = set()
    for letter, side in (("R", "right"), ("L", "left")):
        shoulder, elbow = (_at(pose.keypoints, letter + j) for j in ("Shoulder", "Elbow"))
        outward = float(np.sign(shoulder[0] - pose.keypoints["Neck"].x)) or 1.0
        for bone, joint, ring in (("upper", shoulder, UPPER_RING), ("fore", elbow, FORE_RING)):
            if _edge(where, joint, outward, np.array(ring) * stature) is not None:
                found.add(f"{bone}_{side}")
    return frozenset(found)


def _copy(parsing: Parsing, pose: Pose) -> tuple[Parsing, Pose, float]:
    """A smaller copy of a large photo's parsing and pose, and its scale."""
    height, width = parsing.size
    scale = min(1.0, WORKING_PX / max(height, width))
    if scale == 1:
        return parsing, pose, scale
    size = max(1, round(width * scale)), max(1, round(height * scale))
    labels = cv2.resize(parsing.label_map, size, interpolation=cv2.INTER_NEAREST)
    joints = {
        name: Keypoint((j.x + 0.5) * scale - 0.5, (j.y + 0.5) * scale - 0.5, j.confidence)
        for name, j in pose.keypoints.items()
    }
    return parsing._replace(label_map=labels), Pose(size[1], size[0], joints), scale


def _empty(parsing: Parsing, pose: Pose, stature: float) -> list[str]:
    """The sides whose sleeve no arm of the mannequin's own fills, as no hand comes out of it."""
    if parsing.kind not in FILLED:
        return ["R", "L"]
    skin = _places(parsing.mannequin)
    return [s for s in "RL" if not _has_hand(skin, _at(pose.keypoints, s + "Wrist"), stature)]


def _places(mask: np.ndarray) -> np.ndarray:
    """(N, 2) x and y of a mask's pixels."""
    return np.argwhere(mask)[:, ::-1].astype(np.float32)


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
