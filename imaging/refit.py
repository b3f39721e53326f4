"""Carries strokes from one photo to another of the same class of garment, joint by joint.

Every bone of the body moves what lies along it; the trunk moves as a whole. A stroke follows the
bones that its role names, each of its points the nearer ones the more, so that lines bend instead
of breaking (linear blend skinning).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import strokes
from .body import IMPLIED
from .pose import NAMES, Pose
from .strokes import StrokeDocument

TRUNK = ("Neck", "RShoulder", "LShoulder", "RHip", "LHip")
# A joint of which the new photo shows nothing keeps its place beside this one, which comes first:
# an arm that was drawn on the hip stays there, though another photo implies hanging arms.
BESIDE = {
    "Nose": "Neck",
    "RElbow": "RShoulder",
    "RWrist": "RElbow",
    "LElbow": "LShoulder",
    "LWrist": "LElbow",
    "RKnee": "RHip",
    "RAnkle": "RKnee",
    "LKnee": "LHip",
    "LAnkle": "LKnee",
    "REye": "Nose",
    "LEye": "Nose",
    "REar": "Nose",
    "LEar": "Nose",
}

# How far a bone may be stretched against the trunk. A limb that points at the camera is short in
# the picture, and what lies along it must not be crushed or torn by that.
MAX_STRETCH = 2.5
# The same of the head, which does not foreshorten; the rest is error of the joints.
MAX_HEAD_STRETCH = 1.25
# Shear and narrowing of the trunk, as when it turns, against a plain similarity: weight of the
# similarity, in shares of the trunk's own spread.
STIFFNESS = 0.05
# Distance from a bone, in lengths of the trunk, at which another bone begins to count as much.
BLEND = 0.06
MIN_LENGTH = 0.02  # of a bone in trunk lengths; a shorter one has no direction
MIN_TRUNK_PX = 1.0
LEAST_SCALE = 1e-3  # of one body by the other; below it one of them is no body

# Least ratio of a trunk's narrow spread to its long one at which a mirrored fit means the other
# side of the body and not a body seen from its side, whose shoulders coincide.
MIRRORED = 0.05

Carry = Callable[[np.ndarray, str], np.ndarray]


def refit(document: StrokeDocument, pose: Pose, *, photo: str = "") -> StrokeDocument:
    """Fits the strokes to another photo by the joints of both bodies.

    The trunk moves by a similarity with a little shear; limbs bend with their bones, keeping the
    width that the trunk gives; heads, hands and feet keep their form. Radii grow with the trunk.

    Args:
        document: Its landmarks say where the body was. Without them the strokes are only scaled
            and centred, see `doubts`.
        pose: The body on the new photo, see `hints.settle`; joints that proportions alone place,
            by their confidence, take the stance of the strokes.
        photo: `strokes.fingerprint` of the new photo.

    Returns:
        The same strokes in the same order, with the new photo's size and landmarks.
    """
    size = (pose.height, pose.width)
    old, new = _places(document), np.array([pose.keypoints[name] for name in NAMES], np.float64)
    if old is None or _trunk_length(new) < MIN_TRUNK_PX:
        carry, scale = _by_size((document.height, document.width), size)
    else:
        carry, scale = _by_joints(old, new)
    moved = []
    for stroke in document.strokes:
        rows = np.array(stroke.points, np.float64)
        places = np.column_stack([carry(rows[:, :2], stroke.role), rows[:, 2]])
        points = tuple((x, y, pressure) for x, y, pressure in places.tolist())
        wider = stroke.radius_px * scale
        moved.append(strokes.within(stroke._replace(points=points, radius_px=wider), size))
    return StrokeDocument(pose.width, pose.height, photo, tuple(moved), strokes.landmarks(pose))


def doubts(document: StrokeDocument) -> tuple[str, ...]:
    """Says in sentences for the user what `refit` cannot know about this document."""
    if not document.strokes or _places(document) is not None:
        return ()
    return (
        "The strokes do not say where the body was on their photo, so they were only scaled to "
        "this one. Check them, or propose hints for this photo.",
    )


def _places(document: StrokeDocument) -> np.ndarray | None:
    """(18, 3) joints of the document; None where there is no body in them."""
    if not document.landmarks:
        return None
    joints = np.array(document.landmarks, np.float64)
    return joints if _trunk_length(joints) >= MIN_TRUNK_PX else None


def _by_name(rows: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(NAMES, rows, strict=True))


def _trunk_length(joints: np.ndarray) -> float:
    at = _by_name(joints[:, :2])
    return float(np.linalg.norm((at["RHip"] + at["LHip"]) / 2 - at["Neck"]))


def _by_size(old: tuple[int, int], new: tuple[int, int]) -> tuple[Carry, float]:
    """Scales about the middle so that the old photo fits the new one."""
    scale = min(new[0] / old[0], new[1] / old[1])
    middle, there = (np.array([size[1] - 1, size[0] - 1]) / 2 for size in (old, new))
    return lambda points, _: (points - middle) * scale + there, scale


def _by_joints(old: np.ndarray, new: np.ndarray) -> tuple[Carry, float]:
    """Moves points with the bones that their stroke's role names."""
    change = _change(old, new)
    by_role = _bones(change)
    every = [bone for bones in by_role.values() for bone in bones]

    def carry(points: np.ndarray, role: str) -> np.ndarray:
        bones = by_role.get(role, every)
        near = np.stack([_distance(points, bone) for bone in bones]) / change.length
        weight = 1 / (near**2 + BLEND**2) ** 2
        weight /= weight.sum(axis=0)
        moved = np.stack([(points - b.origin) @ b.matrix.T + b.place for b in bones])
        return (weight[..., None] * moved).sum(axis=0)

    return carry, change.scale


