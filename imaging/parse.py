"""The parser: from a mannequin photo to its parsing."""

from collections.abc import Callable

import cv2
import numpy as np

from . import labels, strokes
from .parser import assessment, doubts, figures, joints, network, person, refine
from .parser import corrections as correcting
from .parsing import Parsing
from .strokes import StrokeDocument

# Long side of the copy that is analysed: bounds time and memory for photos of any size.
WORKING_PX = 512
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
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_PX:
        return _nothing(image, doubts.VERY_SMALL.format(height=height, width=width))
    small = working_copy(image)
    if min(small.shape[:2]) < SMALLEST_PX:
        return _nothing(image, doubts.NO_GARMENT)
    parsing, shares = _read(image, small, segment)
    if corrections is None:
        return parsing
    return _corrected(image, small, parsing, shares, corrections)


def _read(
    image: np.ndarray, small: np.ndarray, segment: Callable[[np.ndarray], np.ndarray] | None
) -> tuple[Parsing, np.ndarray]:
    """Returns the parsing, and the shares of the labels on the working copy that it rests on."""
    reading = network.read(small)
    if segment is not None:
        reading = reading._replace(shares=segment(small))
    look = network.look(small, reading.shares)
    first = reading.shares.argmax(-1)
    look = look._replace(kind=person.weigh(look.kind, small, first))
    kind = assessment.hung_or_laid(assessment.kind(look.kind), first)
    shares = assessment.without_impossible(reading.shares, kind)
    shares, several = figures.single_out(shares)
    found = shares.argmax(-1).astype(np.uint8)
    if np.count_nonzero(found == labels.GARMENT) < LEAST_GARMENT * found.size:
        return _nothing(image, doubts.NO_GARMENT), shares
    label_map = refine.upsample(shares, small, image)
    if not (label_map == labels.GARMENT).any():
        return _nothing(image, doubts.NO_GARMENT), shares
    height, width = image.shape[:2]
    confidence = assessment.confidence(shares, reading.agreement, look)
    view = assessment.likeliest(look.view)
    # The network never saw tiny pictures; its own doubts say nothing there.
    confidence *= min(1.0, min(height, width) / doubts.SMALL_PX)
    parsing = Parsing(
        label_map,
        kind=kind,
        region=assessment.likeliest(look.region),
        view=view,
        confidence=round(confidence, 3),
        warnings=doubts.sentences(
            small, found, size=(height, width), confidence=confidence, kind=kind, several=several
        ),
        photo=strokes.fingerprint(image),
        joints=joints.locate(reading.places, back=view == "back") * (width, height, 1),
    )
    return parsing, shares


def working_copy(image: np.ndarray) -> np.ndarray:
    """Returns the photo, reduced to WORKING_PX where it is larger."""
    height, width = image.shape[:2]
    scale = min(1.0, WORKING_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _corrected(
    image: np.ndarray,
    small: np.ndarray,
    parsing: Parsing,
    shares: np.ndarray,
    said: StrokeDocument | np.ndarray,
) -> Parsing:
    """Applies what the user said to a finished parsing; pixels it does not reach stay equal."""
    before = shares.argmax(-1).astype(np.uint8)
    shares = correcting.apply(shares, small, said)
    after = shares.argmax(-1).astype(np.uint8)
    full = image.shape[1], image.shape[0]
    changed = (after != before).astype(np.uint8)
    changed = cv2.resize(changed, full, interpolation=cv2.INTER_NEAREST) > 0
    label_map = np.where(changed, refine.upsample(shares, small, image), parsing.label_map)
    label_map = correcting.obey(label_map, after, said)
    if np.array_equal(label_map, parsing.label_map) or not (after == labels.GARMENT).any():
        return parsing._replace(label_map=label_map)
    shown = assessment.complete(Parsing(after))
    settled = parsing if parsing.kind != "unknown" else shown
    return parsing._replace(
        label_map=label_map,
        kind=settled.kind,
        region=settled.region,
        view=settled.view,
        # Nobody measured it, but a person looked at it.
        confidence=max(parsing.confidence, CORRECTED_CONFIDENCE),
        warnings=tuple(line for line in parsing.warnings if line != doubts.NO_GARMENT),
    )


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
