"""Which strokes go on for one photo: the user's, the proposal's, or those of another photo."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..imaging import body, hints, parse, refit, strokes
from ..imaging.parsing import Parsing
from ..imaging.pose import Pose
from ..imaging.strokes import StrokeDocument

ANOTHER_PHOTO = (
    "strokes must belong to the photo in image, got those of another photo. Choose refit, keep or "
    "clear in when_photo_changes or in the canvas, or draw them again. "
    "笔画属于另一张照片:请在“照片更换时”中选择 refit(适配)、keep(保留)或 clear(清空),或重新绘制。"
)
NO_BODY = (
    "strokes can be fitted only where a garment or mannequin is found, got a photo with neither. "
    "Choose keep or clear in when_photo_changes, or connect a corrected parsing. "
    "照片中未找到服装或人台,无法适配笔画:请选择 keep(保留)或 clear(清空)。"
)
KEPT = "The strokes belong to another photo and were kept as they are. Check them."
CLEARED = "The strokes belong to another photo and were cleared. Draw new ones for this photo."
REFITTED = "The strokes belong to another photo and were fitted to this one. Check them."


class Choice(NamedTuple):
    """What was decided for one photo.

    Attributes:
        document: The strokes that go on; None where the run has to stop.
        status: drawn, proposal, empty, refitted, kept, cleared or stopped.
        note: A sentence for the user, or "".
        width, height, photo: Of the photo: pixels and fingerprint.
        proposal: The proposal as JSON holds it, or None.
    """

    document: StrokeDocument | None
    status: str
    note: str
    width: int
    height: int
    photo: str
    proposal: dict | None


def choose(
    picture: np.ndarray,
    drawn: StrokeDocument | None,
    proposal: StrokeDocument | None,
    parsing: Parsing | None,
    rule: str,
) -> Choice:
    """Decides for one photo; a cleared canvas is a drawing without strokes and stays empty.

    Args:
        picture: (H, W, 3) uint8 sRGB.
        drawn: What the user drew; None where the canvas was never touched.
        proposal: From Propose Body Hints.
        parsing: Of the photo; without it the photo is parsed where a refit needs it.
        rule: One of drawing.WHEN_PHOTO_CHANGES.

    Raises:
        ValueError: parsing is of another size than the photo.
    """
    height, width = picture.shape[:2]
    photo = strokes.fingerprint(picture)
    given = proposal if drawn is None else drawn
    if given is None or not given.strokes:
        document, status, note = StrokeDocument(width, height, photo), "empty", ""
    elif given.photo in ("", photo):
        document, status, note = given, "proposal" if drawn is None else "drawn", ""
    elif rule == "keep":
        document = strokes.resized(given, (height, width))._replace(photo=photo)
        status, note = "kept", KEPT
    elif rule == "clear":
        document, status, note = StrokeDocument(width, height, photo), "cleared", CLEARED
    elif rule == "refit":
        document, status, note = _refitted(picture, photo, given, parsing)
    else:
        document, status, note = None, "stopped", ANOTHER_PHOTO
    shown = None if proposal is None else json.loads(strokes.to_json(proposal))
    return Choice(document, status, note, width, height, photo, shown)


def with_landmarks(
    drawn: StrokeDocument, pictures: Sequence[np.ndarray], parsings: Sequence[Parsing] | None
) -> StrokeDocument:
    """Finds the joints of a drawing without any on its own photo, if that is in the batch."""
    if drawn.landmarks or not drawn.photo or not drawn.strokes:
        return drawn
    for index, picture in enumerate(pictures):
        if strokes.fingerprint(picture) == drawn.photo:
            each = len(parsings) == len(pictures) if parsings else False
            pose = _located(picture, parsings[index] if parsings and each else None)
            return drawn if pose is None else drawn._replace(landmarks=strokes.landmarks(pose))
    return drawn


def _refitted(
    picture: np.ndarray, photo: str, given: StrokeDocument, parsing: Parsing | None
) -> tuple[StrokeDocument | None, str, str]:
    pose = _located(picture, parsing)
    if pose is None:
        return None, "stopped", NO_BODY
    note = " ".join([REFITTED, *refit.doubts(given)])
    return refit.refit(given, pose, photo=photo), "refitted", note


def _located(picture: np.ndarray, parsing: Parsing | None) -> Pose | None:
    """The body on the photo; None where neither garment nor mannequin is found."""
    found = parse.parse(picture) if parsing is None else parsing
    if found.size != picture.shape[:2]:
        height, width = picture.shape[:2]
        raise ValueError(
            f"parsing must be {height}x{width} like image, got {found.size[0]}x{found.size[1]}. "
            "Connect the parsing of the same photo."
        )
    try:
        located = body.locate(found)
    except ValueError:
        return None
    return hints.settle(found, located).turned
