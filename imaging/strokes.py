"""The stroke document: what the user or `hints` drew on a photo, as data.

docs/strokes.md is its specification. The text comes from workflow files and browsers, so it is
read as hostile input: bounded before it is parsed, and every value is checked.
"""

import hashlib
import json
import re
from typing import Any, NamedTuple

import cv2
import numpy as np

from . import pose
from .pose import Pose

VERSION = 1
MAX_BYTES = 2_000_000  # about 100,000 points; a day's drawing has a few thousand
MAX_STROKES = 500
MAX_POINTS = 5_000  # of one stroke: 40 s of a pen that reports 125 points a second
MAX_SIDE_PX = 16_384  # ComfyUI's own limit for a picture's side
MIN_RADIUS_PX, MAX_RADIUS_PX = 0.1, 1_000.0
# Joints may lie far outside a photo that shows a blouse only; ten of the largest photos are enough.
MAX_LANDMARK_PX = 10 * MAX_SIDE_PX
DECIMALS = 2  # a hundredth of a pixel is finer than any pen

ROLES = {
    "head": "#e69f00",
    "face": "#f0e442",
    "hair": "#8c510a",
    "neck": "#d55e00",
    "shoulders": "#cc79a7",
    "arm_left": "#0072b2",
    "arm_right": "#56b4e9",
    "hand_left": "#004c8c",
    "hand_right": "#1fa3c7",
    "torso": "#999999",
    "leg_left": "#009e73",
    "leg_right": "#66c2a5",
    "foot_left": "#00644a",
    "foot_right": "#2fae8e",
    "free": "#ffffff",
    "garment": "#00d084",
    "mannequin": "#ff8a3d",
    "background": "#3b3b3b",
}
"""Role to sRGB colour; sides are the person's own. Okabe and Ito's palette and shades of it."""

CORRECTIONS = ("garment", "mannequin", "background")
"""Roles that correct a parsing; the others are hints at a body and correct nothing."""

SOURCES = ("proposed", "drawn")

_COLOR = re.compile(r"#[0-9a-f]{6}")
_PHOTO = re.compile(r"[0-9a-f]{0,64}")
_DOCUMENT_KEYS = ("version", "width", "height", "photo", "strokes")
_OPTIONAL_KEYS = ("landmarks",)
_STROKE_KEYS = ("role", "points", "radius_px", "color", "closed", "source")


class Stroke(NamedTuple):
    """One line drawn without lifting the pen.

    Attributes:
        role: One of ROLES.
        points: (x, y, pressure): photo pixels, and 0 to 1 of the radius.
        radius_px: Half the line's width at pressure 1, in photo pixels.
        color: sRGB as "#rrggbb", lower case.
        closed: Whether the last point joins the first; closed strokes stand for an area.
        source: One of SOURCES.
    """

    role: str
    points: tuple[tuple[float, float, float], ...]
    radius_px: float
    color: str
    closed: bool = False
    source: str = "drawn"


class StrokeDocument(NamedTuple):
    """All strokes on one photo.

    Attributes:
        width, height: Of the photo, in pixels.
        photo: `fingerprint` of the photo, or "" where unknown.
        strokes: In the order in which they were drawn.
        landmarks: (x, y, confidence) of the joints in pose.NAMES' order: photo pixels, and 0 to
            1. Empty where unknown. They let `refit` carry the strokes to another photo.
    """

    width: int
    height: int
    photo: str = ""
    strokes: tuple[Stroke, ...] = ()
    landmarks: tuple[tuple[float, float, float], ...] = ()


def stroke(
    role: str, points: np.ndarray, radius_px: float, *, closed: bool, source: str = "drawn"
) -> Stroke:
    """Builds a stroke in its role's colour from (N, 3) x, y, pressure, rounded as in the JSON."""
    rows = np.round(np.asarray(points, np.float64), DECIMALS) + 0.0  # no negative zero
    listed = tuple((float(x), float(y), float(p)) for x, y, p in rows)
    return Stroke(role, listed, round(float(radius_px), DECIMALS), ROLES[role], closed, source)


def within(stroke: Stroke, size: tuple[int, int]) -> Stroke:
    """Returns a stroke rounded and held within the limits of a document of this size.

    Args:
        stroke: May leave the limits, as after a move; its numbers are finite.
        size: Height and width in pixels.
    """
    height, width = size
    rows = np.array(stroke.points, np.float64).reshape(-1, 3)
    low, high = (-width, -height, 0), (2 * width, 2 * height, 1)
    rows = np.round(rows.clip(low, high), DECIMALS) + 0.0  # no negative zero
    radius = round(min(max(float(stroke.radius_px), MIN_RADIUS_PX), MAX_RADIUS_PX), DECIMALS)
    points = tuple((float(x), float(y), float(p)) for x, y, p in rows)
    return stroke._replace(points=points, radius_px=radius)


