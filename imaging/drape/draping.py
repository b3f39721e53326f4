"""Laying a garment's picture onto a body: where every bit of the cloth goes."""

from typing import NamedTuple

import cv2
import numpy as np

from .. import masks
from ..pose import Pose
from . import anchors, mesh, placing, skinning, thin_plate
from .anchors import Pairs
from .mesh import Mesh
from .placing import Place
from .skinning import Frame, Limb

# Cells along the garment's long side: a cell is then about as wide as a strap or a fold.
CELLS = 48
# Torso lengths over which a sleeve bends away from the shoulder, and a trouser leg from the hip.
BEND = 0.3
# Shares of the way from the torso's edge to the arm's axis over which cloth passes from one to the
# other: over less, a raised arm tears the armhole's seam apart.
SPLIT = (0.0, 0.8)
# Depth below the neck, in torso lengths, over which sleeve and torso part: a body's armpit lies at
# 0.3. Photos show a hanging sleeve grown together with the torso far below it.
ARMPIT = (0.3, 0.45)
# A sleeve's inner half may be this much wider than its outer half.
SPARE = 1.15
# Torso lengths; half the width of a shred of cloth along a cut.
SLIVER = 0.02
# Torso length of the copy in which shreds are looked for, in pixels.
REDUCED_TORSO_PX = 400
# Torso lengths from the arm at which cloth cannot be a sleeve.
FLARED = 0.4
# Torso lengths by which the torso reaches under the sleeve above that.
OVERLAP = 0.06
# How far the torso's joints pull the cloth from the similarity to their own place. Hips lie deep
# inside of the body and are known least; cloth hangs over them.
PULL = {"Neck": 1.0, "RShoulder": 1.0, "LShoulder": 1.0, "RHip": 0.5, "LHip": 0.5}
# Share of the garment's diagonal within which a corner of its box follows the pair beside it.
BESIDE = 0.1
# Torso lengths that a joint may lie off where the similarity puts it without any meaning, and from
# which it is believed: a located joint is wrong by about 0.02, on rendered pairs.
JOINT_NOISE = (0.04, 0.08)
# The same for a bone's turn, in radians, and for the logarithm of its length.
TURN_NOISE, LENGTH_NOISE = (0.1, 0.2), (0.15, 0.3)


class Share(NamedTuple):
    """How a limb's bones hold each point of the mesh, all (N,) float.

    Attributes:
        limb: 0 to 1, moves with the limb rather than with the torso.
        lower: 0 to 1, of that with the far bone.
        beyond: Torso lengths inside of the limb's outline; the limb shows where it is positive.
        parted: Torso lengths past the line that ends the torso, which shows where it is negative.
        joined: 1 where cloth of limb and torso hangs together, 0 where they are cut apart.
    """

    limb: np.ndarray
    lower: np.ndarray
    beyond: np.ndarray
    parted: np.ndarray
    joined: np.ndarray


class Layer(NamedTuple):
    """One part of the garment, free to lie over another.

    Attributes:
        mesh: At rest, in pixels of the garment photo.
        moved: (N, 2) float64, its points in pixels of the person photo.
        visible: (h, w) float32 in [0, 1], the part of the garment photo it shows.
    """

    mesh: Mesh
    moved: np.ndarray
    visible: np.ndarray


class Draping(NamedTuple):
    """A garment on the body.

    Attributes:
        layers: Painted in this order: torso, then limbs.
        scale: Person pixels per garment pixel.
    """

    layers: tuple[Layer, ...]
    scale: float


