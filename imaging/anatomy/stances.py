"""Stances: moves the limbs that a photo leaves free, and turns the head.

Limbs are turned in space and seen by the camera of `figure`: bones have the lengths of
`proportions`, and what swings toward the camera is foreshortened.
"""

from typing import NamedTuple

import numpy as np

from ..pose import Keypoint, Pose
from . import builds, outline
from . import proportions as p
from .figure import CAMERA_DISTANCE, CAMERA_HEIGHT

STANCES = ("implied", "arms down", "hand on hip", "walking")
HEAD_TURNS = ("as the body", "left", "right", "front")

TURN = 0.6  # radians; a head turns to the shoulder at 1.2, and at half of it both eyes show
LARGEST_TURN = 0.7  # radians against the camera; beyond it a face is a profile
HANG = (0.10, 0.45)  # radians from straight down; farther out only where the implied arm is
HANG_STEP = 0.05
FORE_SHARE = 0.6  # of the upper arm's angle: a hanging forearm is nearer to the plumb line
ELBOW_BEND = 0.12  # radians by which a hanging forearm swings forward
CLEAR = 0.1  # share of an arm that may lie on the garment for hanging straighter
CAP = 5  # of 20 points along an upper arm lie under the strap or the shoulder seam
SMALL_GAP = 0.012  # statures between a hanging arm's edge and the trunk

HIP_BONE = 0.607  # statures from the floor to its crest (ANSUR II, see `builds`): a hand's place
LOW = 0.50  # the same of the lowest place, where a sleeve holds the upper arm
REST = 0.030  # statures from the edge of the clothed waist to the wrist
STRETCHED = 0.92  # of a forearm's length, as seen: about what the other stances show
BENT = 0.55  # least share of a free arm's length between shoulder and wrist

# One step of a walk when the heel touches the ground: angles of thighs and shins from straight
# down, forward is positive; set by eye to look like a calm walk.
LEAD_LEG = (0.36, 0.27)  # radians: thigh, shin
REAR_LEG = (-0.22, -0.55)
LEAD_ARM = (0.30, 0.55)  # radians: upper arm and forearm of the other side swing along
REAR_ARM = (-0.30, -0.15)
TRACK = 0.022  # statures from the middle line to an ankle: feet walk on nearly one line


class _Body(NamedTuple):
    """What the movement of limbs needs to know; sizes in pixels."""

    joints: dict[str, Keypoint]
    f: outline.Frame
    garment: np.ndarray


def take(
    pose: Pose, stance: str, free: frozenset[str], garment: np.ndarray, *, mirrored: bool = False
) -> Pose:
    """Moves the free limbs of a pose into a stance.

    Args:
        pose: The body as the photo implies it.
        stance: One of STANCES.
        free: The bones that may move, see `holds.free`; all others keep their joints.
        garment: (H, W) bool; arms hang beside it and hands rest on its edge.
        mirrored: The left hand or leg leads, in place of the right one.

    Returns:
        The pose with joints moved.

    Raises:
        ValueError: There is no such stance.
    """
    if stance not in STANCES:
        raise ValueError(f"stance must be one of {', '.join(STANCES)}, got {stance!r}. Choose one.")
    if stance == "implied":
        return pose
    body, lead = _Body(pose.keypoints, outline.frame(pose), garment), "L" if mirrored else "R"
    moved = dict(pose.keypoints)
    for letter in "RL":
        if stance == "hand on hip" and letter == lead:
            moved |= _rested(body, letter, free)
        elif stance == "walking":
            moved |= _swung(body, letter, free, REAR_ARM if letter == lead else LEAD_ARM)
            moved |= _stepped(body, letter, free, LEAD_LEG if letter == lead else REAR_LEG)
        else:
            moved |= _hung(body, letter, free)
    return pose._replace(keypoints=moved)


def turn_head(pose: Pose, head_turn: str) -> Pose:
    """Turns the head against the body.

    Args:
        pose: The body.
        head_turn: One of HEAD_TURNS; left and right are the person's own. "front" is toward the
            camera; a head seen from behind stays.

    Raises:
        ValueError: There is no such turn.
    """
    if head_turn not in HEAD_TURNS:
        raise ValueError(
            f"head_turn must be one of {', '.join(HEAD_TURNS)}, got {head_turn!r}. Choose one."
        )
    f = outline.frame(pose)
    if head_turn == "as the body" or (head_turn == "front" and f.facing < 0):
        return pose
    aside = {"left": TURN * f.facing, "right": -TURN * f.facing, "front": -f.yaw}[head_turn]
    yaw = float(np.clip(f.yaw + aside, -LARGEST_TURN, LARGEST_TURN))
    sure = {name: pose.keypoints[name].confidence for name in pose.keypoints}
    head = builds.place_head(f._replace(yaw=yaw), sure)
    return pose._replace(keypoints=pose.keypoints | head)


def _side(letter: str) -> str:
    return "right" if letter == "R" else "left"


def _hung(body: _Body, letter: str, free: frozenset[str]) -> dict[str, Keypoint]:
    """An arm that hangs as near to the trunk as the garment lets it."""
    return _cleared(body, letter, free, (0.0, ELBOW_BEND))