def resized(document: StrokeDocument, size: tuple[int, int]) -> StrokeDocument:
    """Returns the document for the same photo at another size, radii scaled by the mean factor.

    Args:
        document: Its fingerprint is kept.
        size: Height and width in pixels.
    """
    height, width = size
    if (height, width) == (document.height, document.width):
        return document
    across, down = width / document.width, height / document.height

    def place(rows: tuple[tuple[float, float, float], ...]):
        # The photo's edges lie at -0.5, half a pixel before the centre of the first.
        return tuple(
            ((x + 0.5) * across - 0.5, (y + 0.5) * down - 0.5, third) for x, y, third in rows
        )

    moved = tuple(
        within(
            s._replace(points=place(s.points), radius_px=s.radius_px * (across * down) ** 0.5), size
        )
        for s in document.strokes
    )
    joints = _joints(np.array(place(document.landmarks))) if document.landmarks else ()
    return document._replace(width=width, height=height, strokes=moved, landmarks=joints)


def landmarks(located: Pose) -> tuple[tuple[float, float, float], ...]:
    """Returns a pose as the document keeps it: rounded as in the JSON, within its limits."""
    joints = [located.keypoints[name] for name in pose.NAMES]
    return _joints(np.array([(j.x, j.y, j.confidence) for j in joints], np.float64))


def _joints(rows: np.ndarray) -> tuple[tuple[float, float, float], ...]:
    far = MAX_LANDMARK_PX
    rows = np.round(rows.clip((-far, -far, 0), (far, far, 1)), DECIMALS) + 0.0
    return tuple((float(x), float(y), float(c)) for x, y, c in rows)


def fingerprint(image: np.ndarray) -> str:
    """Returns 16 hex digits that tell whether strokes belong to this photo.

    Args:
        image: (H, W, 3) uint8. Size and a 16x16 reduction to 16 levels count, so that storing
            the same photo again as PNG gives the same answer.
    """
    small = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA) // 16
    height, width = image.shape[:2]
    return hashlib.sha256(f"{width}x{height}:".encode() + small.tobytes()).hexdigest()[:16]


def to_json(document: StrokeDocument) -> str:
    """Writes the document as one line of JSON with numbers rounded to two decimals."""
    strokes = [
        s._asdict()
        | {
            "points": [[round(value, DECIMALS) for value in point] for point in s.points],
            "radius_px": round(s.radius_px, DECIMALS),
        }
        for s in document.strokes
    ]
    content = {"version": VERSION} | document._asdict() | {"strokes": strokes}
    if document.landmarks:
        content["landmarks"] = [[round(v, DECIMALS) for v in p] for p in document.landmarks]
    else:
        del content["landmarks"]
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def size_bytes(text: str) -> int:
    """Returns a text's length in bytes, or in characters where that alone is above MAX_BYTES."""
    # Encoding a huge text would cost what the limit is to save.
    return len(text) if len(text) > MAX_BYTES else len(text.encode(errors="replace"))


def from_json(text: str) -> StrokeDocument:
    """Reads and checks a stroke document.

    Args:
        text: JSON as `to_json` writes it. Points may lie outside the photo by its own size.

    Raises:
        TypeError: text is not a string.
        ValueError: The text is too long, is not JSON, or breaks a rule of docs/strokes.md; the
            message names the stroke by its index.
    """
    if not isinstance(text, str):
        raise TypeError(f"strokes must be text, got {type(text).__name__}. Pass the JSON itself.")
    size = size_bytes(text)
    if size > MAX_BYTES:
        raise ValueError(
            f"strokes must be at most {MAX_BYTES} bytes, got {size}. Draw fewer strokes."
        )
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"strokes must be JSON, got a text that is not: {str(error)[:100]}. "
            "Draw the strokes again or clear them."
        ) from error
    return from_content(content)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def from_content(content: Any) -> StrokeDocument:
    """Checks what JSON holds, already parsed: `from_json` without the limit of bytes.

    Raises:
        ValueError: it breaks a rule of docs/strokes.md.
    """
    _keys("strokes", content, _DOCUMENT_KEYS, _OPTIONAL_KEYS)
    if type(content["version"]) not in (int, float) or content["version"] != VERSION:
        raise ValueError(
            f"strokes must have version {VERSION}, got {_show(content['version'])}. "
            "Update Dressform or draw the strokes again."
        )
    width, height = (_whole(name, content[name]) for name in ("width", "height"))
    photo, listed = content["photo"], content["strokes"]
    if not isinstance(photo, str) or not _PHOTO.fullmatch(photo):
        raise ValueError(f"photo must be up to 64 hex digits, got {_show(photo)}. Use ''.")
    if not isinstance(listed, list) or len(listed) > MAX_STROKES:
        count = len(listed) if isinstance(listed, list) else _show(listed)
        raise ValueError(
            f"strokes must be a list of at most {MAX_STROKES}, got {count}. Draw fewer strokes."
        )
    read = tuple(_stroke(f"stroke {i}", s, width, height) for i, s in enumerate(listed))
    return StrokeDocument(width, height, photo, read, _landmarks(content.get("landmarks")))


