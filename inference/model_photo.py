"""A photographed garment on a body that is painted around it."""

from typing import NamedTuple

import numpy as np

from ..imaging import body, masks, matting, parse, repaint
from ..imaging import pose as poses
from ..imaging.parsing import Parsing
from ..imaging.pose import Pose
from ..imaging.strokes import StrokeDocument
from .order import BACKGROUNDS, KEEP

MASK_THRESHOLD = 0.5
# Opacity from which a pixel shows nothing but garment.
CERTAIN = 0.98


class ModelPhotoRequest(NamedTuple):
    """A garment on a mannequin, and who shall wear it.

    Attributes:
        image: (H, W, 3) uint8 sRGB, the mannequin photo.
        garment_mask: (H, W) bool, the outside of the garment.
        locked: (H, W) bool, the garment with what shows of its inside; it stays as photographed.
        parsing: Of the photo.
        pose: In pixels of the photo.
        area: (H, W) bool, where anything may change; None is everywhere.
        hints: Strokes for the photo.
        person: (h, w, 3) uint8 sRGB, who shall wear it; None leaves it to the engine.
    """

    image: np.ndarray
    garment_mask: np.ndarray
    locked: np.ndarray
    parsing: Parsing
    pose: Pose
    area: np.ndarray | None = None
    hints: StrokeDocument | None = None
    person: np.ndarray | None = None


def prepare(
    image: np.ndarray,
    garment_mask: np.ndarray,
    *,
    parsing: Parsing | None = None,
    repaint_mask: np.ndarray | None = None,
    pose: dict | None = None,
    hints: StrokeDocument | None = None,
    person: np.ndarray | None = None,
    background: str = KEEP,
) -> ModelPhotoRequest:
    """Returns the request of one picture; parses and locates what was not given.

    Args:
        image: (H, W, 3) uint8 sRGB.
        garment_mask: (H, W) float32 in [0, 1].
        parsing: Of the photo.
        repaint_mask: (H, W) float32 in [0, 1], where a body may appear.
        pose: Keypoints as an OpenPose frame; joints it lacks are worked out.
        hints: For the photo.
        person: (h, w, 3) uint8 sRGB.
        background: One of BACKGROUNDS.

    Raises:
        ValueError: The garment mask is empty, the parsing is of another picture, or the
            background is unknown.
    """
    if background not in BACKGROUNDS:
        raise ValueError(
            f"background must be one of {', '.join(BACKGROUNDS)}, got {background!r}. Choose one."
        )
    mask = garment_mask > MASK_THRESHOLD
    if not mask.any():
        raise ValueError(
            "garment_mask must select the garment, got an empty mask. Check that Parse "
            "Mannequin Photo found a garment, or connect a mask of your own."
        )
    parsed = parse.parse(image) if parsing is None else parsing
    if parsed.size != mask.shape:
        raise ValueError(
            f"parsing must be {mask.shape[0]}x{mask.shape[1]} like image, got "
            f"{parsed.size[0]}x{parsed.size[1]}. Connect the parsing of the same photo."
        )
    body_area = _area(mask, parsed)
    locked = mask | (parsed.interior & ~body_area)
    area = body_area if background == KEEP else None
    if repaint_mask is not None:
        area = repaint_mask > 0
    located = body.locate(parsed)
    if pose is not None:
        given = poses.from_openpose(pose, (located.height, located.width))
        located = located._replace(keypoints={**located.keypoints, **given})
    return ModelPhotoRequest(image, mask, locked, parsed, located, area, hints, person)


def _area(mask: np.ndarray, parsing: Parsing) -> np.ndarray:
    """Where a body belongs and where mannequin and stand were, with the garment's edge."""
    width = matting.band_px(*mask.shape)
    sure = masks.shrink(mask, width)
    edge = masks.grow(mask, width) & ~sure
    area = repaint.area(parsing, sure)
    # The garment's edge mixes with what stands beside it: where that goes, the edge is laid anew.
    return area | (edge & masks.grow(area, width))