def _swung(
    body: _Body, letter: str, free: frozenset[str], ahead: tuple[float, float]
) -> dict[str, Keypoint]:
    return _cleared(body, letter, free, ahead)


def _cleared(
    body: _Body, letter: str, free: frozenset[str], ahead: tuple[float, float]
) -> dict[str, Keypoint]:
    """Spreads a hanging arm no farther than it must to lie beside the garment."""
    side = _side(letter)
    if f"fore_{side}" not in free:
        return {}
    angles = np.arange(HANG[0], max(HANG[1], _abduction(body, letter)), HANG_STEP)
    arms = [_arm(body, letter, free, (a, FORE_SHARE * a), ahead) for a in angles]
    bare = np.array([_bare(body, letter, moved) for moved in arms])
    return arms[int(np.argmax(bare >= bare.max() - CLEAR))]


def _abduction(body: _Body, letter: str) -> float:
    """Angle of the implied upper arm from straight down."""
    shoulder, elbow = (_at(body.joints, letter + name) for name in ("Shoulder", "Elbow"))
    return float(np.arctan2(abs(elbow[0] - shoulder[0]), max(elbow[1] - shoulder[1], 1e-6)))


def _arm(
    body: _Body,
    letter: str,
    free: frozenset[str],
    aside: tuple[float, float],
    ahead: tuple[float, float],
) -> dict[str, Keypoint]:
    """Elbow and wrist of an arm that points aside and ahead by these angles, upper arm first."""
    joints, f = body.joints, body.f
    shoulder, elbow = (_at(joints, letter + name) for name in ("Shoulder", "Elbow"))
    depth, moved = 0.0, {}
    height = outline.mix(p.NECK_HEIGHT, f.child)
    if f"upper_{_side(letter)}" in free:
        bone = _bone(p.UPPER_ARM[0], aside[0], ahead[0])
        offset, depth = _seen(f, letter, bone, height, depth)
        elbow = shoulder + offset
        moved[letter + "Elbow"] = _to(joints[letter + "Elbow"], elbow)
    bone = _bone(p.FOREARM[0], aside[1], ahead[1])
    offset, _ = _seen(f, letter, bone, height - p.UPPER_ARM[0], depth)
    moved[letter + "Wrist"] = _to(joints[letter + "Wrist"], elbow + offset)
    return moved


def _bone(length: float, aside: float, ahead: float) -> np.ndarray:
    """(outward, ahead, up) in statures of a bone that hangs at these angles."""
    return length * np.array(
        [np.sin(aside) * np.cos(ahead), np.sin(ahead), -np.cos(aside) * np.cos(ahead)]
    )


def _seen(
    f: outline.Frame, letter: str, bone: np.ndarray, height: float, depth: float
) -> tuple[np.ndarray, float]:
    """Projects a bone, from a joint of known height and depth toward the camera.

    Returns:
        (2,) offset in pixels, and the depth where the bone ends, in statures.
    """
    outward = f.facing * (1 if letter == "L" else -1)
    right = outward * bone[0] * np.cos(f.yaw) + bone[1] * np.sin(f.yaw)
    toward = f.facing * bone[1] * np.cos(f.yaw) - outward * bone[0] * np.sin(f.facing * f.yaw)
    ends = [
        z + (z - CAMERA_HEIGHT) * near / CAMERA_DISTANCE
        for z, near in ((height, depth), (height + bone[2], depth + toward))
    ]
    return f.stature * np.array([right, ends[0] - ends[1]]), depth + toward


def _bare(body: _Body, letter: str, moved: dict[str, Keypoint]) -> float:
    """Share of an arm that lies beside garment and trunk: that of its less bare half.

    An arm shall hang free, and be seen to begin at its shoulder.
    """
    joints, f = body.joints | moved, body.f
    shoulder, elbow, wrist = (_at(joints, letter + n) for n in ("Shoulder", "Elbow", "Wrist"))
    tip = wrist + p.HAND[0] / p.FOREARM[0] * (wrist - elbow)
    outward = np.sign(shoulder[0] - joints["Neck"].x) or 1.0
    share = np.linspace(0, 1, 20)[:, None]
    halves = [elbow + share * (tip - elbow)]
    if letter + "Elbow" in moved:
        halves.append(shoulder + share[CAP:] * (elbow - shoulder))
    found = []
    for axis in halves:
        inner = axis - [outward * 0.8 * p.ARM_RADII[1] * f.stature, 0]
        trunk = _trunk(f, inner[:, 1] - joints["Neck"].y) + SMALL_GAP * f.stature
        aside = (inner[:, 0] - _middle(joints)) * outward > trunk
        found.append((aside & ~_on(body.garment, inner)).mean())
    return float(min(found))


