"""Mannequin residue: parts of the form that are still to be seen in the result."""

import cv2
import numpy as np

from ..imaging import masks
from . import alignment, color
from .measure import Measure, require_mask, require_picture, unmeasurable

SAME_LAB = 4.0  # Euclidean Lab, after smoothing: closer than this looks the same side by side
SMOOTH_PX = 1.5  # sigma; noise and JPEG differ between two pictures of the same thing
WINDOW_PX = 11  # side of the window in which structure is compared
STRUCTURE_LUMA = 0.02  # standard deviation in the window; flatter windows carry no structure
SAME_STRUCTURE = 0.75  # normalised correlation of the window
MIN_KEPT_VARIANCE = 0.25  # half the amplitude; less is not the same structure
MIN_MANNEQUIN_PX = 200
# Of the mannequin; a smaller part is a sliver beside the garment.
MIN_PART_PX, MIN_PART = 120, 0.003
# Where so much of the form's outline before the background is near and none of it is left, it is
# not the form: the wall behind a white neck is white.
MIN_RIM_PX, MIN_RIM, RIM_PX = 40, 0.04, 5
# Natural logarithms of gains of encoded values; 0.3 stops are 0.09. More is another garment.
MOST_GAIN, SAME_GAIN = 0.26, 0.06
DARKEST, BRIGHTEST, MIN_LIT_PX = 16, 240, 200  # levels and pixels that tell a gain


def measure(
    result: np.ndarray,
    source: np.ndarray,
    mannequin_mask: np.ndarray,
    garment_mask: np.ndarray,
    inside_mask: np.ndarray | None = None,
) -> Measure:
    """Measures how much of the mannequin and its stand has survived.

    A pixel has survived where colour and structure of the source photo are both still there.
    Colour alone is no evidence: a linen form has the colour of skin, and a white form that of a
    studio. A flat patch counts only where it touches surviving structure of the form, its outline
    or a joint; the garment's own edge beside it is no proof.

    Args:
        result, source: (H, W, 3) uint8 sRGB of one size, with the garment in the same place.
        mannequin_mask: (H, W) bool, mannequin and support in the source.
        garment_mask: (H, W) bool, the garment in both; says whether the pictures are aligned.
        inside_mask: (H, W) bool, the garment's own inside, where the source shows it.

    Returns:
        Share (0 to 1) of the mannequin's pixels that survive, of all or of one part that lies
        apart (a neck, a hand, legs with the stand), whichever is more. The map is 1 where they do,
        0 on the rest of the mannequin.
    """
    require_picture("result", result)
    require_picture("source", source)
    require_mask("mannequin_mask", mannequin_mask, source)
    if result.shape != source.shape:
        return unmeasurable("The result and the source photo differ in size.")
    require_mask("garment_mask", garment_mask, result)
    if mannequin_mask.sum() < MIN_MANNEQUIN_PX:
        return unmeasurable("No mannequin was found in the source photo.")
    if inside_mask is None:
        inside_mask = np.zeros_like(garment_mask)
    if not alignment.aligned(result, source, garment_mask):
        placed = alignment.place(result, source, garment_mask, garment_mask)
        if placed is None:
            return unmeasurable(
                "The garment is not in the same place in the result and the source photo."
            )
        moved = np.median(placed.motion[garment_mask], axis=0)
        source, mannequin_mask, garment_mask, inside_mask = (
            _moved(p, moved) for p in (source, mannequin_mask, garment_mask, inside_mask)
        )
    source = _as_lit(source, result, garment_mask, mannequin_mask)
    look = color.inside(mannequin_mask)
    survived = _surviving(result, source, look, garment_mask, inside_mask)
    local = np.where(look, survived, np.nan).astype(np.float32)
    return Measure(
        _worst_part(survived, look),
        local=local,
        unknown=np.zeros(look.shape, bool),
        details={"survived_px": float(survived.sum())},
    )


