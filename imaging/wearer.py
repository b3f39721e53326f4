"""Places the body of a person who shall wear a garment: by keypoints, and by the parser."""

import cv2
import numpy as np

from . import body, labels
from . import pose as poses
from .parsing import Parsing

# Given joints lead the figure, which says where those are that nobody gave.
SURE = 1.0
# Bones that stand for a body where the parser sees none, and their thickness in torso lengths.
BONES = (
    *(("Neck", f"{side}{joint}") for side in "RL" for joint in ("Shoulder", "Hip")),
    *((f"{side}Shoulder", f"{side}Elbow") for side in "RL"),
    *((f"{side}Elbow", f"{side}Wrist") for side in "RL"),
    *((f"{side}Hip", f"{side}Knee") for side in "RL"),
    *((f"{side}Knee", f"{side}Ankle") for side in "RL"),
)
THICKNESS = 0.2
# Kinds of photo that show a body, whatever the parser took it for.
SHOWN = ("full", "headless", "armless", "legs", "person")
# Without these nobody knows where and how large the body is.
ANCHORS = ("Neck", "RHip", "LHip")


def locate(parsing: Parsing, frame: dict | None = None) -> poses.Pose:
    """Finds the eighteen joints of a person; given ones win, and lead to those that lack.

    Args:
        parsing: Of the person's photo.
        frame: An OpenPose frame, see `pose.from_openpose`; it need not hold every joint.

    Raises:
        ValueError: The parser sees no person, and no keypoints say where one is.
    """
    given = {} if frame is None else poses.from_openpose(frame, parsing.size)
    known = parsing if not given else _led(parsing, given)
    if not visible(known):
        raise ValueError(
            "person must show a person that Parse Mannequin Photo finds, got none. Connect pose, "
            "from Propose Body Hints or an OpenPose detector, or take a photo with more contrast."
        )
    found = body.locate(known)
    return found._replace(keypoints={**found.keypoints, **given})


def visible(parsing: Parsing) -> bool:
    """Whether the parser sees enough of a figure to place joints by."""
    seen = parsing.mannequin | parsing.garment | parsing.interior
    return bool(seen.mean() >= body.MIN_AREA)


def _led(parsing: Parsing, given: dict[str, poses.Keypoint]) -> Parsing:
    """The parsing of a person whose joints are known; where it shows no body, bones stand in."""
    joints = np.zeros((len(poses.NAMES), 3)) if parsing.joints is None else parsing.joints.copy()
    for index, name in enumerate(poses.NAMES):
        if name in given:
            joints[index] = given[name].x, given[name].y, SURE
    seen = parsing.mannequin | parsing.garment
    kind = parsing.kind if parsing.kind in SHOWN else "person"
    if seen.mean() < body.MIN_AREA and all(name in given for name in ANCHORS):
        # As of a garment alone: nothing says that legs end where bones end.
        kind = "ghost"
        parsing = parsing._replace(label_map=_drawn(parsing.label_map, given))
    return parsing._replace(joints=joints.astype(np.float32), kind=kind)


def _drawn(label_map: np.ndarray, given: dict[str, poses.Keypoint]) -> np.ndarray:
    neck, *hips = (np.array(given[name][:2]) for name in ANCHORS)
    torso = float(np.hypot(*(neck - sum(hips) / 2)))
    drawn = np.ascontiguousarray(label_map).copy()
    limit = 4 * max(label_map.shape)  # OpenCV's coordinates are 32 bit
    for bone in BONES:
        if all(name in given for name in bone):
            start, end = (_whole(given[name], limit) for name in bone)
            cv2.line(drawn, start, end, labels.GARMENT, max(1, round(THICKNESS * torso)))
    return drawn


def _whole(joint: poses.Keypoint, limit: int) -> tuple[int, int]:
    return round(max(-limit, min(joint.x, limit))), round(max(-limit, min(joint.y, limit)))