def _rested(body: _Body, letter: str, free: frozenset[str]) -> dict[str, Keypoint]:
    """A hand at the waist, on the edge of what is worn there, with the elbow outward."""
    side, joints, f = _side(letter), body.joints, body.f
    if f"fore_{side}" not in free:
        return {}
    shoulder, elbow = (_at(joints, letter + name) for name in ("Shoulder", "Elbow"))
    outward = np.sign(shoulder[0] - joints["Neck"].x) or 1.0
    upper, fore = p.UPPER_ARM[0] * f.stature, p.FOREARM[0] * f.stature
    if f"upper_{side}" not in free:
        places = [_waist(body, outward, height) for height in np.linspace(HIP_BONE, LOW, 8)]
        away = [abs(np.linalg.norm(place - elbow) - STRETCHED * fore) for place in places]
        wrist = places[int(np.argmin(away))]
        reach = wrist - elbow
        wrist = elbow + reach * min(1.0, fore / max(float(np.linalg.norm(reach)), 1e-6))
        return {letter + "Wrist": _to(joints[letter + "Wrist"], wrist)}
    reach = _waist(body, outward, HIP_BONE) - shoulder
    length = float(np.clip(np.linalg.norm(reach), BENT * (upper + fore), 0.97 * (upper + fore)))
    reach *= length / max(float(np.linalg.norm(reach)), 1e-6)
    along = (length**2 + upper**2 - fore**2) / (2 * length)
    across = np.array([-reach[1], reach[0]]) / length
    across *= np.sign(across[0]) * outward or 1.0
    elbow = shoulder + along * reach / length + np.sqrt(max(upper**2 - along**2, 0)) * across
    return {
        letter + "Elbow": _to(joints[letter + "Elbow"], elbow),
        letter + "Wrist": _to(joints[letter + "Wrist"], shoulder + reach),
    }


def _waist(body: _Body, outward: float, height: float) -> np.ndarray:
    """Where a wrist rests at this height above the floor: outside of garment and trunk."""
    joints, f = body.joints, body.f
    drop = (outline.mix(p.NECK_HEIGHT, f.child) - height) * f.stature
    y, x = joints["Neck"].y + drop, _middle(joints)
    half = float(_trunk(f, np.array([drop]))[0])
    step = np.arange(0, 0.3 * f.stature, max(0.002 * f.stature, 0.5))
    worn = _on(body.garment, np.stack([x + outward * step, np.full(len(step), y)], -1))
    ends = np.flatnonzero(~worn)
    edge = step[ends[0]] if worn[0] and len(ends) else 0.0
    return np.array([x + outward * (max(half, edge) + REST * f.stature), y])


def _stepped(
    body: _Body, letter: str, free: frozenset[str], ahead: tuple[float, float]
) -> dict[str, Keypoint]:
    """A leg in the middle of a step, on one line with the other."""
    side, joints, f = _side(letter), body.joints, body.f
    if f"shin_{side}" not in free:
        return {}
    hip, knee = (_at(joints, letter + name) for name in ("Hip", "Knee"))
    height = outline.mix(p.HIP_HEIGHT, f.child)
    lengths = 0.53 * (height - p.ANKLE_HEIGHT[0]), 0.47 * (height - p.ANKLE_HEIGHT[0])
    inward = (TRACK - p.HIP_HALF[0]) / (height - p.ANKLE_HEIGHT[0])
    depth, moved = 0.0, {}
    if f"thigh_{side}" in free:
        bone = _bone(lengths[0], inward, ahead[0])
        offset, depth = _seen(f, letter, bone, height, depth)
        knee = hip + offset
        moved[letter + "Knee"] = _to(joints[letter + "Knee"], knee)
    offset, _ = _seen(f, letter, _bone(lengths[1], inward, ahead[1]), height - lengths[0], depth)
    moved[letter + "Ankle"] = _to(joints[letter + "Ankle"], knee + offset)
    return moved


def _trunk(f: outline.Frame, drop: np.ndarray) -> np.ndarray:
    """(N,) half widths in pixels of the trunk at depths below the neck; below the crotch 0."""
    height = outline.mix(p.NECK_HEIGHT, f.child) - drop / f.stature
    adult, young = np.array(p.TRUNK), np.array(p.CHILD_TRUNK)
    wide, deep = (
        (1 - f.child) * np.interp(height, adult[:, 0], adult[:, i])
        + f.child * np.interp(height, young[:, 0], young[:, i])
        for i in (1, 2)
    )
    half = np.hypot(wide * np.cos(f.yaw), deep * np.sin(f.yaw)) * f.stature
    return np.where(height < p.TRUNK[0][0], 0, half)


def _middle(joints: dict[str, Keypoint]) -> float:
    """x of the trunk's middle line at the waist."""
    hips = (joints["RHip"].x + joints["LHip"].x) / 2
    return 0.35 * joints["Neck"].x + 0.65 * hips


def _on(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) whether points lie on a mask; beside the picture there is nothing."""
    column, row = np.rint(points).astype(int).T
    height, width = mask.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found = np.zeros(len(points), bool)
    found[inside] = mask[row[inside], column[inside]]
    return found


def _at(joints: dict[str, Keypoint], name: str) -> np.ndarray:
    return np.array(joints[name][:2])


def _to(joint: Keypoint, place: np.ndarray) -> Keypoint:
    return Keypoint(float(place[0]), float(place[1]), joint.confidence)
