"""Eighteen body keypoints in OpenPose (COCO-18) order, and how they travel as JSON."""

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
