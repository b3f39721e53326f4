"""Proposes the strokes a merchant would draw: the body parts that a mannequin photo lacks."""

from typing import NamedTuple

import cv2
import numpy as np

from . import body, strokes
from .anatomy import builds, face, holds, outline, sleeves, stances
from .anatomy.stage import HAVING, SHOWN, SLIVER, Stage, largest
from .parsing import Parsing
from .pose import Keypoint, Pose
from .strokes import Stroke, StrokeDocument

PROPORTIONS = tuple(builds.BUILDS)
STANCES = stances.STANCES
HEAD_TURNS = stances.HEAD_TURNS

# Share of a part that must be bare, where it is not SHOWN: less of the trunk is the gap between
# the legs, less of the neck a ring in a hood's opening.
LEAST_SHOWN = {"torso": 0.3, "neck": 0.09}
WIDE = 0.75  # share of an arm's width that must be bare somewhere; less lies beside a sleeve
WHOLE = 0.95  # share of a part that is bare, but for thin tips, where nothing covers it
TOUCHED = 0.004  # share of a part that may lie on the garment's rim as if it did not
TRUNK_SLIVER = 0.03  # statures; between holes of a garment's mask no trunk shows
HAIR_SLIVER = 0.003  # statures; locks beside a face are thin
RADIUS = 0.0045  # half a stroke's width in statures: a felt pen on a printed photo
MIN_RADIUS_PX = 1.2
SPACING = 0.012  # statures between points
SHORTEST = 0.02  # statures; what a garment leaves of an open line and is shorter is a dot
FIRM, LIGHT = 1.0, 0.55  # pressure in a stroke's middle and at its ends

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


class Figure(NamedTuple):
    """The body to draw.

    Attributes:
        body: Its pose; the head looks where the body does, which `body.silhouette` relies on.
        turned: The same with the head turned.
        build: How its parts differ from the usual ones.
    """

    body: Pose
    turned: Pose
    build: builds.Build


def propose(
    parsing: Parsing,
    pose: Pose,
    *,
    all_parts: bool = False,
    photo: str = "",
    proportions: str = "auto",
    stance: str = "implied",
    head_turn: str = "as the body",
    mirrored: bool = False,
) -> StrokeDocument:
    """Draws the body parts that are missing in the photo.

    Args:
        parsing: What the photo shows; its garment stays free of strokes.
        pose: The complete body, see `body.locate`.
        all_parts: Draws every part, also where the mannequin or the garment shows.
        photo: `strokes.fingerprint` of the photo.
        proportions, stance, head_turn, mirrored: See `settle`.

    Returns:
        Closed outlines by role, then the shoulder line, face and hair, in photo pixels; as
        landmarks the joints of `settle`, with the head turned.

    Raises:
        ValueError: pose and parsing are of different sizes, or an option is unknown.
    """
    figure = settle(
        parsing,
        pose,
        proportions=proportions,
        stance=stance,
        head_turn=head_turn,
        mirrored=mirrored,
    )
    return draw(parsing, figure, all_parts=all_parts, photo=photo)


def draw(
    parsing: Parsing, figure: Figure, *, all_parts: bool = False, photo: str = ""
) -> StrokeDocument:
    """Draws a settled body, see `settle`; arguments and result are those of `propose`."""
    f = outline.frame(figure.body)
    stage = Stage(parsing, f.stature, all_parts=all_parts)
    shapes = _shapes(figure)
    drawn = [s for role in _OUTLINED for s in _outlined(stage, role, shapes, f)]
    drawn += _shoulders(stage, figure.body, f)
    if stage.lacks(shapes["head"]):
        drawn += _head(stage, shapes, figure)
    height, width = parsing.size
    inside = tuple(s for s in drawn if _reaches(s, height, width))
    return StrokeDocument(width, height, photo, inside, strokes.landmarks(figure.turned))


