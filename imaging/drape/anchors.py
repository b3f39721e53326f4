"""Where a garment's outline must come to lie over the person's own."""

from typing import NamedTuple

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
# The same above a shoulder: a larger lack is a strap beside it, hair, a raised arm.
SHOULDER_LACK = 0.12
# Torso lengths by which one side may lack more than the other.
ONE_SIDED = 0.04
# Torso lengths by which outlines differ without any meaning, and from which the difference is
# believed: the edges of two parsings and the places of two poses are wrong by about 0.02.
OUTLINE_NOISE = (0.02, 0.05)
# Share of a skirt's height below its top where its waistband is measured: past a crooked edge.
WAISTBAND = 0.03
# Torso lengths by which an end of the waistband may be moved; more is a wrong outline.
LOOSE = 0.25
# A sleeve is widened by at most this to go around an arm; a larger lack is a wrong joint.
WIDEST_SLEEVE = 1.35

Pairs = list[tuple[np.ndarray, np.ndarray]]
"""Places in the garment photo and in the person photo that belong together, each (2,) float64."""


class Placement(NamedTuple):
    """A garment laid onto a person by a similarity, before its outline is corrected.

    Attributes:
        matrix: (2, 3) float64, from pixels of the garment photo to pixels of the person photo.
        mask: (h, w) bool, the garment.
        garment_pose: In pixels of the garment photo.
        body: (H', W') float32, silhouette of the person as `occlusion.body` returns it.
        person_pose: In pixels of the person photo.
        figure: (h, w) bool, the garment with its mannequin; None where no mannequin is known.
        settled: As in `placing.Place`: then small differences of the outlines are noise.
    """

    matrix: np.ndarray
    mask: np.ndarray
    garment_pose: Pose
    body: np.ndarray
    person_pose: Pose
    figure: np.ndarray | None = None
    settled: bool = False

    @property
    def scale(self) -> float:
        """Person pixels per garment pixel."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    @property
    def torso(self) -> float:
        """Length of the person's torso in pixels."""
        return _torso_length(self.person_pose)

    def skin(self, start: np.ndarray, direction: np.ndarray) -> float:
        """Returns how far the silhouette reaches from a point, in pixels of the person photo."""
        reduced = self.body.shape[0] / self.person_pose.height
        return _reach(self.body > 0.5, start * reduced, direction) / reduced

    def cloth(self, start: np.ndarray, direction: np.ndarray) -> float:
        """Returns how far the garment reaches, in its photo's pixels; 0 where it is no outline.

        Where the mannequin itself looks out beyond the cloth, a person may as well.
        """
        reach = _reach(self.mask, start, direction)
        if self.figure is None or not reach:
            return reach
        beyond = _reach(self.figure, start, direction) - reach
        return 0.0 if beyond * self.scale > OUTLINE_NOISE[0] * self.torso else reach

    def even(self, lacks: list[float]) -> list[float]:
        """Returns what of the lacks of two sides is believed: on one side alone it is an arm."""
        alone = OUTLINE_NOISE[0] if self.settled else ONE_SIDED
        most = max(min(lacks), 0.0) + alone * self.torso
        return [self.believed(min(lack, most)) if lack > 0 else 0.0 for lack in lacks]

    def believed(self, missing: float) -> float:
        """Returns what of a lack, in pixels of the person photo, is more than noise."""
        if not self.settled:
            return max(missing, 0.0)
        share = skinning.smoothstep(np.array(missing / self.torso), *OUTLINE_NOISE)
        return missing * float(share)


def sides(place: Placement) -> Pairs:
    """Pairs the outlines at waist and hips, where the garment would be too narrow."""
    inverse, ease = _inverted(place.matrix), EASE * place.torso
    neck, hip = skinning.spine(place.person_pose)
    pairs = []
    for height in SIDE_HEIGHTS:
        middle = hip + height * (neck - hip)
        start = skinning.transform(inverse, middle)
        ends, lacks = [], []
        for direction in (np.array([-1.0, 0.0]), np.array([1.0, 0.0])):
            skin = place.skin(middle, direction)
            back = skinning.unit(inverse[:, :2] @ direction)
            cloth = place.cloth(start, back)
            missing = skin + ease - cloth * place.scale
            known = cloth > 0 and skin > 0 and missing < SIDE_LACK * place.torso
            lacks.append(missing if known else 0.0)
            ends.append((start + cloth * back, middle + cloth * place.scale * direction))
        for (source, onto), lack, sign in zip(ends, place.even(lacks), (-1, 1), strict=True):
            if lack > 0:
                pairs.append((source, onto + lack * np.array([sign, 0.0])))
    return pairs


