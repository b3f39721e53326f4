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


def measure(
    result: np.ndarray, source: np.ndarray, mannequin_mask: np.ndarray, garment_mask: np.ndarray
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

    Returns:
        Share (0 to 1) of the mannequin's pixels that survive. The map is 1 where they do, 0 on
        the rest of the mannequin.
    """
    require_picture("result", result)
    require_picture("source", source)
    require_mask("mannequin_mask", mannequin_mask, source)
    if result.shape != source.shape:
        return unmeasurable("The result and the source photo differ in size.")
    require_mask("garment_mask", garment_mask, result)
    if mannequin_mask.sum() < MIN_MANNEQUIN_PX:
        return unmeasurable("No mannequin was found in the source photo.")
    if not alignment.aligned(result, source, garment_mask):
        return unmeasurable(
            "The garment is not in the same place in the result and the source photo."
        )
    look = color.inside(mannequin_mask)
    survived = _surviving(result, source, look, garment_mask)
    local = np.where(look, survived, np.nan).astype(np.float32)
    return Measure(
        float(survived.sum() / look.sum()),
        local=local,
        unknown=np.zeros(look.shape, bool),
        details={"survived_px": float(survived.sum())},
    )


def _surviving(
    result: np.ndarray, source: np.ndarray, look: np.ndarray, garment_mask: np.ndarray
) -> np.ndarray:
    after, before = (cv2.GaussianBlur(color.to_lab(p), (0, 0), SMOOTH_PX) for p in (result, source))
    alike = look & (np.linalg.norm(after - before, axis=2) < SAME_LAB)
    agreement, structured = _structure(after[..., 0] / 100, before[..., 0] / 100)
    alike &= ~structured | (agreement >= SAME_STRUCTURE)
    alike = masks.grow(masks.shrink(alike, 2), 2) & alike
    _, parts = cv2.connectedComponents(alike.astype(np.uint8))
    proof = alike & structured & ~masks.grow(garment_mask, WINDOW_PX)
    proven = np.unique(parts[proof])
    return alike & np.isin(parts, proven)


def _structure(after: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the windows' normalised correlation, and where the source has structure at all."""

    def mean(picture: np.ndarray) -> np.ndarray:
        return cv2.blur(picture, (WINDOW_PX, WINDOW_PX))

    after_mean, before_mean = mean(after), mean(before)
    after_var = np.maximum(mean(after * after) - after_mean**2, 1e-8)
    before_var = np.maximum(mean(before * before) - before_mean**2, 1e-8)
    agreement = (mean(after * before) - after_mean * before_mean) / np.sqrt(after_var * before_var)
    # Noise in a flat result correlates with anything now and then; structure has an amplitude too.
    agreement[after_var < MIN_KEPT_VARIANCE * before_var] = 0
    return agreement, before_var > STRUCTURE_LUMA**2
