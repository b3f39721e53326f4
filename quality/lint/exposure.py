"""Exposure: what is clipped, how much light there is, and what colour it has."""

import numpy as np

from ..measure import Measure, unmeasurable
from .framing import NO_GARMENT
from .shot import Shot, ring

# 8-bit levels. All channels at least or at most so bright: no texture is left. The benchmark's own
# limit for blown-out white, and JPEG's ripple around black.
BLOWN_LEVEL, CRUSHED_LEVEL = 250, 6
# The brightest part of a photo: this percentile leaves highlights on buttons and lamps out.
BRIGHT_PERCENTILE = 98
# Cast: a backdrop at least this light (L*) is meant white or grey, unless it has clearly a colour
# of its own: at most this chroma (Lab).
PALE_L, COLORED_CHROMA = 50.0, 22.0
CLIPPED_L, GRAY_CHROMA = 99.5, 5.0
NEAR_SHARE = 0.15  # of the long side; the backdrop around the figure stands in its light
LEAST_PX = 400


def blown(shot: Shot) -> Measure:
    """Measures the share of the garment that is clipped to white."""
    return _share(shot, shot.image.min(axis=2) >= BLOWN_LEVEL)


def crushed(shot: Shot) -> Measure:
    """Measures the share of the garment that is lost in black."""
    return _share(shot, shot.image.max(axis=2) <= CRUSHED_LEVEL)


def brightness(shot: Shot) -> Measure:
    """Measures the lightness (L*) of the brightest part of the whole photo.

    The garment itself may be black; a photo in which nothing is light lacks light.
    """
    return Measure(
        float(np.percentile(shot.lab[..., 0], BRIGHT_PERCENTILE)),
        details={"garment_l": float(np.median(shot.lab[shot.garment][:, 0]))}
        if shot.garment.any()
        else {},
    )


def cast(shot: Shot) -> Measure:
    """Measures the chroma (Lab) of a backdrop that is meant white or grey.

    Lamps are yellower or bluer than the camera expects, so only such colours count; a pink or green
    wall is a coloured wall. `details` has the colour, `a` towards red and `b` towards yellow.
    """
    near = ring(shot.figure, shot.backdrop, NEAR_SHARE)
    if np.count_nonzero(near) < LEAST_PX:
        return unmeasurable("Too little of the backdrop is to be seen to judge the light's colour.")
    light, a, b = (float(value) for value in np.median(shot.lab[near], axis=0))
    chroma = float(np.hypot(a, b))
    if light > CLIPPED_L:
        return unmeasurable("The backdrop is clipped to white, so the light's colour is not known.")
    if light < PALE_L or chroma > COLORED_CHROMA or (chroma > GRAY_CHROMA and abs(a) > abs(b)):
        return unmeasurable("The backdrop is dark or coloured, so the light's colour is not known.")
    return Measure(chroma, details={"a": a, "b": b, "l": light})


def _share(shot: Shot, clipped: np.ndarray) -> Measure:
    if not shot.garment.any():
        return unmeasurable(NO_GARMENT)
    place = clipped & shot.garment
    share = np.count_nonzero(place) / np.count_nonzero(shot.garment)
    return Measure(share, local=place.astype(np.float32) if share else None)
