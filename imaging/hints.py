"""Proposes the strokes a merchant would draw: the body parts that a mannequin photo lacks."""

import cv2
import numpy as np

from . import masks, strokes
from .anatomy import outline, sleeves
from .anatomy import proportions as p
from .parsing import Parsing
from .pose import Pose
from .strokes import Stroke, StrokeDocument

PRESENT = 0.55  # share of a part, outside the garment, that the mannequin must show
NEARBY = 0.35  # the same of a hand or foot, counting mannequin up to REACH away
TRACE = 0.10  # the same where this kind of mannequin has hands or feet
REACH = 0.035  # statures by which a located hand or foot may miss the real one
SHOWN = 0.06  # share of a part that must stick out of the garment to be worth a stroke
TRUNK_SHOWN = 0.3  # of the trunk; less is the gap between the legs
WIDE = 0.75  # share of an arm's width that must be bare somewhere; less lies beside a sleeve
WHOLE = 0.95  # share of a part that is drawn as if nothing covered it
SLIVER = 0.009  # statures; what is thinner than twice this is the outline's error, not a limb
TRUNK_SLIVER = 0.03  # the same of the trunk: between holes of a garment's mask no trunk shows
CANVAS_PX = 640  # the photo's longer side while parts are cut at the garment
RADIUS = 0.0045  # half a stroke's width in statures: a felt pen on a printed photo
MIN_RADIUS_PX = 1.2
SPACING = 0.012  # statures between points
FIRM, LIGHT = 1.0, 0.55  # pressure in a stroke's middle and at its ends

_HAVING = {
    "hand": ("full", "headless", "person"),
    "foot": ("full", "headless", "armless", "legs", "person"),
}
_OUTLINED = (
    "torso",
    "neck",
    "leg_left",
    "leg_right",
    "foot_left",
    "foot_right",
    "arm_left",
    "arm_right",
    "hand_left",
    "hand_right",
)


def propose(
    parsing: Parsing, pose: Pose, *, all_parts: bool = False, photo: str = ""
) -> StrokeDocument:
    """Draws the body parts that are missing in the photo.

    Args:
        parsing: What the photo shows; its garment stays free of strokes.
        pose: The complete body, see `body.locate`.
        all_parts: Draws every part, also where the mannequin or the garment shows.
        photo: `strokes.fingerprint` of the photo.

    Returns:
        Closed outlines by role, then the shoulder line, face and hair, in photo pixels.

    Raises:
        ValueError: pose and parsing are of different sizes.
    """
    if (pose.height, pose.width) != parsing.size:
        raise ValueError(
            "pose must be of the parsed photo, "
            f"{parsing.size[0]}x{parsing.size[1]}, got {pose.height}x{pose.width}. "
            "Locate the body in the same parsing."
        )
    pose = sleeves.follow(parsing, pose)
    f = outline.frame(pose)
    stage = _Stage(parsing, all_parts, f.stature)
    shapes = outline.parts(pose)
    drawn = [s for role in _OUTLINED for s in _outlined(stage, role, shapes, f)]
    drawn += _shoulders(stage, pose, f)
    if stage.lacks(shapes["head"]):
        drawn += _head(shapes["head"], f)
    height, width = parsing.size
    inside = tuple(s for s in drawn if _reaches(s, height, width))
    return StrokeDocument(width, height, photo, inside)


