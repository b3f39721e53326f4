"""Contrast: how far the garment's colour is from what surrounds it."""

import numpy as np

from .. import color
from ..measure import Measure, unmeasurable
from .framing import NO_GARMENT
from .shot import Shot, ring, touching

NEAR_SHARE = 1 / 40  # of the long side
LEAST_PX = 60  # pixels for a median colour that means something
BORDER_PX = 3


def against_mannequin(shot: Shot) -> Measure:
    """Measures the Lab distance of the median colours of garment and mannequin."""
    if np.count_nonzero(shot.mannequin) < LEAST_PX:
        return unmeasurable("No mannequin is to be seen.")
    return _distance(shot, shot.mannequin)


def against_backdrop(shot: Shot) -> Measure:
    """Measures the Lab distance of the median colours of the garment and the backdrop near it."""
    near = ring(shot.garment, shot.backdrop, NEAR_SHARE)
    if np.count_nonzero(near) < LEAST_PX:
        return unmeasurable("Too little of the backdrop is to be seen beside the garment.")
    return _distance(shot, near)


def _distance(shot: Shot, other: np.ndarray) -> Measure:
    if np.count_nonzero(shot.garment) < LEAST_PX:
        return unmeasurable(NO_GARMENT)
    one, two = color.inside(shot.garment), color.inside(other)
    gap = np.median(shot.lab[one], axis=0) - np.median(shot.lab[two], axis=0)
    place = touching(shot.garment, other, BORDER_PX)
    return Measure(float(np.linalg.norm(gap)), local=place.astype(np.float32))
