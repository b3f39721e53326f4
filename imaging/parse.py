"""The classical, weight-free parser: from a mannequin photo to its parsing."""

from collections.abc import Callable

import cv2
import numpy as np

from . import labels, strokes
from .parser import (
    assessment,
    classifier,
    cues,
    doubts,
    foreground,
    measures,
    refine,
    split,
    superpixels,
)
from .parser import corrections as correcting
from .parsing import Parsing
from .strokes import StrokeDocument

# Long side of the copy that is analysed: bounds time and memory for photos of any size.
WORKING_PX = 640
# Below this a photo holds too few pixels to tell garment from mannequin.
SMALLEST_PX = 24
# Less than this share of the photo is a speck, not a garment.
LEAST_GARMENT = 0.002
# The least confidence of a parsing that the user corrected by hand.
CORRECTED_CONFIDENCE = 0.5


def parse(
    image: np.ndarray,
    corrections: StrokeDocument | np.ndarray | None = None,
    *,
    segment: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Parsing:
    """Parses a photo into garment, mannequin, support, interior and background.

    Args:
        image: (H, W, 3) uint8 sRGB, of any size from 1x1.
        corrections: What the user said: strokes on this photo, or a map of seeds; see
            `parser.corrections.apply`.
        segment: A stronger engine in place of the built-in one: from a copy (h, w, 3) uint8 sRGB
            to (h, w, 6) float32 shares of the labels.

    Returns:
        The parsing, its label map of the photo's size. Where nothing is found the garment is
        empty, the confidence is 0 and a warning says so.

    Raises:
        TypeError: image is not a numpy array of uint8.
        ValueError: image is not (H, W, 3) or is empty.
    """
    _check(image)
    parsing = _parse(image) if segment is None else _segmented(image, segment)
    return parsing if corrections is None else _corrected(image, parsing, corrections)


def _parse(image: np.ndarray) -> Parsing:
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_PX:
        return _nothing(image, doubts.VERY_SMALL.format(height=height, width=width))
    small = working_copy(image)
    if min(small.shape[:2]) < SMALLEST_PX:
        return _nothing(image, doubts.NO_GARMENT)
    figure = foreground.find(small)
    if not figure.any():
        return _nothing(image, doubts.NO_GARMENT)
    scene = cues.measure(small, superpixels.partition(small), figure)
    posterior = classifier.posterior(scene)
    shares = split.shares(scene, posterior)
    found = split.label_map(shares)
    if np.count_nonzero(found == labels.GARMENT) < LEAST_GARMENT * found.size:
        return _nothing(image, doubts.NO_GARMENT)
    found_shapes = measures.measure(found)
    kind = assessment.kind(found_shapes)
    expected = assessment.expected_iou(scene.patches.areas, posterior)
    confidence = assessment.confidence(found, figure, expected)
    person = assessment.is_person(small, found, figure)
    if person:
        kind = "person"
        shares = split.worn_shares(small, figure)
    elif kind in assessment.BARE:
        shares = split.shares(scene, _without_mannequin(posterior, kind))
    found = split.label_map(shares)
    # The classifier never saw tiny pictures; its own doubts say nothing there.
    confidence *= min(1.0, min(height, width) / doubts.SMALL_PX)
    warnings = doubts.sentences(small, found, confidence=confidence, person=person)
    if min(height, width) < doubts.SMALL_PX:
        warnings = (doubts.VERY_SMALL.format(height=height, width=width), *warnings)
    label_map = refine.upsample(shares, small, image)
    if not (label_map == labels.GARMENT).any():
        return _nothing(image, doubts.NO_GARMENT)
    return Parsing(
        label_map,
        kind=kind,
        region=assessment.region(found_shapes),
        view=assessment.view(found_shapes),
        confidence=round(confidence, 3),
        warnings=warnings,
        photo=strokes.fingerprint(image),
    )


def working_copy(image: np.ndarray) -> np.ndarray:
    """Returns the photo, reduced to WORKING_PX where it is larger."""
    height, width = image.shape[:2]
    scale = min(1.0, WORKING_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _segmented(image: np.ndarray, segment: Callable[[np.ndarray], np.ndarray]) -> Parsing:
    """Parses a photo with a stronger engine; refinement and conclusions stay the same."""
    small = working_copy(image)
    if min(small.shape[:2]) < SMALLEST_PX:
        return _nothing(image, doubts.NO_GARMENT)
    shares = segment(small)
    found = split.label_map(shares)
    if np.count_nonzero(found == labels.GARMENT) < LEAST_GARMENT * found.size:
        return _nothing(image, doubts.NO_GARMENT)
    # How sure the engine is of its own labels, where it sees anything at all.
    confidence = float(shares.max(-1)[found != labels.BACKGROUND].mean())
    found_shapes = measures.measure(found)
    label_map = refine.upsample(shares, small, image)
    if not (label_map == labels.GARMENT).any():
        return _nothing(image, doubts.NO_GARMENT)
    return Parsing(
        label_map,
        kind=assessment.kind(found_shapes),
        region=assessment.region(found_shapes),
        view=assessment.view(found_shapes),
        confidence=round(confidence, 3),
        warnings=doubts.sentences(small, found, confidence=confidence, person=False),
        photo=strokes.fingerprint(image),
    )


def _corrected(image: np.ndarray, parsing: Parsing, said: StrokeDocument | np.ndarray) -> Parsing:
    """Applies what the user said to a finished parsing; pixels it does not reach stay equal."""
    small = working_copy(image)
    size = small.shape[1], small.shape[0]
    before = cv2.resize(parsing.label_map, size, interpolation=cv2.INTER_NEAREST)
    sure = (before[..., None] == np.arange(len(labels.NAMES))).astype(np.float32)
    shares = correcting.apply(sure, small, said)
    after = split.label_map(shares)
    full = image.shape[1], image.shape[0]
    changed = (after != before).astype(np.uint8)
    changed = cv2.resize(changed, full, interpolation=cv2.INTER_NEAREST) > 0
    label_map = np.where(changed, refine.upsample(shares, small, image), parsing.label_map)
    label_map = correcting.obey(label_map, after, said)
    if np.array_equal(label_map, parsing.label_map) or not (after == labels.GARMENT).any():
        return parsing._replace(label_map=label_map)
    found_shapes = measures.measure(after)
    return parsing._replace(
        label_map=label_map,
        kind=parsing.kind if parsing.kind == "person" else assessment.kind(found_shapes),
        region=assessment.region(found_shapes),
        view=assessment.view(found_shapes),
        # Nobody measured it, but a person looked at it.
        confidence=max(parsing.confidence, CORRECTED_CONFIDENCE),
        warnings=tuple(line for line in parsing.warnings if line != doubts.NO_GARMENT),
    )


def _without_mannequin(posterior: np.ndarray, kind: str) -> np.ndarray:
    """Lets the next likely label take the place of what the kind of photo rules out."""
    left = posterior.copy()
    left[:, labels.MANNEQUIN] = 0
    if kind != "hanger":
        left[:, labels.SUPPORT] = 0
    return left


def _nothing(image: np.ndarray, warning: str) -> Parsing:
    empty = np.zeros(image.shape[:2], np.uint8)
    return Parsing(empty, warnings=(warning,), photo=strokes.fingerprint(image))


def _check(image: np.ndarray) -> None:
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"image must be a numpy array, got {type(image).__name__}. "
            "Open the photo with Pillow and convert it with numpy.asarray."
        )
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(
            f"image must be height x width x 3, got {'x'.join(map(str, image.shape))}. "
            "Convert the photo to RGB."
        )
    if image.dtype != np.uint8:
        raise TypeError(
            f"image must be uint8, got {image.dtype}. Scale it to 0..255 and convert it."
        )
