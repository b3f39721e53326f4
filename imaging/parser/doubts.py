"""What is doubtful about a parsing, in sentences for the user."""

import cv2
import numpy as np

from .. import color, labels, masks

# Lab distance of median colours below which two things are hard to tell apart (the benchmark's
# own limit for its low-contrast tags).
LOW_CONTRAST_LAB = 16.0
# A second garment has at least this share of the first one's area.
SECOND_GARMENT = 0.25
# All three channels at least this bright: clipped, without texture.
BLOWN_LEVEL, BLOWN_SHARE = 250, 0.3
SMALL_PX = 256
UNSURE = 0.7
# Share of a side of the frame along which a garment that is cut off touches it.
CUT_SHARE = 0.02
# Pixels needed for a median colour that means something.
LEAST_PX = 30

VERY_SMALL = (
    "The picture is very small ({width}x{height}), so edges will be coarse. "
    "Use a photo of at least 768x1024 pixels."
)
NO_GARMENT = (
    "No garment was found. Use a photo in which the garment stands out from the background, "
    "or paint the garment mask by hand."
)
TWO_GARMENTS = (
    "Two garments were found, and both are marked. "
    "Crop the photo to one of them, or erase the other from the mask."
)
PERSON = (
    "The photo seems to show a real person rather than a mannequin. "
    "Use it as the person picture, or choose a photo on a mannequin."
)
LIKE_MANNEQUIN = (
    "The garment and the mannequin have nearly the same color, so their border is doubtful. "
    "Check neck, arms and hem, or photograph the garment on a mannequin of another color."
)
LIKE_BACKGROUND = (
    "The garment and the background have nearly the same color, so the outline is doubtful. "
    "Check the outline, or photograph before a backdrop of another color."
)
BLOWN = (
    "Large parts of the garment are overexposed to pure white, so folds and edges are lost. "
    "Use a darker exposure."
)
SEVERAL = (
    "Several figures stand side by side, and only the one with the largest garment was parsed. "
    "Crop the photo to the one you want."
)
CUT = (
    "The garment is cut off by the frame ({sides}), so that part cannot be restored. "
    "Step back and take the whole garment into the picture."
)
DOUBTFUL = (
    "The masks are uncertain (confidence {confidence:.2f}). "
    "Look at the overlay, and correct the mask by hand where it is wrong."
)


def sentences(
    image: np.ndarray,
    label_map: np.ndarray,
    *,
    size: tuple[int, int],
    confidence: float,
    kind: str,
    several: bool,
) -> tuple[str, ...]:
    """Lists all doubts, the gravest first.

    Args:
        image: (H, W, 3) uint8 sRGB, the working copy.
        label_map: (H, W) uint8, of the same size.
        confidence: See `Parsing`.
        size: Height and width of the whole photo.
        kind: One of `parsing.KINDS`.
        several: Whether other figures stood beside the one that was parsed.
    """
    garment = label_map == labels.GARMENT
    if not garment.any():
        return (NO_GARMENT,)
    lab = color.to_lab(image)
    blown = float((image[garment].min(1) >= BLOWN_LEVEL).mean())
    sides = _cut_sides(garment)
    checks = (
        (min(size) < SMALL_PX, VERY_SMALL.format(height=size[0], width=size[1])),
        (kind == "person", PERSON),
        (several, SEVERAL),
        (_second_share(garment) > SECOND_GARMENT, TWO_GARMENTS),
        (confidence < UNSURE, DOUBTFUL.format(confidence=confidence)),
        (_alike(lab, garment, label_map == labels.MANNEQUIN), LIKE_MANNEQUIN),
        (_alike(lab, garment, _around(label_map)), LIKE_BACKGROUND),
        (blown > BLOWN_SHARE, BLOWN),
        (bool(sides), CUT.format(sides=", ".join(sides))),
    )
    return tuple(sentence for holds, sentence in checks if holds)


def _alike(lab: np.ndarray, first: np.ndarray, second: np.ndarray) -> bool:
    if min(int(first.sum()), int(second.sum())) < LEAST_PX:
        return False
    gap = np.median(lab[first], axis=0) - np.median(lab[second], axis=0)
    return bool(np.linalg.norm(gap) < LOW_CONTRAST_LAB)


def _cut_sides(garment: np.ndarray) -> list[str]:
    """Names the sides of the frame at which the garment goes on outside of it."""
    rims = {
        "top": garment[0],
        "bottom": garment[-1],
        "left": garment[:, 0],
        "right": garment[:, -1],
    }
    return [name for name, rim in rims.items() if rim.mean() > CUT_SHARE]


def _around(label_map: np.ndarray) -> np.ndarray:
    """Selects the background next to the garment."""
    near = masks.grow(label_map == labels.GARMENT, max(2, max(label_map.shape) // 40))
    return near & (label_map == labels.BACKGROUND)


def _second_share(garment: np.ndarray) -> float:
    """Returns the second part's area by the first's; parts a few pixels apart count as one."""
    closed = cv2.morphologyEx(
        garment.astype(np.uint8), cv2.MORPH_CLOSE, masks.disc(max(1, max(garment.shape) // 60))
    )
    _, _, stats, _ = cv2.connectedComponentsWithStats(closed)
    areas = np.sort(stats[1:, cv2.CC_STAT_AREA])[::-1]
    return float(areas[1] / areas[0]) if len(areas) > 1 else 0.0