def settle(
    parsing: Parsing,
    pose: Pose,
    *,
    proportions: str = "auto",
    stance: str = "implied",
    head_turn: str = "as the body",
    mirrored: bool = False,
) -> Figure:
    """Brings the parts that the photo lacks into the wanted shape and stance.

    What the mannequin shows and what a sleeve or a trouser leg holds stays where it is, whatever
    the options say.

    Args:
        parsing: What the photo shows.
        pose: The complete body, see `body.locate`.
        proportions: One of PROPORTIONS. "auto" takes the age of the located figure, adult, child
            or in between, and a build between woman's and man's: a garment's shape tells its
            wearer's sex too seldom to guess it.
        stance: One of STANCES; "implied" leaves every limb where garment and mannequin imply it.
        head_turn: One of HEAD_TURNS; left and right are the person's own.
        mirrored: The left hand or leg leads, in place of the right one.

    Returns:
        The body that `propose` draws with the same options; joints that moved have the
        confidence of proportions alone.

    Raises:
        ValueError: pose and parsing are of different sizes, or an option is unknown.
    """
    if (pose.height, pose.width) != parsing.size:
        raise ValueError(
            "pose must be of the parsed photo, "
            f"{parsing.size[0]}x{parsing.size[1]}, got {pose.height}x{pose.width}. "
            "Locate the body in the same parsing."
        )
    build = builds.named(proportions)
    hung = sleeves.follow(parsing, pose)
    free = holds.free(Stage(parsing, outline.frame(hung).stature), parsing, hung)
    built = builds.fit(hung, build, free)
    posed = stances.take(built, stance, free, parsing.garment, mirrored=mirrored)
    turned = stances.turn_head(posed, head_turn)
    if "head" not in free:
        turned = posed
    return Figure(_doubted(posed, pose), _doubted(turned, pose), build)


def _doubted(pose: Pose, located: Pose) -> Pose:
    """Lowers the confidence of joints that are no longer where they were located."""
    joints = {}
    for name, joint in pose.keypoints.items():
        x, y, confidence = joint
        if joint != located.keypoints[name]:
            framed = -0.5 <= x < pose.width - 0.5 and -0.5 <= y < pose.height - 0.5
            confidence = min(confidence, body.IMPLIED if framed else body.OUTSIDE)
        joints[name] = Keypoint(x, y, confidence)
    return pose._replace(keypoints=joints)


def _shapes(figure: Figure) -> dict[str, np.ndarray]:
    """Outlines by role, with the girths of the build and the head turned."""
    shapes, build = outline.parts(figure.body), figure.build
    shapes["head"] = outline.head(outline.frame(figure.turned))
    joints = figure.body.keypoints
    at = lambda *names: np.array([joints[name][:2] for name in names])  # noqa: E731
    shapes["neck"] = builds.thicken(
        shapes["neck"], np.stack([at("Neck")[0], outline.frame(figure.body).head]), build.neck
    )
    for letter, side in (("R", "right"), ("L", "left")):
        arm = at(*(letter + name for name in ("Shoulder", "Elbow", "Wrist")))
        leg = at(*(letter + name for name in ("Hip", "Knee", "Ankle")))
        shapes[f"arm_{side}"] = builds.thicken(shapes[f"arm_{side}"], arm, build.arm)
        shapes[f"leg_{side}"] = builds.thicken(shapes[f"leg_{side}"], leg, build.leg)
    return shapes


def _outlined(
    stage: Stage, role: str, shapes: dict[str, np.ndarray], f: outline.Frame
) -> list[Stroke]:
    """The outline of what of a part lies outside the garment."""
    polygon = shapes[role]
    if stage.all_parts:
        return [_closed(role, polygon, f)]
    tip = role[:4] if role[:4] in HAVING else ""
    if not stage.lacks(polygon, tip) or _paired(stage, role, shapes):
        return []
    area = stage.free(polygon, TRUNK_SLIVER if role == "torso" else SLIVER)
    if role == "neck":
        area &= ~stage.fill(shapes["head"])
    area = _farthest(area, stage, role, shapes)
    if role.startswith("arm") and not _wide(area, stage.fill(polygon)):
        return []
    if area.sum() < LEAST_SHOWN.get(role, SHOWN) * stage.fill(polygon).sum():
        return []
    return [_around(stage, role, polygon, area, f)]