def waist(place: Placement) -> Pairs:
    """Pairs the ends of a skirt's or trousers' waistband with the person's sides: it sits tight."""
    box = masks.bounds(place.mask)
    if box is None:
        return []
    row = box.top + round(WAISTBAND * box.height)
    columns = np.flatnonzero(place.mask[row])
    if not len(columns):
        return []
    neck, hip = skinning.spine(place.person_pose)
    height = skinning.transform(place.matrix, np.array([columns.mean(), row]))[1]
    share = np.clip((height - neck[1]) / max(hip[1] - neck[1], 1e-6), 0.4, 1.2)
    middle = np.array([(neck + share * (hip - neck))[0], height])
    ends, lacks = [], []
    for column, sign in zip(columns[[0, -1]], (-1.0, 1.0), strict=True):
        direction = np.array([sign, 0.0])
        skin = place.skin(middle, direction)
        start = np.array([column, row], np.float64)
        placed = skinning.transform(place.matrix, start)
        onto = middle + (skin + EASE * place.torso) * direction
        if not skin or np.hypot(*(onto - placed)) >= LOOSE * place.torso:
            return []
        ends.append((start, placed, onto))
        lacks.append(float((onto - placed) @ direction))
    # A waistband too wide on both sides is drawn in; too narrow, brought out.
    moves = place.even(lacks)
    if max(lacks) < 0:
        moves = [-place.believed(-lack) for lack in lacks]
    return [
        (start, placed + abs(move) * skinning.unit(onto - placed))
        for (start, placed, onto), move in zip(ends, moves, strict=True)
    ]


def shoulders(place: Placement) -> Pairs:
    """Pairs the outline above each shoulder joint, where the garment would sink into the person."""
    ease, middle = EASE * place.torso, skinning.point(place.person_pose, "Neck")
    pairs = []
    for name in ("RShoulder", "LShoulder"):
        source = skinning.point(place.garment_pose, name)
        # Where the joint comes to lie, not where the person has it: that is wrong by more.
        target = skinning.transform(place.matrix, source)
        outward = np.sign(target[0] - middle[0])
        for direction in _SHOULDER_RAYS * (outward, 1):
            cloth = place.cloth(source, direction)
            skin = place.skin(target, direction)
            missing = skin + ease - cloth * place.scale
            lack = place.believed(missing)
            if cloth > 0 and skin > 0 and lack > 0 and missing < SHOULDER_LACK * place.torso:
                onto = target + (skin + ease - missing + lack) * direction
                pairs.append((source + cloth * direction, onto))
    return pairs


def widening(
    limb: Limb, mask: np.ndarray, body: np.ndarray | None, pose: Pose, scale: float
) -> float:
    """Says how many times wider a sleeve must be to go around the person's arm.

    Args:
        limb: The sleeve's axis.
        mask: (h, w) bool, the garment.
        body: As in `Placement`; None leaves the width as it is.
        pose: The person's, in pixels of the person photo.
        scale: Person pixels per garment pixel.

    Returns:
        1 to WIDEST_SLEEVE.
    """
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


def _inverted(matrix: np.ndarray) -> np.ndarray:
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def _torso_length(pose: Pose) -> float:
    neck, hip = skinning.spine(pose)
    return float(np.hypot(*(hip - neck)))


def _reach(mask: np.ndarray, place: np.ndarray, direction: np.ndarray) -> float:
    """Returns how far a mask reaches from a place inside of it, in pixels; 0 outside."""
    steps = place + np.arange(max(mask.shape))[:, None] * direction
    columns, rows = np.rint(steps).astype(int).T
    framed = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    inside = np.zeros(len(steps) + 1, bool)
    inside[:-1][framed] = mask[rows[framed], columns[framed]]
    return float(inside.argmin())
