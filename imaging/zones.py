"""Which pixels lie near which part of a body, and how far along it; in statures."""

import itertools
from typing import NamedTuple

import cv2
import numpy as np

from .anatomy import outline
from .anatomy import proportions as p
from .pose import Pose

# Long side of the copy on which a body is drawn: its outline is known no better.
LONG_SIDE = 768
# Binary digits behind the point of polygon corners, as OpenCV takes them.
SHIFT = 4
# Where a part lies outside of the picture, in statures: farther than anything.
NOWHERE = 99.0
SIDES = ("right", "left")
LETTERS = {"right": "R", "left": "L"}
# Length of a hand with its fingers, and of a foot seen from the front, in statures.
HAND_LENGTH, FOOT_LENGTH = 0.09, 0.05


class Zones(NamedTuple):
    """A body on the working copy of a photo.

    Attributes:
        away: (h, w) float32 for "torso", "neck", "head", "legs" (with what lies between them),
            and, for each side, "arm_left", "hand_left", "foot_left" and so on: distance from this
            part, 0 inside, in statures.
        along: (h, w) float32. "torso": statures below the neck; "arm_left": share of the way from
            shoulder to wrist; "hand_left": from wrist to fingertips; "legs": from hips to ankles;
            "foot_left": from ankle to toes. Shares may be below 0 and above 1 but for arms.
        below: (h, w) float32 for "arm_left" and "arm_right": how far a pixel lies straight below
            the nearest point of the bones, 1, or straight above, -1.
        stature_px: Height of the whole body, in pixels of the working copy.
    """

    away: dict[str, np.ndarray]
    along: dict[str, np.ndarray]
    below: dict[str, np.ndarray]
    stature_px: float


def working_size(size: tuple[int, int]) -> tuple[int, int]:
    """Returns height and width of the working copy of a photo of this height and width."""
    scale = min(1.0, LONG_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def draw(pose: Pose) -> Zones:
    """Measures the zones of a body around a pose, on the working copy of its photo."""
    size = working_size((pose.height, pose.width))
    scale = np.array([size[1] / pose.width, size[0] / pose.height])
    shapes = {name: polygon * scale for name, polygon in outline.parts(pose).items()}
    joints = {n: np.array([k.x, k.y]) * scale for n, k in pose.keypoints.items()}
    stature = max(outline.frame(pose).stature * float(scale.mean()), 1e-3)
    both = np.concatenate([shapes.pop("leg_right"), shapes.pop("leg_left")])
    shapes["legs"] = cv2.convexHull(both.astype(np.float32))[:, 0]
    away = {name: _away(polygon, size, stature) for name, polygon in shapes.items()}
    return Zones(away, *_along(joints, size, stature), stature)


def nearest(zones: Zones, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Returns (h, w) index into `names` of the nearest part, and its distance in statures."""
    distances = np.stack([zones.away[name] for name in names])
    index = distances.argmin(0)
    return index, np.take_along_axis(distances, index[None], 0)[0]


def reduced(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns a (H, W) bool mask at a working copy's size; a pixel counts that is half covered."""
    if mask.shape == size:
        return mask.copy()
    levels = mask.astype(np.uint8) * 255
    return cv2.resize(levels, size[::-1], interpolation=cv2.INTER_AREA) > 127


def enlarged(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns a working copy's (h, w) bool mask at the photo's size, with smooth borders."""
    if mask.shape == size:
        return mask.copy()
    levels = mask.astype(np.uint8) * 255
    return cv2.resize(levels, size[::-1], interpolation=cv2.INTER_LINEAR) > 127


def _away(polygon: np.ndarray, size: tuple[int, int], stature: float) -> np.ndarray:
    limit = 4 * max(size)  # OpenCV's coordinates are 32 bit
    corners = np.rint(np.clip(polygon, -limit, limit) * 2**SHIFT).astype(np.int32)
    outside = np.ones(size, np.uint8)
    cv2.fillPoly(outside, [corners], 0, cv2.LINE_8, SHIFT)
    if outside.all():
        return np.full(size, NOWHERE, np.float32)
    return cv2.distanceTransform(outside, cv2.DIST_L2, 5) / np.float32(stature)


def _along(
    joints: dict[str, np.ndarray], size: tuple[int, int], stature: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    row, column = np.indices(size, np.float32)
    pixels = np.stack([column, row], -1)
    hips, knees, ankles = (
        (joints["R" + name] + joints["L" + name]) / 2 for name in ("Hip", "Knee", "Ankle")
    )
    down = _unit(hips - joints["Neck"])
    found = {
        "torso": (pixels - joints["Neck"]) @ down / np.float32(stature),
        "legs": _share_of_chain(pixels, (hips, knees, ankles))[0],
    }
    below = {}
    for side in SIDES:
        shoulder, elbow, wrist, ankle = (
            joints[LETTERS[side] + name] for name in ("Shoulder", "Elbow", "Wrist", "Ankle")
        )
        arm, below[f"arm_{side}"] = _share_of_chain(pixels, (shoulder, elbow, wrist))
        found[f"arm_{side}"] = np.clip(arm, 0, 1)
        ahead = _unit(wrist - elbow) / (HAND_LENGTH * stature)
        found[f"hand_{side}"] = (pixels - wrist) @ ahead.astype(np.float32)
        level = ankle[1] - p.FOOT_RADII[0] * stature
        found[f"foot_{side}"] = (row - np.float32(level)) / np.float32(FOOT_LENGTH * stature)
    return {name: values.astype(np.float32) for name, values in found.items()}, below


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / max(float(np.hypot(*vector)), 1e-3)).astype(np.float32)


def _share_of_chain(
    pixels: np.ndarray, chain: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns how far along two bones each pixel lies, by the nearer one, and how far below it.

    The ends go on: shares may be below 0 and above 1.
    """
    nearest_px = np.full(pixels.shape[:2], np.inf, np.float32)
    result = np.zeros(pixels.shape[:2], np.float32)
    below = np.zeros_like(result)
    for number, (start, end) in enumerate(itertools.pairwise(chain)):
        bone = (end - start).astype(np.float32)
        share = (pixels - start.astype(np.float32)) @ bone / max(float(bone @ bone), 1e-6)
        low, high = (None, 1) if number == 0 else (0, None)
        share = np.clip(share, low, high)
        offset = pixels - start.astype(np.float32) - share[..., None] * bone
        distance = np.hypot(offset[..., 0], offset[..., 1])
        closer = distance < nearest_px
        result[closer] = (number + share[closer]) / (len(chain) - 1)
        below[closer] = (offset[..., 1] / np.maximum(distance, 1e-3))[closer]
        nearest_px = np.minimum(nearest_px, distance)
    return result, below
