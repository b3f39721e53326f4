"""Which parts of a body a photo holds in place, and which it leaves to the imagination."""

import numpy as np

from ..parsing import Parsing
from ..pose import Pose
from . import outline, sleeves
from . import proportions as p
from .stage import HAVING, Stage

BONES = ("upper", "fore", "thigh", "shin")
PARTS = ("head", "shoulders", "hips", *(f"{b}_{side}" for b in BONES for side in ("right", "left")))
CLOTHED = 0.5  # share of a part under the garment, from where on the garment tells where it is


def free(stage: Stage, parsing: Parsing, pose: Pose) -> frozenset[str]:
    """Tells which of PARTS neither the mannequin shows nor the garment holds.

    A bone is held where its limb shows, where a sleeve or trouser leg covers it, and where the
    bone below it is held: an arm whose hand shows cannot move.

    Args:
        stage: Of the same photo, without `all_parts`.
        parsing: Its sleeves hold arms.
        pose: The body in it, with its arms in the sleeves (see `sleeves.follow`).
    """
    shapes, sleeved = outline.parts(pose), sleeves.held(parsing, pose)
    found = {"head"} if not stage.shows(shapes["head"]) else set()
    found |= {name for name, band in _bands(pose).items() if not _rules(stage, band)}
    for letter, side in (("R", "right"), ("L", "left")):
        upper, fore = _bones(pose, letter, ("Shoulder", "Elbow", "Wrist"), p.ARM_RADII)
        hand = _shown_tip(stage, shapes, side, "hand")
        if not (hand or f"fore_{side}" in sleeved or stage.shows(fore)):
            found.add(f"fore_{side}")
            if not (f"upper_{side}" in sleeved or stage.shows(upper)):
                found.add(f"upper_{side}")
        thigh, shin = _bones(pose, letter, ("Hip", "Knee", "Ankle"), p.LEG_RADII)
        if not (_shown_tip(stage, shapes, side, "foot") or _rules(stage, shin)):
            found.add(f"shin_{side}")
            if not _rules(stage, thigh):
                found.add(f"thigh_{side}")
    return frozenset(found)


def _rules(stage: Stage, polygon: np.ndarray) -> bool:
    """Whether mannequin or garment tell where a part is."""
    return stage.covered(polygon) > CLOTHED or stage.shows(polygon)


def _shown_tip(stage: Stage, shapes: dict[str, np.ndarray], side: str, tip: str) -> bool:
    return stage.kind in HAVING[tip] and stage.shows(shapes[f"{tip}_{side}"], tip)


def _bones(
    pose: Pose, letter: str, names: tuple[str, ...], radii: tuple[float, ...]
) -> list[np.ndarray]:
    """Outlines of the two bones of a limb."""
    joints = [np.array(pose.keypoints[letter + name][:2]) for name in names]
    sizes = np.array(radii) * outline.frame(pose).stature
    return [outline.limb(joints[i : i + 2], sizes[i : i + 2]) for i in (0, 1)]


def _bands(pose: Pose) -> dict[str, np.ndarray]:
    """The strips from shoulder to shoulder and from hip to hip."""
    stature = outline.frame(pose).stature
    bands = {}
    for part, name, radius in (("shoulders", "Shoulder", 0.03), ("hips", "Hip", p.LEG_RADII[0])):
        ends = [np.array(pose.keypoints[letter + name][:2]) for letter in "RL"]
        bands[part] = outline.limb(ends, np.full(2, radius * stature))
    return bands
