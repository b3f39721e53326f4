"""Pictures of stroke documents and poses: scribble and OpenPose maps, previews, masks.

Strokes that correct a parsing are no hints at a body: only `stroke_mask` draws them.
"""

import colorsys
from collections.abc import Iterator

import cv2
import numpy as np

from . import masks
from .pose import NAMES, Pose
from .strokes import CORRECTIONS, Stroke, StrokeDocument

MIN_RADIUS_PX = 0.75  # thinner lines vanish when a ControlNet downsamples
_SHIFT = 4  # OpenCV draws at a sixteenth of a pixel
_RIM = 1.6  # width of the dark rim around preview strokes, over the stroke's own

# Joints that OpenPose joins, in its order; each limb and joint has its own hue.
LIMBS = (
    ("Neck", "RShoulder"),
    ("Neck", "LShoulder"),
    ("RShoulder", "RElbow"),
    ("RElbow", "RWrist"),
    ("LShoulder", "LElbow"),
    ("LElbow", "LWrist"),
    ("Neck", "RHip"),
    ("RHip", "RKnee"),
    ("RKnee", "RAnkle"),
    ("Neck", "LHip"),
    ("LHip", "LKnee"),
    ("LKnee", "LAnkle"),
    ("Neck", "Nose"),
    ("Nose", "REye"),
    ("REye", "REar"),
    ("Nose", "LEye"),
    ("LEye", "LEar"),
)
LIMB_DIMMING = 0.6  # OpenPose draws limbs at 0.6 of the joints' brightness


def render(document: StrokeDocument, size: tuple[int, int]) -> np.ndarray:
    """Draws white strokes on black, as scribble ControlNets expect.

    Args:
        size: Height and width of the picture; the document is scaled to it.

    Returns:
        (H, W, 3) uint8, antialiased.
    """
    canvas = np.zeros(size, np.uint8)
    for stroke, points, radii in _scaled(document, size):
        _line(canvas, points, radii, stroke.closed)
    return np.repeat(canvas[..., None], 3, axis=2)


def draw_on(image: np.ndarray, document: StrokeDocument) -> np.ndarray:
    """Draws the strokes in their colours, dark-rimmed, on a copy of an (H, W, 3) uint8 sRGB."""
    drawn = image.astype(np.float32)
    for stroke, points, radii in _scaled(document, image.shape[:2]):
        for widening, color in ((_RIM, (20, 20, 20)), (1.0, _rgb(stroke.color))):
            coverage = np.zeros(image.shape[:2], np.uint8)
            _line(coverage, points, radii * widening, stroke.closed)
            box = masks.bounds(coverage > 0)
            if box is not None:
                part = np.s_[box.top : box.bottom, box.left : box.right]
                alpha = coverage[part][..., None] / np.float32(255)
                drawn[part] += alpha * (np.array(color, np.float32) - drawn[part])
    return np.rint(drawn).astype(np.uint8)


def mask(document: StrokeDocument, size: tuple[int, int], *, grow_px: int = 0) -> np.ndarray:
    """Selects what the strokes cover; closed strokes count with their inside.

    Args:
        size: Height and width of the mask; the document is scaled to it.
        grow_px: Grown by this much.

    Returns:
        (H, W) bool.
    """
    canvas = np.zeros(size, np.uint8)
    for stroke, points, radii in _scaled(document, size):
        _area(canvas, stroke, points, radii)
    return masks.grow(canvas > 127, grow_px)


def stroke_mask(document: StrokeDocument, index: int, size: tuple[int, int]) -> np.ndarray:
    """Selects what one stroke of any role covers, as (H, W) bool; see `mask`."""
    canvas = np.zeros(size, np.uint8)
    stroke = document.strokes[index]
    _area(canvas, stroke, *_scale(stroke, document, size))
    return canvas > 127