def drape(
    mask: np.ndarray,
    garment_pose: Pose,
    person_pose: Pose,
    *,
    region: str,
    body: np.ndarray | None = None,
    place: Place | None = None,
    figure: np.ndarray | None = None,
    filled: bool | None = None,
) -> Draping:
    """Maps a garment onto a person by a similarity, a spline for the torso and bones for limbs.

    On a person who stands where the garment's wearer stood, spline and bones follow a joint only as
    far as it stands out from what joints are wrong by; elsewhere joints are all that is known.

    Args:
        mask: (h, w) bool, the garment; not empty.
        garment_pose: In pixels of the garment photo.
        person_pose: In pixels of the person photo.
        region: One of `parsing.REGIONS`.
        body: Silhouette of the person as `occlusion.body` returns it; with it the garment's
            shoulders and sides are brought out to the person's.
        place: Where the garment comes to lie; None follows the joints alone.
        figure: (h, w) bool, the garment with its mannequin, where that is known.
        filled: Whether arms and legs filled the garment in its photo; empty sleeves hang their own
            way. None where nothing but the joints in sight tells.

    Returns:
        The layers to paint.
    """
    framed = skinning.frame(mask, garment_pose)
    lines = skinning.sides(framed)
    aligned = placing.align(garment_pose, person_pose, region)
    place = place or Place(aligned, False)
    matrix, settled = place
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    cloth = mesh.cover(mask, CELLS)
    pairs = _joint_pairs(place, aligned, garment_pose, person_pose, region)
    if body is not None:
        laid = anchors.Placement(matrix, mask, garment_pose, body, person_pose, figure, settled)
        pairs += anchors.sides(laid)
        pairs += anchors.waist(laid) if region == "lower" else anchors.shoulders(laid)
    spline = _torso(matrix, pairs, _box(mask))
    torso = thin_plate.apply(spline, cloth.points)
    if region == "lower":
        limbs = skinning.trousers(framed, garment_pose)
    else:
        limbs = skinning.sleeves(framed, lines)
    shares = [_share(cloth.points, framed, limb, lines) for limb in limbs]
    bends = []
    for limb, share in zip(limbs, shares, strict=True):
        across = scale * anchors.widening(limb, mask, body, person_pose, scale)
        own = _in_sight(limb, garment_pose) if filled is None else filled
        onto = _posed(limb, place, garment_pose if own else None, person_pose)
        onto += thin_plate.apply(spline, limb.source[0]) - onto[0]
        bends.append(_bend(limb, share, cloth.points, onto, (scale, across)))
    trunk = torso.copy()
    for share, onto in zip(shares, bends, strict=True):
        trunk += (share.limb * share.joined)[:, None] * (onto - torso)
    visible = _partings(mask, framed, limbs, lines)
    layers = [Layer(cloth, trunk, visible[0])]
    for share, onto, shown in zip(shares, bends, visible[1:], strict=True):
        amount = 1 - (1 - share.limb) * share.joined
        layers.append(Layer(cloth, torso + amount[:, None] * (onto - torso), shown))
    return Draping(tuple(_trimmed(layer) for layer in layers), scale)


def _partings(
    mask: np.ndarray, framed: Frame, limbs: tuple[Limb, ...], lines: np.ndarray
) -> list[np.ndarray]:
    """Cuts the garment photo into torso and limbs: (h, w) float32 in [0, 1] each."""
    cell = skinning.pixel(framed)
    # A grid of one cell of the frame: coarser, the cut would miss where the torso's edge begins.
    step = max(1, round(1 / (cell * skinning.UNIT)))
    height, width = mask.shape
    xs, ys = np.arange(0, width + step, step), np.arange(0, height + step, step)
    grid = np.stack(np.meshgrid(xs, ys), -1)

    def enlarged(values: np.ndarray) -> np.ndarray:
        values = values.reshape(grid.shape[:2]).astype(np.float32)
        matrix = np.array([[step, 0, 0], [0, step, 0]], np.float64)
        border = cv2.BORDER_REPLICATE
        return cv2.warpAffine(values, matrix, (width, height), borderMode=border)

    torso, parts = np.ones(mask.shape, np.float32), []
    for limb in limbs:
        share = _share(grid.reshape(-1, 2).astype(np.float64), framed, limb, lines)
        # Where it hangs together the torso reaches under the limb, so that no seam opens.
        parted = enlarged(share.parted - OVERLAP * share.joined)
        torso = np.minimum(torso, 1 - _edge(parted, cell))
        parts.append(_edge(enlarged(share.beyond), cell))
    return [_without_slivers(part, mask, 1 / cell) for part in (torso, *parts)]