class _Change(NamedTuple):
    """How the body moved from one photo to the other.

    Attributes:
        old, new: (2,) places by joint.
        length: Of the old trunk, in pixels.
        scale: New trunk by old.
        turn: (2, 2) its rotation, mirrored where one photo shows the back.
        trunk: (2, 2) rotation, scale and a little shear of the trunk.
    """

    old: dict[str, np.ndarray]
    new: dict[str, np.ndarray]
    length: float
    scale: float
    turn: np.ndarray
    trunk: np.ndarray


class _Bone(NamedTuple):
    """A segment of the old body, and where what lies about it goes.

    Attributes:
        start, end: (2,) on the old photo.
        matrix: (2, 2), applied about `origin`.
        origin, place: (2,) a point of the old photo and where it is on the new one.
    """

    start: np.ndarray
    end: np.ndarray
    matrix: np.ndarray
    origin: np.ndarray
    place: np.ndarray


def _change(old: np.ndarray, new: np.ndarray) -> _Change:
    rows = [NAMES.index(name) for name in TRUNK]
    before, after = old[rows, :2], new[rows, :2]
    # All five count, the certain ones more; none may be left out, or the rest might be a line.
    weight = 0.1 + np.minimum(old[rows, 2], new[rows, 2])
    turn, scale = _similarity(before, after, weight)
    trunk = _sheared(before, after, weight, scale * turn)
    at, there = _by_name(old[:, :2]), _by_name(new[:, :2])
    shown = _by_name((old[:, 2] > 0) & (new[:, 2] > IMPLIED))
    for name, other in BESIDE.items():
        if not shown[name]:
            there[name] = there[other] + trunk @ (at[name] - at[other])
    return _Change(at, there, _trunk_length(old), scale, turn, trunk)


def _similarity(
    before: np.ndarray, after: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, float]:
    """Rotation, perhaps mirrored, and scale that lay `before` best on `after`.

    Reference:
        Umeyama, Least-squares estimation of transformation parameters between two point
        patterns, PAMI 1991.
    """
    source, target = _centred(before, weight), _centred(after, weight)
    left, values, right = np.linalg.svd((target * weight[:, None]).T @ source)
    mirrored = np.linalg.det(left @ right) < 0
    if mirrored and values[1] < MIRRORED * values[0]:
        flip, values = np.diag([1.0, -1.0]), values * (1, -1)
    else:
        flip = np.eye(2)
    spread = float((weight[:, None] * source**2).sum())
    return left @ flip @ right, max(float(values.sum()) / max(spread, 1e-9), LEAST_SCALE)


def _sheared(
    before: np.ndarray, after: np.ndarray, weight: np.ndarray, similar: np.ndarray
) -> np.ndarray:
    """The affine matrix next to a similarity that brings trunks together; held by STIFFNESS."""
    source, target = _centred(before, weight), _centred(after, weight)
    rest = target - source @ similar.T
    moment = (source * weight[:, None]).T @ source
    stiff = STIFFNESS * np.trace(moment) * np.eye(2)
    return similar + np.linalg.solve(moment + stiff, (source * weight[:, None]).T @ rest).T


