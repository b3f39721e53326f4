"""Garment parts that follow limbs: sleeve axes, trouser legs, and blending between their bones."""

from typing import NamedTuple

import cv2
import numpy as np

from ..pose import Keypoint, Pose
from . import thin_plate

# Torso length (neck to middle of the hips) in the working frame, in cells: masks are read there.
UNIT = 100
FRAME_HEIGHT, FRAME_WIDTH = 620, 560
FRAME_NECK = (280, 150)

# Of half the shoulders: the widest boxy torso. What is wider has sleeves hanging on it.
WIDEST = 1.4

# Torso lengths that a sleeve reaches past its bone, the radius of a slim arm; an armhole does not.
LEAST_SLEEVE = 0.08

ARMS = (("RShoulder", "RElbow", "RWrist"), ("LShoulder", "LElbow", "LWrist"))
LEGS = (("RHip", "RKnee", "RAnkle"), ("LHip", "LKnee", "LAnkle"))


class Frame(NamedTuple):
    """A garment mask and its joints in the body's own frame: neck fixed, spine straight down.

    Attributes:
        mask: (FRAME_HEIGHT, FRAME_WIDTH) bool.
        joints: Keypoint name to (2,) float64 in cells.
        matrix: (2, 3) float64, photo to frame.
    """

    mask: np.ndarray
    joints: dict[str, np.ndarray]
    matrix: np.ndarray


class Limb(NamedTuple):
    """One sleeve or trouser leg in the photo.

    Attributes:
        source: (3, 2) float64, root, middle and end joint as the cloth lies, in garment pixels.
        names: The three keypoints that it follows.
        width: Half of the cloth's width, in cells; measured on the side away from the torso.
    """

    source: np.ndarray
    names: tuple[str, str, str]
    width: float


