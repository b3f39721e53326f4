"""Surroundings: other things in the picture, and a backdrop that is not plain."""

import cv2
import numpy as np

from ...imaging import masks
from ..measure import Measure, unmeasurable
from .shot import Shot, ring

# What touches the garment within this share of the long side disturbs its outline.
NEAR_SHARE = 0.08
# Left out beside the figure: its own soft edge and contact shadow.
CLEAR_SHARE = 0.012
LEAST_PX = 400
UNEVEN_L = 1.0  # L*; about what is seen on a large area
# Length of the structure that is looked for, as a share of the long side: planks, bricks, folds of
# a sheet are larger than the grain of a photo and smaller than the light's falloff.
FINE_SHARE, COARSE_SHARE = 1 / 512, 1 / 32


def clutter(shot: Shot) -> Measure:
    """Measures the share of the photo that other things take."""
    share = float(shot.clutter.mean())
    return Measure(share, local=shot.clutter.astype(np.float32) if share else None)


def unrest(shot: Shot) -> Measure:
    """Measures how much of the backdrop beside the garment is patterned rather than plain.

    Returns:
        Share of the backdrop near the garment where the lightness differs from its surroundings by
        UNEVEN_L; grain and the light's falloff are left out. One line, as of a skirting board, is a
        small share; planks, bricks and folds are nearly all of it.
    """
    taken = ~shot.backdrop
    long_side = max(taken.shape)
    clear = shot.backdrop & ~masks.grow(taken, max(2, round(CLEAR_SHARE * long_side)))
    near = ring(shot.garment, clear, NEAR_SHARE)
    if np.count_nonzero(near) < LEAST_PX:
        return unmeasurable("Too little of the backdrop is to be seen around the garment.")
    weight = clear.astype(np.float32)
    light = shot.lab[..., 0]
    fine = _smooth(light, weight, FINE_SHARE * long_side)
    coarse = _smooth(light, weight, COARSE_SHARE * long_side)
    uneven = near & (np.abs(fine - coarse) > UNEVEN_L)
    share = np.count_nonzero(uneven) / np.count_nonzero(near)
    return Measure(share, local=uneven.astype(np.float32) if share else None)


def _smooth(light: np.ndarray, weight: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blurs where the weight is, so that the figure does not bleed into the backdrop."""
    sigma_px = max(0.5, sigma_px)
    total = cv2.GaussianBlur(light * weight, (0, 0), sigma_px)
    return total / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma_px), 1e-3)
