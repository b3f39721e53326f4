"""Where a garment's outline must come to lie over the person's own."""

import numpy as np

from .. import masks
from ..pose import Pose
from . import skinning
from .skinning import Limb

# Cloth lies this many torso lengths off the skin: half a centimetre.
EASE = 0.012
# Up, and outward and up, from a shoulder joint: where its outline must lie over the person's.
_SHOULDER_RAYS = np.array([(0.0, -1.0), (0.707, -0.707), (0.94, -0.34)])
# Heights along the spine at which the sides are compared: 0 hips, 1 neck. Higher there are arms.
SIDE_HEIGHTS = (-0.1, 0.1, 0.3, 0.5)
# Torso lengths by which a side may lack; a larger lack is an arm, or a bag held in a hand.
SIDE_LACK = 0.15
# Share of a skirt's height below its top where its waistband is measured: past a crooked edge.
WAISTBAND = 0.03
# Torso lengths by which an end of the waistband may be moved; more is a wrong outline.
LOOSE = 0.25
# A sleeve is widened by at most this to go around an arm; a larger lack is a wrong joint.
WIDEST_SLEEVE = 1.35

Pairs = list[tuple[np.ndarray, np.ndarray]]
"""Places in the garment photo and in the person photo that belong together, each (2,) float64."""


def sides(
    matrix: np.ndarray, mask: np.ndarray, garment_pose: Pose, body: np.ndarray, person_pose: Pose
) -> Pairs:
    """Pairs the outlines at waist and hips, where the garment would be too narrow for the person.

    Args:
        matrix: (2, 3) float64, the similarity from garment to person.
        mask: (h, w) bool, the garment.
        garment_pose: In pixels of the garment photo.
        body: Silhouette of the person, reduced.
        person_pose: In pixels of the person photo.
    """
    reduced = body.shape[0] / person_pose.height
    torso, silhouette = _torso_length(person_pose), body > 0.5
    inverse, scale = _inverted(matrix), float(np.hypot(matrix[0, 0], matrix[1, 0]))
    neck, hip = skinning.spine(person_pose)
    pairs = []
    for height in SIDE_HEIGHTS:
        middle = hip + height * (neck - hip)
        start = skinning.transform(inverse, middle)
        for direction in (np.array([-1.0, 0.0]), np.array([1.0, 0.0])):
            skin = _reach(silhouette, middle * reduced, direction) / reduced
            back = skinning.unit(inverse[:, :2] @ direction)
            cloth = _reach(mask, start, back)
            missing = skin + EASE * torso - cloth * scale
            if cloth > 0 and skin > 0 and 0 < missing < SIDE_LACK * torso:
                onto = middle + (skin + EASE * torso) * direction
                pairs.append((start + cloth * back, onto))
    return pairs


def waist(
    matrix: np.ndarray, mask: np.ndarray, garment_pose: Pose, body: np.ndarray, person_pose: Pose
) -> Pairs:
    """Pairs the ends of a skirt's or trousers' waistband with the person's sides: it sits tight.

    Args: as of `sides`.
    """
    box = masks.bounds(mask)
    if box is None:
        return []
    row = box.top + round(WAISTBAND * box.height)
    columns = np.flatnonzero(mask[row])
    if not len(columns):
        return []
    reduced = body.shape[0] / person_pose.height
    torso, silhouette = _torso_length(person_pose), body > 0.5
    neck, hip = skinning.spine(person_pose)
    height = skinning.transform(matrix, np.array([columns.mean(), row]))[1]
    share = np.clip((height - neck[1]) / max(hip[1] - neck[1], 1e-6), 0.4, 1.2)
    middle = np.array([(neck + share * (hip - neck))[0], height])
    pairs = []
    for column, direction in zip(columns[[0, -1]], ((-1.0, 0.0), (1.0, 0.0)), strict=True):
        start = np.array([column, row], np.float64)
        skin = _reach(silhouette, middle * reduced, np.array(direction)) / reduced
        onto = middle + (skin + EASE * torso) * np.array(direction)
        if skin > 0 and np.hypot(*(onto - skinning.transform(matrix, start))) < LOOSE * torso:
            pairs.append((start, onto))
    return pairs if len(pairs) == 2 else []


def _inverted(matrix: np.ndarray) -> np.ndarray:
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def shoulders(
    matrix: np.ndarray, mask: np.ndarray, garment_pose: Pose, body: np.ndarray, person_pose: Pose
) -> Pairs:
    """Pairs the outline above each shoulder joint, where the garment would sink into the person.

    Args:
        matrix: (2, 3) float64, the similarity from garment to person.
        mask: (h, w) bool, the garment.
        garment_pose: In pixels of the garment photo.
        body: Silhouette of the person, reduced.
        person_pose: In pixels of the person photo.
    """
    reduced = body.shape[0] / person_pose.height
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    torso = _torso_length(person_pose)
    pairs = []
    for name in ("RShoulder", "LShoulder"):
        source, target = skinning.point(garment_pose, name), skinning.point(person_pose, name)
        outward = np.sign(target[0] - skinning.point(person_pose, "Neck")[0])
        for direction in _SHOULDER_RAYS * (outward, 1):
            cloth = _reach(mask, source, direction)
            skin = _reach(body > 0.5, target * reduced, direction) / reduced
            missing = skin + EASE * torso - cloth * scale
            # Far off, one of the outlines is no shoulder: a strap beside it, hair, a raised arm.
            if cloth > 0 and skin > 0 and 0 < missing < 0.12 * torso:
                onto = target + (skin + EASE * torso) * direction
                pairs.append((source + cloth * direction, onto))
    return pairs


def _torso_length(pose: Pose) -> float:
    neck, hip = skinning.spine(pose)
    return float(np.hypot(*(hip - neck)))


def widening(
    limb: Limb, mask: np.ndarray, body: np.ndarray | None, pose: Pose, scale: float
) -> float:
    """Says how many times wider a sleeve must be to go around the person's arm."""
    if body is None:
        return 1.0
    reduced = body.shape[0] / pose.height
    root, middle = (skinning.point(pose, name) for name in limb.names[:2])
    needed = []
    for share in (0.25, 0.45, 0.65):
        reaches = []
        for outline, start, end in (
            (mask, limb.source[0], limb.source[1]),
            (body > 0.5, root * reduced, middle * reduced),
        ):
            along = skinning.unit(end - start)
            away = np.array([along[1], -along[0]])
            away = away if away[1] < 0 else -away  # The upper side is free of the torso.
            reaches.append(_reach(outline, start + share * (end - start), away))
        cloth, skin = reaches[0] * scale, reaches[1] / reduced + EASE * _torso_length(pose)
        if min(reaches) > 0:
            needed.append(skin / cloth)
    return float(np.clip(max(needed), 1, WIDEST_SLEEVE)) if needed else 1.0


def _reach(mask: np.ndarray, place: np.ndarray, direction: np.ndarray) -> float:
    """Returns how far a mask reaches from a place inside of it, in pixels; 0 outside."""
    steps = place + np.arange(max(mask.shape))[:, None] * direction
    columns, rows = np.rint(steps).astype(int).T
    framed = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    inside = np.zeros(len(steps) + 1, bool)
    inside[:-1][framed] = mask[rows[framed], columns[framed]]
    return float(inside.argmin())
