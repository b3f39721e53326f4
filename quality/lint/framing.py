"""Framing: how large the garment is, how near the frame, how upright, and how many there are."""

import cv2
import numpy as np

from ...imaging import masks
from ..measure import Measure, unmeasurable
from .shot import Shot

NO_GARMENT = "No garment was found in the photo."
# Parsers leave this share of the long side free at the frame.
RIM_SHARE = 0.003
SIDES = ("top", "bottom", "left", "right")
# The axis is sought on a copy of this size, over these angles, in degrees.
AXIS_PX, AXIS_REACH_DEG, AXIS_STEP_DEG = 128, 15.0, 0.5
# Nothing is gained by a turn that mirrors less than this share of the figure better per degree.
TURN_PENALTY = 0.002
# A figure that mirrors worse than this has no axis to speak of.
LEAST_SYMMETRY = 0.75
# A second thing has at least this share of the first one's area; gaps up to this share of the
# long side do not part a garment (arms and belts cross it).
SECOND_SHARE, GAP_SHARE = 0.25, 1 / 60


def resolution(shot: Shot) -> Measure:
    """Measures the garment's longer side in pixels of the photo as it came."""
    box = masks.bounds(shot.garment)
    if box is None:
        return unmeasurable(NO_GARMENT)
    return Measure(max(box.height, box.width) / shot.scale)


def fill(shot: Shot) -> Measure:
    """Measures the share of the frame's height or width that the garment takes, the larger one."""
    box = masks.bounds(shot.garment)
    if box is None:
        return unmeasurable(NO_GARMENT)
    height, width = shot.garment.shape
    return Measure(max(box.height / height, box.width / width))


def cropping(shot: Shot) -> Measure:
    """Measures the share of the garment's outline that lies on the frame; details tell the sides.

    A garment that ends within RIM_SHARE of the frame counts as cut.
    """
    if not shot.garment.any():
        return unmeasurable(NO_GARMENT)
    rim = max(1, round(RIM_SHARE * max(shot.garment.shape)))
    strips = (
        shot.garment[:rim],
        shot.garment[-rim:],
        shot.garment[:, :rim].T,
        shot.garment[:, -rim:].T,
    )
    contact = [int(strip.any(0).sum()) for strip in strips]
    padded = np.pad(shot.garment, 1)
    outline = np.count_nonzero(padded & ~masks.shrink(padded, 1))
    place = np.zeros(shot.garment.shape, np.float32)
    thick = 3 * rim
    place[:thick] = place[-thick:] = 1
    place[:, :thick] = place[:, -thick:] = 1
    return Measure(
        min(1.0, sum(contact) / outline),
        local=place * shot.garment if any(contact) else None,
        details=dict(zip(SIDES, (count / outline for count in contact), strict=True)),
    )


def margin(shot: Shot) -> Measure:
    """Measures the least distance of the garment from the frame, as a share of that dimension."""
    box = masks.bounds(shot.garment)
    if box is None:
        return unmeasurable(NO_GARMENT)
    if cropping(shot).value:
        return unmeasurable("The garment is cut by the frame.")
    height, width = shot.garment.shape
    gaps = {
        "top": box.top / height,
        "bottom": 1 - box.bottom / height,
        "left": box.left / width,
        "right": 1 - box.right / width,
    }
    return Measure(min(gaps.values()), details=gaps)


def tilt(shot: Shot) -> Measure:
    """Measures how far the figure's axis of symmetry leans from the vertical, in degrees.

    The axis is that of the turn at which the figure covers its own mirror image best. `details`
    has the signed angle, positive where the top leans to the right, and the share covered.
    """
    figure = masks.largest(shot.figure)
    box = masks.bounds(figure)
    if box is None:
        return unmeasurable(NO_GARMENT)
    if cropping(shot).details.get("left") or cropping(shot).details.get("right"):
        return unmeasurable("The figure's sides are cut by the frame, so its axis is not known.")
    scale = AXIS_PX / max(box.height, box.width)
    size = max(2, round(box.width * scale)), max(2, round(box.height * scale))
    cut = figure[box.top : box.bottom, box.left : box.right].astype(np.float32)
    small = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
    angles = np.arange(-AXIS_REACH_DEG, AXIS_REACH_DEG + AXIS_STEP_DEG, AXIS_STEP_DEG)
    covered = np.array([_mirrored(small, float(angle)) for angle in angles])
    best = int(np.argmax(covered - TURN_PENALTY * np.abs(angles)))
    if covered[best] < LEAST_SYMMETRY:
        return unmeasurable("The figure is not symmetrical enough to have an axis.")
    angle = float(angles[best])
    details = {"angle_deg": angle, "symmetry": float(covered[best])}
    return Measure(abs(angle), details=details)


def count(shot: Shot) -> Measure:
    """Counts the garments or figures that stand apart, each at least SECOND_SHARE of the first."""
    if not shot.garment.any():
        return unmeasurable(NO_GARMENT)
    garments, place = _apart(shot.garment)
    figures, other = _apart(shot.figure)
    return Measure(
        float(max(garments, figures)),
        local=place if garments >= figures else other,
        details={"garments": garments, "figures": figures},
    )


def _mirrored(mask: np.ndarray, angle_deg: float) -> float:
    """Returns the share of a mask that covers its mirror image, after a turn by the angle."""
    height, width = mask.shape
    side = int(np.ceil(np.hypot(height, width)))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, 1)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    turned = cv2.warpAffine(mask, matrix, (side, side))
    # Row by row, the convolution of a mask with itself is its overlap with its mirror image, at
    # every place of the axis.
    spectrum = np.fft.rfft(turned, 2 * side, axis=1)
    overlap = np.fft.irfft((spectrum**2).sum(0), 2 * side)
    return float(overlap.max() / max(1e-6, float((turned**2).sum())))


def _apart(mask: np.ndarray) -> tuple[int, np.ndarray | None]:
    gap_px = max(1, round(GAP_SHARE * max(mask.shape)))
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, masks.disc(gap_px))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(closed)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not len(areas):
        return 0, None
    large = np.flatnonzero(areas >= SECOND_SHARE * areas.max()) + 1
    first = 1 + int(np.argmax(areas))
    others = np.isin(parts, large[large != first])
    return len(large), others.astype(np.float32) if others.any() else None