def _box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Returns left, top, right, bottom of a mask that is not empty."""
    box = masks.bounds(mask) or masks.Bounds(0, 0, *mask.shape)
    return box.left, box.top, box.right, box.bottom


def _joint_pairs(
    place: Place, aligned: np.ndarray, garment_pose: Pose, person_pose: Pose, region: str
) -> Pairs:
    """Pairs the torso's joints: where they are and where they should come to lie.

    Where a joint should lie is told by how it differs from the joints' own similarity `aligned`,
    as `place` may know better where the whole body is.
    """
    torso = max(float(np.hypot(*np.subtract(*skinning.spine(person_pose)))), 1e-6)
    pairs = []
    for name, pull in PULL.items():
        if region == "lower" and "Hip" not in name:
            continue
        source = skinning.point(garment_pose, name)
        away = skinning.point(person_pose, name) - skinning.transform(aligned, source)
        if place.settled:
            away = away * skinning.smoothstep(np.hypot(*away) / torso, *JOINT_NOISE)
        pairs.append((source, skinning.transform(place.matrix, source) + pull * away))
    return pairs


def _torso(matrix: np.ndarray, pairs: Pairs, box: tuple[float, ...]) -> thin_plate.Spline:
    """The similarity, bent so that the pairs meet."""
    # The box's corners follow the similarity, so that the spline stays tame far from the joints.
    left, top, right, bottom = box
    corners = np.array([(left, top), (right, top), (left, bottom), (right, bottom)], np.float64)
    source, target = (np.stack(places) for places in zip(*pairs, strict=True))
    # Beside a pair, as at a waistband's end, a corner would pull the cloth back.
    beside = np.hypot(*(corners[:, None] - source).transpose(2, 0, 1)).min(1)
    corners = corners[beside > BESIDE * np.hypot(right - left, bottom - top)]
    anchored = np.concatenate([target, skinning.transform(matrix, corners)])
    return thin_plate.unfolded(np.concatenate([source, corners]), anchored, box)


def _in_sight(limb: Limb, pose: Pose) -> bool:
    """Whether the wearer has that limb: where it has none, the cloth hangs its own way."""
    return any(pose.keypoints[name].confidence >= 1 for name in limb.names[1:])


def _posed(limb: Limb, place: Place, wearer: Pose | None, person: Pose) -> np.ndarray:
    """Turns and stretches the limb's cloth as the wearer's bones turn into the person's.

    Args:
        limb: As the cloth lies.
        place: Where the whole garment comes to lie.
        wearer: In the garment photo; None where it has no such limb: then the cloth's own axis
            turns into the person's bones.
        person: In the person photo.

    Returns:
        (3, 2) float64, the limb's axis in the person photo; where it begins is not settled.
    """
    cloth = limb.source
    bones = cloth if wearer is None else np.stack([skinning.point(wearer, n) for n in limb.names])
    wanted = np.stack([skinning.point(person, name) for name in limb.names])
    before, after = (np.diff(points, axis=0) @ (1, 1j) for points in (bones, wanted))
    placed = complex(place.matrix[0, 0], place.matrix[1, 0])
    change = after / np.where(np.abs(before) > 1e-6, before * placed, 1e-6)
    turn, length = np.angle(change), np.log(np.maximum(np.abs(change), 1e-6))
    if place.settled and wearer is not None:
        turn = turn * skinning.smoothstep(np.abs(turn), *TURN_NOISE)
        length = length * skinning.smoothstep(np.abs(length), *LENGTH_NOISE)
    moved = np.diff(cloth, axis=0) @ (1, 1j) * placed * np.exp(length + 1j * turn)
    ends = np.cumsum(np.concatenate([[0], moved]))
    return np.stack([np.real(ends), np.imag(ends)], 1)


def _share(points: np.ndarray, framed: Frame, limb: Limb, lines: np.ndarray) -> Share:
    if limb.names in skinning.LEGS:
        return _leg(points, framed, limb)
    return _sleeve(points, framed, limb, lines)


def _sleeve(points: np.ndarray, framed: Frame, limb: Limb, lines: np.ndarray) -> Share:
    cells = skinning.transform(framed.matrix, points)
    root, middle, end = skinning.transform(framed.matrix, limb.source)
    side = np.sign(root[0] - skinning.FRAME_NECK[0])
    bones = np.stack([root, middle, end])
    near = skinning.from_bones(cells, bones)
    # Beyond the armhole: outside of the torso's side, and nearer to the arm than to it.
    torso = skinning.outside(cells, lines)
    torso = np.where((cells[:, 0] - skinning.FRAME_NECK[0]) * side > 0, torso, -skinning.UNIT)
    split = np.maximum(torso, 0) / np.maximum(np.maximum(torso, 0) + near, 1e-6)
    reach = (cells - root) @ skinning.unit(middle - root) / skinning.UNIT
    arm = skinning.smoothstep(split, *SPLIT) * skinning.smoothstep(reach, -0.02, BEND)
    depth = (cells[:, 1] - skinning.FRAME_NECK[1]) / skinning.UNIT
    joined = 1 - skinning.smoothstep(depth, *ARMPIT)
    # Cloth just inside of the sleeve is the fold under an empty arm, which a raised arm pulls
    # straight: neither sleeve nor torso shows it. Cloth far from the arm is a flared hem.
    outer = skinning.outer_side(cells, bones)
    fold = np.where(outer, skinning.UNIT, SPARE * limb.width * (1 + 2 * joined) - near)
    parted = np.minimum(torso, FLARED * skinning.UNIT - near) / skinning.UNIT
    beyond = np.minimum(parted, fold / skinning.UNIT)
    return Share(arm, _lower(cells, root, middle, end), beyond, parted, joined)


def _leg(points: np.ndarray, framed: Frame, limb: Limb) -> Share:
    cells = skinning.transform(framed.matrix, points)
    root, middle, end = skinning.transform(framed.matrix, limb.source)
    side = np.sign(root[0] - skinning.FRAME_NECK[0])
    lateral = (cells[:, 0] - skinning.FRAME_NECK[0]) * side / skinning.UNIT
    reach = (cells[:, 1] - root[1]) / skinning.UNIT
    leg = skinning.smoothstep(lateral, -0.03, 0.03) * skinning.smoothstep(reach, 0.1, 0.45)
    beyond = np.minimum(lateral, reach - 0.2)
    return Share(leg, _lower(cells, root, middle, end), beyond, beyond, np.ones(len(points)))


def _lower(cells, root, middle, end) -> np.ndarray:
    """Divides a limb between its two bones, softly across the joint: the far bone's share."""
    bisector = skinning.unit(skinning.unit(middle - root) + skinning.unit(end - middle))
    return skinning.smoothstep((cells - middle) @ bisector / skinning.UNIT, -0.12, 0.12)


