"""Builds: how the bodies of women, men and children differ in the parts that a photo lacks.

The factors compare means of ANSUR II over the stature (Gordon et al., 2012 Anthropometric Survey
of U.S. Army Personnel, NATICK/TR-15/007, 2014; its public data of 4,082 men and 1,986 women): one
sex's share over the mean of both sexes' shares. `proportions` has that middle, and the child.
"""

from typing import NamedTuple

import numpy as np

from ..pose import Keypoint, Pose
from . import outline
from . import proportions as p


class Build(NamedTuple):
    """How a body differs from the one in between.

    Attributes:
        child: 0 adult, 1 child, None as it was located.
        shoulders, hips: Factors of the breadth.
        neck, arm, leg: Factors of the girth.
        long_hair: Whether the hair mass reaches down to the jaw.
    """

    child: float | None = None
    shoulders: float = 1.0
    hips: float = 1.0
    neck: float = 1.0
    arm: float = 1.0
    leg: float = 1.0
    long_hair: bool = False


BUILDS = {
    "auto": Build(),
    # Shares of the stature, woman and man: bideltoid breadth 0.277 and 0.291, hip breadth 0.217
    # and 0.197, circumferences of neck 0.203 and 0.227, forearm 0.162 and 0.177, calf 0.229 and
    # 0.224.
    "woman": Build(0.0, 0.975, 1.049, 0.944, 0.957, 1.013, True),
    "man": Build(0.0, 1.025, 0.951, 1.056, 1.043, 0.987),
    # 6.4 heads tall: about eight years, between 6 heads at five and 7 at ten (Loomis, Figure
    # Drawing for All It's Worth, 1943, "Ideal proportions at various ages").
    "child": Build(0.6),
}
"""Choice to build. "auto" keeps what was located: adult, child or in between, and neither sex."""

_FACE = ("Nose", "REye", "LEye", "REar", "LEar")


def named(proportions: str) -> Build:
    """Looks up a build.

    Raises:
        ValueError: There is no such choice.
    """
    if proportions not in BUILDS:
        raise ValueError(
            f"proportions must be one of {', '.join(BUILDS)}, got {proportions!r}. Choose one."
        )
    return BUILDS[proportions]


def fit(pose: Pose, build: Build, free: frozenset[str]) -> Pose:
    """Gives the parts that a photo lacks the breadths of a build; bones keep their lengths.

    Args:
        pose: The located body.
        build: See BUILDS.
        free: The parts that may change: "head", "shoulders", "hips", see `holds.free`.
    """
    if "head" in free and build.child is not None:
        pose = pose._replace(keypoints=pose.keypoints | _grown(pose, build.child))
    joints = dict(pose.keypoints)
    if "shoulders" in free:
        joints |= _spread(joints, "Neck", build.shoulders, ("Shoulder", "Elbow", "Wrist"))
    if "hips" in free:
        joints |= _spread(joints, "", build.hips, ("Hip", "Knee", "Ankle"))
    return pose._replace(keypoints=joints)


def place_head(f: outline.Frame, confidences: dict[str, float]) -> dict[str, Keypoint]:
    """Returns nose, eyes and ears of a head that stands and turns as the frame says."""
    across = np.array([-f.up[1], f.up[0]])
    wide, deep, tall = (
        f.stature * outline.mix(pair, f.child)
        for pair in (p.HEAD_HALF_WIDTH, p.HEAD_HALF_DEPTH, p.HEAD_HALF_HEIGHT)
    )
    right = -f.facing  # where the person's own right is, before the head turns
    sides = {
        "Nose": (p.NOSE, 0),
        "REye": (p.EYE, right),
        "LEye": (p.EYE, -right),
        "REar": (p.EAR, right),
        "LEar": (p.EAR, -right),
    }
    placed = {}
    for name, ((aside, ahead, rise), side) in sides.items():
        over = side * aside * wide * np.cos(f.yaw) + ahead * deep * np.sin(f.yaw)
        x, y = f.head + over * across + rise * tall * f.up
        placed[name] = Keypoint(float(x), float(y), confidences[name])
    return placed


def thicken(polygon: np.ndarray, axis: np.ndarray, factor: float) -> np.ndarray:
    """Moves a limb's outline away from its axis.

    Args:
        polygon: (N, 2).
        axis: (M, 2) joints along the limb.
        factor: Of the distance from the axis.
    """
    if factor == 1:
        return polygon
    starts, bones = axis[:-1], np.diff(axis, axis=0)
    square = np.maximum((bones**2).sum(1), 1e-9)
    share = ((polygon[:, None] - starts) * bones).sum(-1) / square
    near = starts + np.clip(share, 0, 1)[..., None] * bones
    nearest = np.linalg.norm(polygon[:, None] - near, axis=-1).argmin(1)
    foot = near[np.arange(len(polygon)), nearest]
    return foot + factor * (polygon - foot)


def _grown(pose: Pose, child: float) -> dict[str, Keypoint]:
    """The head of another age on the same trunk."""
    f = outline.frame(pose)
    neck = np.array(pose.keypoints["Neck"][:2])
    trunk = outline.mix(p.NECK_HEIGHT, f.child) - outline.mix(p.HIP_HEIGHT, f.child)
    grown = outline.mix(p.NECK_HEIGHT, child) - outline.mix(p.HIP_HEIGHT, child)
    stature = f.stature * trunk / grown
    rise = outline.mix(p.HEAD_CENTRE, child) - outline.mix(p.NECK_HEIGHT, child)
    other = f._replace(stature=stature, child=child, head=neck + rise * stature * f.up)
    return place_head(other, {name: pose.keypoints[name].confidence for name in _FACE})


def _spread(
    joints: dict[str, Keypoint], middle: str, factor: float, chain: tuple[str, ...]
) -> dict[str, Keypoint]:
    """Moves both limbs apart, as far as their first joint goes."""
    ends = [np.array(joints[letter + chain[0]][:2]) for letter in "RL"]
    centre = np.array(joints[middle][:2]) if middle else (ends[0] + ends[1]) / 2
    moved = {}
    for letter, end in zip("RL", ends, strict=True):
        dx, dy = (factor - 1) * (end - centre)
        for name in chain:
            x, y, confidence = joints[letter + name]
            moved[letter + name] = Keypoint(float(x + dx), float(y + dy), confidence)
    return moved