def skeleton(pose: Pose, size: tuple[int, int]) -> np.ndarray:
    """Draws the pose as OpenPose does: limbs in eighteen hues on black, as ControlNets expect.

    Args:
        size: Height and width of the picture; the pose is scaled to it.

    Returns:
        (H, W, 3) uint8.

    Reference:
        Cao et al., OpenPose: Realtime Multi-Person 2D Pose Estimation using Part Affinity
        Fields, TPAMI 2021.
    """
    height, width = size
    stretch = np.array([width / pose.width, height / pose.height])
    at = {n: np.array([k.x, k.y]) * stretch for n, k in pose.keypoints.items()}
    thickness = max(2, round(max(size) / 128))  # 4 pixels at 512, OpenPose's usual picture
    canvas = np.zeros((height, width, 3), np.uint8)
    for index, (a, b) in enumerate(LIMBS):
        color = tuple(LIMB_DIMMING * c for c in _hue(index))
        cv2.line(canvas, _pixel(at[a]), _pixel(at[b]), color, 2 * thickness, cv2.LINE_AA)
    for index, joint in enumerate(at[name] for name in NAMES):
        cv2.circle(canvas, _pixel(joint), thickness, _hue(index), -1, cv2.LINE_AA)
    return canvas


def _hue(index: int) -> tuple[float, float, float]:
    """OpenPose's eighteen colours: the hue circle in steps of 20 degrees."""
    red, green, blue = colorsys.hsv_to_rgb(index / 18, 1, 1)
    return 255 * red, 255 * green, 255 * blue


def _pixel(point: np.ndarray) -> tuple[int, int]:
    x, y = np.clip(np.rint(point), -30_000, 30_000)
    return int(x), int(y)


def _scaled(
    document: StrokeDocument, size: tuple[int, int]
) -> Iterator[tuple[Stroke, np.ndarray, np.ndarray]]:
    """Each hint with its (N, 2) points and (N,) radii in pixels of a picture of that size."""
    for stroke in document.strokes:
        if stroke.role not in CORRECTIONS:
            yield stroke, *_scale(stroke, document, size)


def _scale(
    stroke: Stroke, document: StrokeDocument, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    stretch = np.array([size[1] / document.width, size[0] / document.height])
    rows = np.array(stroke.points, np.float64).reshape(-1, 3)
    radii = stroke.radius_px * rows[:, 2] * np.sqrt(stretch.prod())
    return rows[:, :2] * stretch, np.maximum(radii, MIN_RADIUS_PX)


def _area(canvas: np.ndarray, stroke: Stroke, points: np.ndarray, radii: np.ndarray) -> None:
    """Draws a line, and the inside of a closed one, into a canvas that the caller made."""
    _line(canvas, points, radii, stroke.closed)
    if stroke.closed and len(points) > 2:
        cv2.fillPoly(canvas, [_fixed(points)], 255, cv2.LINE_8, _SHIFT)


def _line(canvas: np.ndarray, points: np.ndarray, radii: np.ndarray, closed: bool) -> None:
    """Draws a line of changing width into a single-channel canvas that the caller made."""
    for point, radius in zip(_fixed(points), radii, strict=True):
        fixed = max(1, round(radius * 2**_SHIFT))
        cv2.circle(canvas, (int(point[0]), int(point[1])), fixed, 255, -1, cv2.LINE_AA, _SHIFT)
    following = np.roll(np.arange(len(points)), -1)
    for a, b in zip(range(len(points) if closed else len(points) - 1), following, strict=False):
        step = points[b] - points[a]
        length = float(np.hypot(*step))
        if length > 1e-6:
            normal = np.array([-step[1], step[0]]) / length
            corners = [
                points[a] + normal * radii[a],
                points[b] + normal * radii[b],
                points[b] - normal * radii[b],
                points[a] - normal * radii[a],
            ]
            cv2.fillConvexPoly(canvas, _fixed(np.array(corners)), 255, cv2.LINE_AA, _SHIFT)


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(points * 2**_SHIFT).astype(np.int32)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