def _bend(
    limb: Limb, share: Share, points: np.ndarray, target: np.ndarray, scales: tuple[float, float]
) -> np.ndarray:
    """Moves all points with the limb's two bones; `scales` are of garment and of its width."""
    upper, lower = (
        skinning.transform(skinning.bone(limb.source[part], target[part], *scales), points)
        for part in (slice(0, 2), slice(1, 3))
    )
    return upper + share.lower[:, None] * (lower - upper)


def _edge(cut: np.ndarray, step: float) -> np.ndarray:
    """An antialiased edge where `cut` passes 0, for pixels of `step` torso lengths."""
    return np.clip(cut / (2 * step) + 0.5, 0, 1).astype(np.float32)


def _without_slivers(visible: np.ndarray, mask: np.ndarray, torso_px: float) -> np.ndarray:
    """Hides shreds that a cut left, which a moved limb would carry into the open."""
    shown, cut = (visible > 0.5) & mask, (visible <= 0.5) & mask
    if not cut.any():
        return visible
    # Discs grow slow with their radius, and shreds are found in a small copy as well.
    factor = min(1.0, REDUCED_TORSO_PX / torso_px)
    radius = max(1, round(SLIVER * torso_px * factor))
    size = tuple(max(1, round(length * factor)) for length in mask.shape[::-1])
    small, small_cut = (
        cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
        for part in (shown, cut)
    )
    solid = masks.grow(masks.shrink(small, radius), radius + 2)
    # Only at the cut: straps and cuffs elsewhere are thin by right.
    shred = (~solid & masks.grow(small_cut, 3 * radius)).astype(np.float32)
    shred = cv2.resize(shred, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return (visible * (1 - shred)).astype(np.float32)


def _trimmed(layer: Layer) -> Layer:
    """Drops the triangles of which nothing shows."""
    corners = layer.mesh.points[layer.mesh.triangles]
    height, width = layer.visible.shape
    # Coarse summary: a triangle is needed where anything in its box's reach is visible.
    integral = cv2.integral(layer.visible)
    low = np.clip(np.floor(corners.min(1)) - 1, 0, (width, height)).astype(int)
    high = np.clip(np.ceil(corners.max(1)) + 2, 0, (width, height)).astype(int)
    total = integral[high[:, 1], high[:, 0]] + integral[low[:, 1], low[:, 0]]
    total -= integral[low[:, 1], high[:, 0]] + integral[high[:, 1], low[:, 0]]
    kept = layer.mesh.triangles[total > 1e-3]
    return layer._replace(mesh=Mesh(layer.mesh.points, kept))