def spine(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Returns the neck and the middle of the hips, each (2,) float64 in pixels."""
    return point(pose, "Neck"), (point(pose, "RHip") + point(pose, "LHip")) / 2


def point(pose: Pose, name: str) -> np.ndarray:
    """Returns a keypoint's position as (2,) float64 in pixels."""
    return np.array(pose.keypoints[name][:2], np.float64)


def frame(mask: np.ndarray, pose: Pose) -> Frame:
    """Brings a garment's mask and joints into the body's frame."""
    neck, hip = spine(pose)
    target = np.array([FRAME_NECK, (FRAME_NECK[0], FRAME_NECK[1] + UNIT)], np.float64)
    matrix = thin_plate.similarity(np.stack([neck, hip]), target, np.ones(2))
    size = (FRAME_WIDTH, FRAME_HEIGHT)
    low = cv2.warpAffine(mask.astype(np.uint8) * 255, matrix, size, flags=cv2.INTER_LINEAR)
    joints = {name: transform(matrix, point(pose, name)) for name in pose.keypoints}
    return Frame(low > 127, joints, matrix)


def pixel(framed: Frame) -> float:
    """Returns the size of a photo's pixel in torso lengths."""
    return float(np.hypot(framed.matrix[0, 0], framed.matrix[1, 0])) / UNIT


def transform(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Maps (..., 2) points by a (2, 3) affine matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def sides(framed: Frame) -> np.ndarray:
    """Finds the line that parts each sleeve from the torso.

    Where light shows between them the line follows the torso's edge; above, it runs from the
    shoulder straight down to the gap. A sleeve that hangs on the torso shows no gap: there the
    torso's width is taken from its narrow rows.

    Returns:
        (2, FRAME_HEIGHT) float64, for the photo's left and right the line's distance from the
        spine in cells.
    """
    column = FRAME_NECK[0]
    halves = (framed.mask[:, column::-1], framed.mask[:, column:])
    on_right = framed.joints["RShoulder"][0] > framed.joints["LShoulder"][0]
    arms = ARMS[::-1] if on_right else ARMS
    return np.stack([_side(half, framed, arm) for half, arm in zip(halves, arms, strict=True)])


def _side(half: np.ndarray, framed: Frame, arm: tuple[str, str, str]) -> np.ndarray:
    """The line on one side; `half` begins at the spine and runs outward."""
    shoulder, neck = _half_shoulder(framed), FRAME_NECK[1]
    joints = np.stack([framed.joints[name] for name in arm])
    reach = np.interp(range(FRAME_HEIGHT), joints[:, 1], np.abs(joints[:, 0] - FRAME_NECK[0]))
    gaps: dict[int, float] = {}
    for row in range(neck + int(0.3 * UNIT), neck + int(1.7 * UNIT)):
        edges = np.flatnonzero(np.diff(half[row].astype(np.int8))) + 1
        if not half[row, 0] or not len(edges) or edges[0] < 0.4 * shoulder:
            continue
        if len(edges) > 1 and edges[1] - edges[0] > 1:
            gaps[row] = float(edges[0])
        elif edges[0] < min(0.8 * reach[row], WIDEST * shoulder):
            gaps[row] = float(edges[0])
    depth = np.arange(FRAME_HEIGHT) - neck
    known = [row for row in gaps if all(row + step in gaps for step in range(4))]
    if not known:
        widths = half[neck + UNIT // 2 : neck + UNIT].argmin(1)
        width = float(np.clip(np.percentile(widths, 20), 0.7 * shoulder, WIDEST * shoulder))
        return np.interp(depth, (0, 0.6 * UNIT), (shoulder, width))
    armpit = 0.3 * UNIT
    line = np.interp(
        depth,
        [0.0, *(row - neck for row in known if row - neck > armpit)],
        [shoulder, *(gaps[row] for row in known if row - neck > armpit)],
    )
    # Off the torso's soft edge where there is room; below the sleeve's end a hem may flare.
    room = np.clip(0.5 * (depth - (known[0] + 3 - neck)), 0, 3)
    return line + room + np.maximum(depth - (known[-1] - neck), 0)


def outside(points: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Says how far (..., 2) frame points lie outside of the lines of `sides`, in cells."""
    depth = np.arange(FRAME_HEIGHT)
    lateral = points[..., 0] - FRAME_NECK[0]
    left, right = (np.interp(points[..., 1], depth, line) for line in lines)
    return np.abs(lateral) - np.where(lateral < 0, left, right)


def sleeves(framed: Frame, lines: np.ndarray) -> tuple[Limb, ...]:
    """Finds where each sleeve's cloth lies, which on forms without arms is not where arms are."""
    cells = np.argwhere(framed.mask)[:, ::-1].astype(np.float64)
    cells = cells[outside(cells, lines) > 0]
    inverse = cv2.invertAffineTransform(framed.matrix)
    found = []
    for names in ARMS:
        root, middle, end = (framed.joints[name] for name in names)
        side = np.sign(root[0] - FRAME_NECK[0])
        own = cells[(cells[:, 0] - FRAME_NECK[0]) * side > 0]
        cloth_middle = _along(own, root, middle - root, 0.35)
        turn = _angle(cloth_middle - root) - _angle(middle - root)
        # An empty sleeve turns as a whole, so the forearm is looked for where that leads.
        cloth_end = _along(own, cloth_middle, _rotated(end - middle, turn), 0.35)
        bones = np.stack([root, cloth_middle, cloth_end])
        width = _half_width(own, bones)
        if width >= LEAST_SLEEVE * UNIT and _covers(own, root + 0.4 * (cloth_middle - root)):
            found.append(Limb(transform(inverse, bones), names, min(width, 0.4 * UNIT)))
    return tuple(found)


def from_bones(cells: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """Returns the distance of (N, 2) cells to a limb, which runs on past its end as hands do."""
    root, middle, end = bones
    far = end + 0.6 * (end - middle)
    return np.minimum(distance(cells, root, middle), distance(cells, middle, far))


def outer_side(cells: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """Selects the (N, 2) cells on a limb's side away from the torso, which is also the upper."""
    root, middle, end = bones
    outward = np.array([np.sign(root[0] - FRAME_NECK[0]), -1.0])
    upper = distance(cells, root, middle) <= distance(cells, middle, end)
    sides = []
    for start, stop in ((root, middle), (middle, end)):
        normal = np.array([stop[1] - start[1], start[0] - stop[0]])
        sides.append((cells - start) @ (normal * np.sign(normal @ outward)) > 0)
    return np.where(upper, *sides)


def _half_width(cells: np.ndarray, bones: np.ndarray) -> float:
    root, middle, _ = bones
    outer = cells[outer_side(cells, bones) & ((cells - root) @ (middle - root) > 0)]
    return float(np.percentile(from_bones(outer, bones), 97)) if len(outer) else 0.0


def _covers(cells: np.ndarray, place: np.ndarray) -> bool:
    return bool(len(cells)) and float(np.hypot(*(cells - place).T).min()) < 0.05 * UNIT


def trousers(framed: Frame, pose: Pose) -> tuple[Limb, ...]:
    """Finds trouser legs; empty for a skirt."""
    hip = FRAME_NECK[1] + UNIT
    knee = (framed.joints["RKnee"][1] + framed.joints["LKnee"][1]) / 2
    rows = np.linspace(hip + 0.5 * (knee - hip), knee + 0.5 * (knee - hip), 9).astype(int)
    apart = 0
    for row in rows[(rows > 0) & (rows < FRAME_HEIGHT)]:
        runs = np.diff(np.concatenate([[0], framed.mask[row].astype(np.int8), [0]]))
        apart += int((runs == 1).sum() >= 2)
    if apart < 2:
        return ()
    return tuple(
        Limb(np.stack([point(pose, name) for name in names]), names, 0.4 * UNIT) for names in LEGS
    )


def bone(source: np.ndarray, target: np.ndarray, scale: float, across: float) -> np.ndarray:
    """Maps one bone onto another: stretched along it, scaled across.

    Args:
        source, target: (2, 2) float64, start and end.
        scale: Of garment to person, which bounds the stretch.
        across: Scale across the bone; with `scale` a sleeve keeps its width beside the torso.

    Returns:
        (2, 3) float64 affine matrix.
    """
    along, onto = source[1] - source[0], target[1] - target[0]
    length = max(float(np.hypot(*along)), 1e-6)
    # Foreshortened arms shrink sleeves; beyond these bounds a joint is wrong rather than near.
    stretch = np.clip(np.hypot(*onto) / length, 0.5 * scale, 2 * scale)
    linear = _turn(_angle(onto)) @ np.diag([stretch, across]) @ _turn(-_angle(along))
    return np.column_stack([linear, target[0] - linear @ source[0]])


def smoothstep(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rises from 0 at `low` to 1 at `high` with level ends."""
    share = np.clip((values - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def unit(vector: np.ndarray) -> np.ndarray:
    """Returns a vector's direction; zero stays zero."""
    return vector / max(float(np.hypot(*vector)), 1e-9)


def distance(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Returns the distance of (N, 2) points to a segment."""
    along = end - start
    share = np.clip((points - start) @ along / max(along @ along, 1e-9), 0, 1)
    return np.hypot(*(points - start - share[:, None] * along).T)


def _along(cells: np.ndarray, root: np.ndarray, direction: np.ndarray, tolerance: float):
    """Turns a bone to the middle of the cloth around its end, or nearer where the cloth is short.

    `tolerance` is in radians: how far the cloth may lie from where the arm would be.
    """
    length = max(float(np.hypot(*direction)), 1e-6)
    offset = cells - root
    reach = np.hypot(*offset.T)
    angles = np.angle(np.exp(1j * (np.arctan2(offset[:, 1], offset[:, 0]) - _angle(direction))))
    near = np.abs(angles) < 2 * tolerance
    for low, high in ((0.85, 1.15), (0.6, 0.95), (0.35, 0.7)):
        ring = near & (reach > low * length) & (reach < high * length)
        if ring.sum() >= 0.05 * length:
            # The middle of the extent: a mean would lean to where the cloth is thick.
            low_angle, high_angle = np.percentile(angles[ring], (5, 95))
            turn = np.clip((low_angle + high_angle) / 2, -tolerance, tolerance)
            return root + _rotated(direction, float(turn))
    return root + direction


def _half_shoulder(framed: Frame) -> float:
    spread = abs(framed.joints["RShoulder"][0] - framed.joints["LShoulder"][0]) / 2
    # Turned bodies show their shoulders foreshortened; 0.25 torso is a quarter turn's depth.
    return float(max(spread, 0.25 * UNIT))


def _angle(vector: np.ndarray) -> float:
    return float(np.arctan2(vector[1], vector[0]))


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _rotated(vector: np.ndarray, angle: float) -> np.ndarray:
    return _turn(angle) @ vector


def mirrored(pose: Pose) -> Pose:
    """Swaps left and right names: how a back view's joints lie beside a front view's."""
    swap = {"R": "L", "L": "R"}
    named: dict[str, Keypoint] = {}
    for name, keypoint in pose.keypoints.items():
        paired = name[0] in swap and name[1].isupper()
        named[swap[name[0]] + name[1:] if paired else name] = keypoint
    return pose._replace(keypoints=named)
