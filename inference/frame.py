"""The frame around every diffusion engine: crop, paint, match the colours, put back exactly."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..imaging import crop as crops
from ..imaging import masks, matting, scribble, stitch, tone
from ..imaging.crop import Crop
from ..imaging.pose import Keypoint, Pose
from ..imaging.strokes import StrokeDocument
from .painter import PaintRequest, Spec

# Room around a garment on its white ground, as a share of its longer side.
MARGIN = 0.04
WHITE = 255


class Frame(NamedTuple):
    """A crop of a photo, ready to be painted.

    Attributes:
        photo: (H, W, 3) uint8 sRGB.
        crop: What of it the engine sees.
        mask: (H, W) bool, the only place that may change.
        request: The crop with its mask; prompts, references and hints are added to it.
    """

    photo: np.ndarray
    crop: Crop
    mask: np.ndarray
    request: PaintRequest


def open_frame(photo: np.ndarray, mask: np.ndarray, spec: Spec) -> Frame:
    """Cuts out what an engine paints.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        mask: (H, W) bool or float32; above 0 is the only place that may change.
        spec: Of the engine.

    Raises:
        ValueError: The mask is empty or of another size.
    """
    allowed = mask > 0
    crop = crops.plan(allowed, pixels=spec.pixels, multiple=spec.multiple)
    # A pixel of the crop that holds any of the mask is painted.
    shown = (crops.cut(allowed, crop) > 0).astype(np.float32)
    return Frame(photo, crop, allowed, PaintRequest(crops.cut(photo, crop), shown))


def close(
    frame: Frame, painted: np.ndarray, finish: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, int]:
    """Puts a painted crop back and proves that nothing else changed.

    Args:
        frame: Of the photo.
        painted: (h, w, 3) uint8, the painted crop.
        finish: Makes the result of the photo with the crop pasted in hard.

    Returns:
        (H, W, 3) uint8, and the counted pixels outside of the frame's mask that differ: 0.

    Raises:
        RuntimeError: A pixel outside of the frame's mask differs from the photo.
    """
    toned = tone.match(painted, frame.request.image, frame.request.mask)
    pasted, _ = crops.paste(frame.photo, toned, frame.crop, frame.mask)
    result = finish(pasted)
    changed = crops.changed_outside(frame.photo, result, frame.mask)
    if changed:
        raise RuntimeError(
            f"no pixel outside of the repainted mask may change, got {changed} that did. "
            "Do not use this picture; report it with the workflow that made it."
        )
    return result, changed


def hinted(frame: Frame, pose: Pose, hints: StrokeDocument | None) -> PaintRequest:
    """Returns the frame's request with pose and hints, drawn afresh at the crop's own size."""
    size = (frame.crop.height, frame.crop.width)
    drawn = scribble.skeleton(into_pose(pose, frame.crop), size)
    request = frame.request._replace(skeleton=drawn)
    if hints is None:
        return request
    moved = into_strokes(hints, frame.crop, frame.mask.shape)
    return request._replace(
        scribble=scribble.render(moved, size)[..., 0], roles=scribble.roles(moved, size)
    )


def into_pose(pose: Pose, crop: Crop) -> Pose:
    """Returns a photo's pose in pixels of the crop."""
    down, across = _stretch(crop)
    return Pose(
        crop.height,
        crop.width,
        {
            name: Keypoint(
                (joint.x + 0.5 - crop.bounds.left) * across - 0.5,
                (joint.y + 0.5 - crop.bounds.top) * down - 0.5,
                joint.confidence,
            )
            for name, joint in pose.keypoints.items()
        },
    )


def into_strokes(document: StrokeDocument, crop: Crop, size: tuple[int, ...]) -> StrokeDocument:
    """Returns a photo's strokes in pixels of the crop.

    Args:
        document: Drawn on the photo, or on a copy of another size.
        crop: Of the photo.
        size: Height and width of the photo.
    """
    down, across = _stretch(crop)
    # From the document's pixels to the photo's, and from there to the crop's.
    rows, columns = size[0] / document.height, size[1] / document.width
    left, top = crop.bounds.left, crop.bounds.top
    thicker = float(np.sqrt(down * across * rows * columns))
    strokes = tuple(
        stroke._replace(
            radius_px=stroke.radius_px * thicker,
            points=tuple(
                (
                    ((x + 0.5) * columns - left) * across - 0.5,
                    ((y + 0.5) * rows - top) * down - 0.5,
                    pressure,
                )
                for x, y, pressure in stroke.points
            ),
        )
        for stroke in document.strokes
    )
    return document._replace(width=crop.width, height=crop.height, strokes=strokes)


def reference(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns a garment alone on white, cropped to its bounds, as editors like references.

    Args:
        picture: (H, W, 3) uint8 sRGB.
        mask: (H, W) bool, the garment; not empty.

    Returns:
        (h, w, 3) uint8 sRGB.
    """
    box = masks.bounds(mask) or masks.Bounds(0, 0, *mask.shape)
    margin = round(MARGIN * max(box.height, box.width)) + matting.band_px(*mask.shape)
    rows = slice(max(0, box.top - margin), box.bottom + margin)
    columns = slice(max(0, box.left - margin), box.right + margin)
    part = np.ascontiguousarray(picture[rows, columns])
    alpha = matting.alpha(part, np.ascontiguousarray(mask[rows, columns]))
    return stitch.stitch(np.full_like(part, WHITE), matting.foreground(part, alpha), alpha)


def _stretch(crop: Crop) -> tuple[float, float]:
    return crop.height / crop.bounds.height, crop.width / crop.bounds.width