def _around(
    stage: Stage, role: str, polygon: np.ndarray, area: np.ndarray, f: outline.Frame
) -> Stroke:
    """The outline of the area that is bare of a part, or its own outline where all is."""
    bare = area.sum() > WHOLE * stage.fill(polygon).sum()
    if stage.all_parts or (bare and stage.covered(polygon) < TOUCHED):
        return _closed(role, polygon, f)
    contours, _ = cv2.findContours(area.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=len)[:, 0].astype(np.float64)
    return _closed(role, stage.back(_smooth(contour)), f)


def _paired(stage: Stage, role: str, shapes: dict[str, np.ndarray]) -> bool:
    """Whether the mannequin has hands, as its other one shows, and this one is only hidden."""
    if not role.startswith("hand") or stage.kind not in HAVING["hand"]:
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
    area: np.ndarray, stage: Stage, role: str, shapes: dict[str, np.ndarray]
) -> np.ndarray:
    """The piece of a limb that carries the hand or foot; elsewhere the largest piece."""
    tip = role.replace("arm", "hand").replace("leg", "foot")
    count, pieces = cv2.connectedComponents(area.astype(np.uint8))
    if tip == role or count < 3:
        return largest(area)
    away = cv2.distanceTransform((~stage.fill(shapes[tip])).astype(np.uint8), cv2.DIST_L2, 5)
    return pieces == 1 + int(np.argmin([away[pieces == i].min() for i in range(1, count)]))


def _smooth(contour: np.ndarray) -> np.ndarray:
    """Takes the stairs of pixels out of a closed contour."""
    reach = max(1, min(len(contour) // 12, 4))
    weights = np.hanning(2 * reach + 3)[1:-1]
    padded = np.concatenate([contour[-reach:], contour, contour[:reach]])
    kernel = weights / weights.sum()
    return np.stack([np.convolve(padded[:, i], kernel, "valid") for i in (0, 1)], -1)


def _shoulders(stage: Stage, pose: Pose, f: outline.Frame) -> list[Stroke]:
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
    return _bare(stage, "shoulders", line, f) if stage.lacks(band) else []


def _head(stage: Stage, shapes: dict[str, np.ndarray], figure: Figure) -> list[Stroke]:
    f = outline.frame(figure.turned)
    area = largest(stage.free(shapes["head"]))
    found = [_around(stage, "head", shapes["head"], area, f)]
    if f.facing > 0:
        found += [s for line in face.cross(f) for s in _bare(stage, "face", line, f)]
    hair = face.hair(f, long=figure.build.long_hair)
    area = largest(stage.free(hair, HAIR_SLIVER))
    return [*found, _around(stage, "hair", hair, area, f)] if area.any() else found


def _bare(stage: Stage, role: str, line: np.ndarray, f: outline.Frame) -> list[Stroke]:
    """An open line where no garment covers it, in one stroke or several."""
    fine = _even(line, 200)
    if stage.all_parts:
        return [_open(role, line, f)]
    column, row = np.rint(stage.place(fine)).astype(int).T
    height, width = stage.garment.shape
    bare = ~stage.garment[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    ends = np.flatnonzero(np.diff(np.concatenate([[0], bare.astype(np.int8), [0]])))
    pieces = [fine[a:b] for a, b in zip(ends[::2], ends[1::2], strict=True)]
    long = [q for q in pieces if len(q) > 1 and _length(q) >= SHORTEST * f.stature]
    return [_open(role, piece, f) for piece in long]


def _even(points: np.ndarray, count: int) -> np.ndarray:
    """(count, 2) points at even distances along a line."""
    run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    place = np.linspace(0, run[-1], count)
    return np.stack([np.interp(place, run, points[:, i]) for i in (0, 1)], -1)


def _length(points: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


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