class _Stage:
    """The photo with room around it, on which parts are cut out; immutable once made."""

    def __init__(self, parsing: Parsing, all_parts: bool, stature: float) -> None:
        height, width = parsing.size
        self.scale = CANVAS_PX / max(height, width)
        size = max(1, round(width * self.scale)), max(1, round(height * self.scale))
        self.pad = CANVAS_PX // 2
        self.stature = stature * self.scale
        self.all_parts = all_parts
        self.kind = parsing.kind
        self.garment = self._wide(parsing.garment, size)
        self.mannequin = self._wide(parsing.mannequin, size)
        self.photo = self._wide(np.ones(parsing.size, bool), size)

    def _wide(self, mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return np.pad(small > 0, self.pad)

    def fill(self, polygon: np.ndarray) -> np.ndarray:
        """(H, W) bool of the padded stage."""
        canvas = np.zeros(self.garment.shape, np.uint8)
        placed = np.rint((polygon + 0.5) * self.scale - 0.5 + self.pad)
        cv2.fillPoly(canvas, [placed.astype(np.int32)], 1)
        return canvas > 0

    def free(self, polygon: np.ndarray, thin: float = SLIVER) -> np.ndarray:
        """The part of a polygon that no garment covers, without slivers along its edge."""
        area = self.fill(polygon)
        if self.all_parts:
            return area
        radius = max(1, round(thin * self.stature))
        bare = masks.shrink(area & ~self.garment, radius)
        return masks.grow(bare, radius) & area

    def lacks(self, polygon: np.ndarray, tip: str = "") -> bool:
        """Whether a part sticks out of the garment and the mannequin does not show it.

        A tip is a "hand" or "foot": small, and seldom exactly where it was located.
        """
        if self.all_parts:
            return True
        whole, area = self.fill(polygon), self.free(polygon)
        seen = area & self.photo
        if area.sum() < SHOWN * max(whole.sum(), 1) or not seen.any():
            return False
        near = masks.grow(seen, round(REACH * self.stature) if tip else 0) & self.mannequin
        expected = TRACE if self.kind in _HAVING.get(tip, ()) else NEARBY
        return bool(near.sum() < (expected if tip else PRESENT) * seen.sum())

    def back(self, points: np.ndarray) -> np.ndarray:
        """Stage pixels to photo pixels."""
        return (points - self.pad + 0.5) / self.scale - 0.5


def _outlined(
    stage: _Stage, role: str, shapes: dict[str, np.ndarray], f: outline.Frame
) -> list[Stroke]:
    """The outline of what of a part lies outside the garment."""
    polygon = shapes[role]
    if stage.all_parts:
        return [_closed(role, polygon, f)]
    tip = role[:4] if role[:4] in _HAVING else ""
    if not stage.lacks(polygon, tip) or _paired(stage, role, shapes):
        return []
    area = stage.free(polygon, TRUNK_SLIVER if role == "torso" else SLIVER)
    if role == "neck":
        area &= ~stage.fill(shapes["head"])
    area = _farthest(area, stage, role, shapes)
    if role.startswith("arm") and not _wide(area, stage.fill(polygon)):
        return []
    whole = stage.fill(polygon).sum()
    if area.sum() < (TRUNK_SHOWN if role == "torso" else SHOWN) * whole:
        return []
    if area.sum() > WHOLE * whole:
        return [_closed(role, polygon, f)]
    contours, _ = cv2.findContours(area.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=len)[:, 0].astype(np.float64)
    return [_closed(role, stage.back(_smooth(contour)), f)]


def _paired(stage: _Stage, role: str, shapes: dict[str, np.ndarray]) -> bool:
    """Whether the mannequin has hands, as its other one shows, and this one is only hidden."""
    if not role.startswith("hand") or stage.kind not in _HAVING["hand"]:
        return False
    other = shapes["hand_right" if role == "hand_left" else "hand_left"]
    return not stage.lacks(other, "hand") and bool((stage.fill(other) & stage.mannequin).any())


def _wide(area: np.ndarray, whole: np.ndarray) -> bool:
    """Whether a limb is bare over its width somewhere, and not only along a sleeve's edge."""
    bare, full = (
        cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, 5) for part in (area, whole)
    )
    middle = area & (full > 0.5 * full.max())  # Rounded ends are narrow, covered or not.
    return bool(middle.any() and (bare[middle] / full[middle]).max() > WIDE)


def _farthest(
    area: np.ndarray, stage: _Stage, role: str, shapes: dict[str, np.ndarray]
) -> np.ndarray:
    """The piece of a limb that carries the hand or foot; elsewhere the largest piece."""
    tip = role.replace("arm", "hand").replace("leg", "foot")
    count, pieces = cv2.connectedComponents(area.astype(np.uint8))
    if tip == role or count < 3:
        return masks.largest(area)
    away = cv2.distanceTransform((~stage.fill(shapes[tip])).astype(np.uint8), cv2.DIST_L2, 5)
    return pieces == 1 + int(np.argmin([away[pieces == i].min() for i in range(1, count)]))