def _centred(points: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return points - np.average(points, axis=0, weights=weight)


def _bones(change: _Change) -> dict[str, list[_Bone]]:
    """The bones that a stroke of each role follows; other roles follow the nearest."""
    hips = _middle(change.old, "RHip", "LHip")
    spine = _of_trunk(change, change.old["Neck"], hips)
    across = _of_trunk(change, change.old["RShoulder"], change.old["LShoulder"])
    head, face = _head(change)
    found = {
        "head": [head],
        "hair": [head],
        "face": [face],
        "neck": [head, across],
        "shoulders": [across],
        "torso": [spine],
    }
    for side, letter in (("right", "R"), ("left", "L")):
        shoulder, elbow, wrist = (letter + j for j in ("Shoulder", "Elbow", "Wrist"))
        hip, knee, ankle = (letter + j for j in ("Hip", "Knee", "Ankle"))
        found[f"arm_{side}"] = [_limb(change, shoulder, elbow), _limb(change, elbow, wrist)]
        found[f"leg_{side}"] = [_limb(change, hip, knee), _limb(change, knee, ankle)]
        found[f"hand_{side}"] = [_end(change, wrist, _turn(change, elbow, wrist))]
        # Feet stand on the floor, whichever way the shank leans.
        found[f"foot_{side}"] = [_end(change, ankle, change.turn)]
    return found


def _of_trunk(change: _Change, start: np.ndarray, end: np.ndarray) -> _Bone:
    old, new = (np.mean([at[n] for n in TRUNK], axis=0) for at in (change.old, change.new))
    return _Bone(start, end, change.trunk, old, new)


def _limb(change: _Change, start: str, end: str) -> _Bone:
    """Stretches along the bone and keeps the trunk's scale across it."""
    origin, place = change.old[start], change.new[start]
    bone = change.old[end] - origin
    length = float(np.linalg.norm(bone))
    matrix = change.scale * _turn(change, start, end)
    if length >= MIN_LENGTH * change.length:
        ratio = float(np.linalg.norm(change.new[end] - place)) / length / change.scale
        longer = float(np.clip(ratio, 1 / MAX_STRETCH, MAX_STRETCH)) - 1
        along = bone / length
        matrix = matrix @ (np.eye(2) + longer * np.outer(along, along))
    return _Bone(origin, change.old[end], matrix, origin, place)


def _end(change: _Change, joint: str, turn: np.ndarray) -> _Bone:
    """A hand or foot: keeps its form about its joint."""
    at = change.old[joint]
    return _Bone(at, at, change.scale * turn, at, change.new[joint])


def _head(change: _Change) -> tuple[_Bone, _Bone]:
    """The head, and its face, which goes with the nose when the head turns."""
    old, new = (_middle(at, "REar", "LEar") for at in (change.old, change.new))
    before, after = old - change.old["Neck"], new - change.new["Neck"]
    turn = _aligned(change, before, after)
    ratio = float(np.linalg.norm(after)) / max(float(np.linalg.norm(before)), 1e-9) / change.scale
    matrix = change.scale * np.clip(ratio, 1 / MAX_HEAD_STRETCH, MAX_HEAD_STRETCH) * turn
    head = _Bone(change.old["Neck"], old, matrix, old, new)
    return head, _Bone(old, old, matrix, change.old["Nose"], change.new["Nose"])


def _turn(change: _Change, start: str, end: str) -> np.ndarray:
    """The rotation that lays an old bone along the new one."""
    before = change.old[end] - change.old[start]
    return _aligned(change, before, change.new[end] - change.new[start])


def _aligned(change: _Change, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The trunk's turn, turned on until `before` points along `after`, if both have a direction."""
    least = MIN_LENGTH * change.length
    if np.linalg.norm(before) < least or np.linalg.norm(after) < least * change.scale:
        return change.turn
    x, y = change.turn @ before
    cosine, sine = x * after[0] + y * after[1], x * after[1] - y * after[0]
    rotation = np.array([[cosine, -sine], [sine, cosine]]) / math.hypot(cosine, sine)
    return rotation @ change.turn


def _middle(at: dict[str, np.ndarray], first: str, second: str) -> np.ndarray:
    return (at[first] + at[second]) / 2


def _distance(points: np.ndarray, bone: _Bone) -> np.ndarray:
    """(N,) distances from the bone's segment, in pixels."""
    along = bone.end - bone.start
    share = (points - bone.start) @ along / max(float(along @ along), 1e-9)
    foot = bone.start + share.clip(0, 1)[:, None] * along
    return np.linalg.norm(points - foot, axis=1)