def _landmarks(content: Any) -> tuple[tuple[float, float, float], ...]:
    if content is None:
        return ()
    if not isinstance(content, list) or len(content) != len(pose.NAMES):
        raise ValueError(
            f"landmarks must be a list of {len(pose.NAMES)} joints, got {_show(content)}. "
            "Leave them out where they are unknown."
        )
    far = MAX_LANDMARK_PX
    return tuple(
        _triple(f"landmark {name}", joint, (-far, far), (-far, far), "confidence")
        for name, joint in zip(pose.NAMES, content, strict=True)
    )


def _stroke(name: str, content: Any, width: int, height: int) -> Stroke:
    _keys(name, content, _STROKE_KEYS)
    role, source, color = content["role"], content["source"], content["color"]
    if not isinstance(role, str) or role not in ROLES:
        raise ValueError(f"{name}: role must be one of {', '.join(ROLES)}, got {_show(role)}.")
    if not isinstance(source, str) or source not in SOURCES:
        raise ValueError(f"{name}: source must be proposed or drawn, got {_show(source)}.")
    if not isinstance(color, str) or not _COLOR.fullmatch(color):
        raise ValueError(f"{name}: color must be like #e69f00, got {_show(color)}.")
    if not isinstance(content["closed"], bool):
        raise ValueError(f"{name}: closed must be true or false, got {_show(content['closed'])}.")
    radius = _number(f"{name}: radius_px", content["radius_px"], MIN_RADIUS_PX, MAX_RADIUS_PX)
    points = content["points"]
    if not isinstance(points, list) or not 1 <= len(points) <= MAX_POINTS:
        count = len(points) if isinstance(points, list) else _show(points)
        raise ValueError(
            f"{name}: points must be a list of 1 to {MAX_POINTS}, got {count}. Split the stroke."
        )
    across, down = (-width, 2 * width), (-height, 2 * height)
    read = tuple(
        _triple(f"{name}, point {i}", q, across, down, "pressure") for i, q in enumerate(points)
    )
    return Stroke(role, read, radius, color, content["closed"], source)


def _triple(
    name: str, content: Any, across: tuple[int, int], down: tuple[int, int], third: str
) -> tuple[float, float, float]:
    if not isinstance(content, list) or len(content) != 3:
        raise ValueError(f"{name}: must be [x, y, {third}], got {_show(content)}.")
    return (
        _number(f"{name}: x", content[0], *across),
        _number(f"{name}: y", content[1], *down),
        _number(f"{name}: {third}", content[2], 0, 1),
    )


def _keys(name: str, content: Any, wanted: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    if not isinstance(content, dict) or set(content).difference(optional) != set(wanted):
        found = ", ".join(sorted(map(str, content))) if isinstance(content, dict) else None
        more = f" and perhaps {', '.join(optional)}" if optional else ""
        raise ValueError(
            f"{name} must be an object with {', '.join(wanted)}{more}, "
            f"got {_show(found or content)}. Draw the strokes again or clear them."
        )


def _whole(name: str, value: Any) -> int:
    # JSON has one kind of number: to a browser and to JSON Schema 512.0 is whole.
    whole = int(value) if type(value) is float and value.is_integer() else value
    if type(whole) is not int or not 1 <= whole <= MAX_SIDE_PX:
        raise ValueError(
            f"{name} must be a whole number from 1 to {MAX_SIDE_PX}, got {_show(value)}."
        )
    return whole


def _number(name: str, value: Any, low: float, high: float) -> float:
    # The comparison is false for NaN too; bool is an int to isinstance, so types are compared.
    if type(value) not in (int, float) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low} to {high}, got {_show(value)}.")
    return round(float(value), DECIMALS)


def _show(value: Any) -> str:
    """A short form of hostile input, safe in a message."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**15:
        return "a huge number"
    return repr(value)[:60]
