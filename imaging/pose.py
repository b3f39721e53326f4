"""Eighteen body keypoints in OpenPose (COCO-18) order, and how they travel as JSON."""

import math
from typing import NamedTuple

NAMES = (
    "Nose",
    "Neck",
    "RShoulder",
    "RElbow",
    "RWrist",
    "LShoulder",
    "LElbow",
    "LWrist",
    "RHip",
    "RKnee",
    "RAnkle",
    "LHip",
    "LKnee",
    "LAnkle",
    "REye",
    "LEye",
    "REar",
    "LEar",
)


class Keypoint(NamedTuple):
    """A joint; R and L are the person's own sides. x and y are pixels, confidence is 0 to 1."""

    x: float
    y: float
    confidence: float


class Pose(NamedTuple):
    """The complete body that the photo implies, drawn or not.

    Attributes:
        height, width: Of the photo, in pixels.
        keypoints: Keypoint by name, all of NAMES; joints may lie outside the photo.
    """

    height: int
    width: int
    keypoints: dict[str, Keypoint]


def to_json(pose: Pose) -> dict:
    """Returns the benchmark's document: format, size [w, h] and a list of named points."""
    return {
        "format": "openpose18",
        "size": [pose.width, pose.height],
        "keypoints": [
            {
                "name": name,
                "x": round(p.x, 2),
                "y": round(p.y, 2),
                "confidence": round(p.confidence, 3),
            }
            for name, p in ((name, pose.keypoints[name]) for name in NAMES)
        ],
    }


def to_openpose(pose: Pose) -> dict:
    """Returns one frame as ComfyUI's keypoint nodes exchange it, in absolute pixels."""
    flat = [value for name in NAMES for value in pose.keypoints[name]]
    return {
        "canvas_width": pose.width,
        "canvas_height": pose.height,
        "people": [{"pose_keypoints_2d": flat}],
    }


def from_openpose(frame: dict, size: tuple[int, int]) -> dict[str, Keypoint]:
    """Reads the first person's body joints, scaled to a photo of `size`.

    Args:
        frame: canvas_width, canvas_height and people with pose_keypoints_2d: 18 times x, y,
            confidence, in pixels of the canvas or as shares of it.
        size: Height and width of the photo, in pixels.

    Returns:
        The joints that were detected (confidence above 0), by name.

    Raises:
        ValueError: the frame has no person or not 18 joints.
    """
    try:
        flat = [float(value) for value in frame["people"][0]["pose_keypoints_2d"]]
        canvas = float(frame["canvas_height"]), float(frame["canvas_width"])
    except (KeyError, IndexError, TypeError, ValueError):
        flat, canvas = [], (0.0, 0.0)
    if len(flat) != 3 * len(NAMES) or not (min(canvas) > 0 and all(map(math.isfinite, flat))):
        raise ValueError(
            f"pose must hold one person with {len(NAMES)} body keypoints, got something else. "
            "Connect the pose of Propose Body Hints or of an OpenPose detector."
        )
    shares = max(map(abs, flat)) <= 2  # a person of two pixels does not exist
    scale_y = size[0] if shares else size[0] / canvas[0]
    scale_x = size[1] if shares else size[1] / canvas[1]
    joints = zip(NAMES, flat[::3], flat[1::3], flat[2::3], strict=True)
    return {name: Keypoint(x * scale_x, y * scale_y, c) for name, x, y, c in joints if c > 0}