def _smooth(contour: np.ndarray) -> np.ndarray:
    """Takes the stairs of pixels out of a closed contour."""
    reach = max(1, min(len(contour) // 12, 4))
    weights = np.hanning(2 * reach + 3)[1:-1]
    padded = np.concatenate([contour[-reach:], contour, contour[:reach]])
    kernel = weights / weights.sum()
    return np.stack([np.convolve(padded[:, i], kernel, "valid") for i in (0, 1)], -1)


def _shoulders(stage: _Stage, pose: Pose, f: outline.Frame) -> list[Stroke]:
    """The line from shoulder to shoulder over the neck's root, where it is bare."""
    ends = [np.array(pose.keypoints[n][:2]) for n in ("RShoulder", "LShoulder")]
    first, last = sorted(ends, key=lambda e: float(e[0]))
    neck = np.array(pose.keypoints["Neck"][:2])
    root = 0.034 * f.stature
    raised = 0.030 * f.stature * f.up
    line = np.array(
        [
            first + raised * 0.9 + [-0.022 * f.stature, 0.012 * f.stature],
            first + raised,
            neck + raised * 1.5 - [root, 0],
            neck + raised * 1.5 + [root, 0],
            last + raised,
            last + raised * 0.9 + [0.022 * f.stature, 0.012 * f.stature],
        ]
    )
    band = outline.limb([first, neck, last], np.full(3, 0.03) * f.stature)
    return [_open("shoulders", line, f)] if stage.lacks(band) else []


def _head(polygon: np.ndarray, f: outline.Frame) -> list[Stroke]:
    found = [_closed("head", polygon, f)]
    if f.facing > 0:
        found += _face(f)
    return [*found, _hair(f)]


def _face(f: outline.Frame) -> list[Stroke]:
    """A cross bent around the head: the middle line and the line of the eyes."""
    curve = np.linspace(-1, 1, 9)
    turn = np.sin(f.yaw)
    middle = [_on_head(f, turn * np.sqrt(1 - (0.8 * v) ** 2), 0.82 * v) for v in curve]
    eyes = [
        _on_head(
            f, np.clip(0.84 * v + 0.35 * turn * (1 - v**2), -1, 1), p.EYE[2] - 0.06 * (1 - v**2)
        )
        for v in curve
    ]
    return [_open("face", np.array(middle), f), _open("face", np.array(eyes), f)]


def _hair(f: outline.Frame) -> Stroke:
    """A cap from temple to temple, fuller than the skull; the whole back of a head."""
    over = np.linspace(-0.10, np.pi + 0.10, 22)
    rim = [_on_head(f, 1.13 * np.cos(a), 1.12 * np.sin(a)) for a in over]
    low = 0.42 if f.facing > 0 else -1.05
    part = 0.5 * np.sin(f.yaw)
    across = np.linspace(-0.96, 0.96, 11)
    line = [_on_head(f, v, low * (1 - 0.55 * (v - part) ** 2) - 0.02) for v in across]
    return _closed("hair", np.array(rim + line), f)


def _on_head(f: outline.Frame, right: float, up: float) -> np.ndarray:
    """A point of the head's face in halves of its width and height."""
    half = f.stature * np.hypot(
        outline.mix(p.HEAD_HALF_WIDTH, f.child) * np.cos(f.yaw),
        outline.mix(p.HEAD_HALF_DEPTH, f.child) * np.sin(f.yaw),
    )
    tall = f.stature * outline.mix(p.HEAD_HALF_HEIGHT, f.child)
    across = np.array([-f.up[1], f.up[0]])
    return f.head + right * half * across + up * tall * f.up


def _closed(role: str, points: np.ndarray, f: outline.Frame) -> Stroke:
    return _stroke(role, np.concatenate([points, points[:1]]), f, closed=True)


def _open(role: str, points: np.ndarray, f: outline.Frame) -> Stroke:
    return _stroke(role, points, f, closed=False)


def _stroke(role: str, points: np.ndarray, f: outline.Frame, *, closed: bool) -> Stroke:
    """Spaces the points evenly and lets the pen press harder in the middle."""
    run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    count = int(np.clip(run[-1] / (SPACING * f.stature), 8, 400))
    place = np.linspace(0, run[-1], count, endpoint=not closed)
    even = [np.interp(place, run, points[:, i]) for i in (0, 1)]
    pressure = LIGHT + (FIRM - LIGHT) * np.sin(np.linspace(0, np.pi, count)) ** 0.5
    radius = max(RADIUS * f.stature, MIN_RADIUS_PX)
    rows = np.stack([*even, pressure], -1)
    return strokes.stroke(role, rows, radius, closed=closed, source="proposed")


def _reaches(stroke: Stroke, height: int, width: int) -> bool:
    """Whether a stroke touches the photo and stays within the document's bounds."""
    rows = np.array(stroke.points)
    x, y = rows[:, 0], rows[:, 1]
    bounded = x.min() >= -width and x.max() <= 2 * width
    bounded &= y.min() >= -height and y.max() <= 2 * height
    touches = x.max() >= 0 and x.min() < width and y.max() >= 0 and y.min() < height
    return bool(bounded and touches)