def _worst_part(survived: np.ndarray, look: np.ndarray) -> float:
    """Returns the largest share of a part, or of all, that survives."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(look.astype(np.uint8))
    kept = np.bincount(parts[survived], minlength=count)[1:]
    sizes = stats[1:count, cv2.CC_STAT_AREA]
    total = max(1, int(sizes.sum()))
    large = sizes >= max(MIN_PART_PX, MIN_PART * total)
    shares = kept[large] / sizes[large]
    return float(max([kept.sum() / total, *shares]))


def _moved(array: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Moves a picture or mask as a whole; `motion` is where its pixels are fetched from."""
    matrix = np.array([[1, 0, -motion[0]], [0, 1, -motion[1]]], np.float32)
    size = array.shape[1::-1]
    if array.dtype == bool:
        flags = cv2.INTER_NEAREST
        return cv2.warpAffine(array.astype(np.uint8), matrix, size, flags=flags) > 0
    return cv2.warpAffine(array, matrix, size, borderMode=cv2.BORDER_REPLICATE)


def _surviving(
    result: np.ndarray,
    source: np.ndarray,
    look: np.ndarray,
    garment_mask: np.ndarray,
    inside_mask: np.ndarray,
) -> np.ndarray:
    after, before = (cv2.GaussianBlur(color.to_lab(p), (0, 0), SMOOTH_PX) for p in (result, source))
    alike = look & (np.linalg.norm(after - before, axis=2) < SAME_LAB)
    light = after[..., 0] / 100, before[..., 0] / 100
    agreement, structured = _structure(*light, np.ones(look.shape, np.float32))
    # A hand is narrower than a window, and what lies behind it is another matter.
    within, shaded = _structure(*light, look.astype(np.float32))
    agreement = np.where(shaded, np.maximum(agreement, within), agreement)
    alike &= ~structured | (agreement >= SAME_STRUCTURE)
    alike = masks.grow(masks.shrink(alike, 2), 2) & alike
    _, parts = cv2.connectedComponents(alike.astype(np.uint8))
    proof = alike & structured & ~masks.grow(garment_mask, WINDOW_PX)
    rim = look & ~masks.shrink(look, 2) & ~masks.grow(garment_mask | inside_mask, WINDOW_PX)
    left = rim & masks.grow(alike & structured, RIM_PX)
    proven = [
        part for part in np.unique(parts[proof]) if part and _has_rim(parts == part, rim, left)
    ]
    return alike & np.isin(parts, proven)


def _has_rim(part: np.ndarray, rim: np.ndarray, left: np.ndarray) -> bool:
    near = masks.grow(part, WINDOW_PX)
    count = int((rim & near).sum())
    return count < MIN_RIM_PX or (left & near).sum() >= MIN_RIM * count


def _as_lit(
    source: np.ndarray, result: np.ndarray, garment_mask: np.ndarray, look: np.ndarray
) -> np.ndarray:
    """Returns the source in the exposure and white balance of the result.

    The garment tells them, unless what surrounds it contradicts: then another room lights it, and
    what is left of the form may have been left as it was. A gain of light is a gain of encoded
    values as well, nearly, as their encoding is nearly a power.
    """
    gain = _gain(source, result, garment_mask)
    beside = _gain(source, result, ~(garment_mask | look))
    if gain is None or (np.abs(np.log(gain)) > MOST_GAIN).any():
        return source
    if beside is not None and (np.abs(np.log(gain / beside)) > SAME_GAIN).any():
        return source
    return np.clip(np.rint(source * gain), 0, 255).astype(np.uint8)


def _gain(source: np.ndarray, result: np.ndarray, where: np.ndarray) -> np.ndarray | None:
    before = source[where].astype(np.float32)
    told = ((before >= DARKEST) & (before <= BRIGHTEST)).all(1)
    if told.sum() < MIN_LIT_PX:
        return None
    return np.median(np.maximum(result[where][told], 1) / before[told], axis=0)


def _structure(
    after: np.ndarray, before: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the windows' normalised correlation, and where the source has structure at all."""
    window = WINDOW_PX, WINDOW_PX
    total = np.maximum(cv2.blur(weight, window), 1 / WINDOW_PX**2)

    def mean(picture: np.ndarray) -> np.ndarray:
        return cv2.blur(picture * weight, window) / total

    after_mean, before_mean = mean(after), mean(before)
    after_var = np.maximum(mean(after * after) - after_mean**2, 1e-8)
    before_var = np.maximum(mean(before * before) - before_mean**2, 1e-8)
    agreement = (mean(after * before) - after_mean * before_mean) / np.sqrt(after_var * before_var)
    # Noise in a flat result correlates with anything now and then; structure has an amplitude too.
    agreement[after_var < MIN_KEPT_VARIANCE * before_var] = 0
    return agreement, before_var > STRUCTURE_LUMA**2
