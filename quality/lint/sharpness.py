"""Sharpness: how wide the garment's edges are, whatever the cloth is like."""

import numpy as np

from ...imaging import masks
from .. import color, edge
from ..measure import Measure, unmeasurable
from .shot import Shot

# Gaussian whose step has the slope 1 / px: slope over contrast is 1 / (sigma sqrt(2 pi)).
STEP_SIGMA_PX = 1 / np.sqrt(2 * np.pi)
# What central differences over two pixels make of a perfect step.
PERFECT_SIGMA_PX = 0.8
# The sharpest edges count: a mask a little off, fringe and shade only make edges look softer.
SHARPEST = 80  # percentile
# Share of the long side: the parsing's outline lies this near the garment's.
BAND_SHARE = 0.01
MIN_EDGE_PX = 60  # fewer edge pixels are chance


def blur(shot: Shot) -> Measure:
    """Measures the blur of the garment's sharpest edges: outline, seams, prints, weave.

    Smooth cloth has no edges of its own; only places with contrast count, so it does not pass for
    a blurred photo.

    Returns:
        Sigma of the Gaussian blur that would make such edges, in pixels of the photo at a long
        side of at most 2048. `details` has it of the outline and of the inside.

    Reference:
        Own measure: steepest gradient over contrast, as in `quality.edge`.
    """
    if not shot.garment.any():
        return unmeasurable("No garment was found in the photo.")
    near = masks.grow(shot.garment, max(1, round(BAND_SHARE * max(shot.garment.shape))))
    box = masks.bounds(near)
    if box is None:
        return unmeasurable("No garment was found in the photo.")
    window = slice(box.top, box.bottom), slice(box.left, box.right)
    found = edge.crispness(color.luma(shot.image[window]))
    found[~near[window]] = np.nan
    inside = masks.shrink(shot.garment[window], edge.CONTRAST_PX)
    sigmas = {
        "outline_px": _sigma_px(found[~inside]),
        "inside_px": _sigma_px(found[inside]),
    }
    known = {name: sigma for name, sigma in sigmas.items() if sigma is not None}
    if not known:
        return unmeasurable("The garment has no edge with enough contrast to judge sharpness.")
    return Measure(min(known.values()), details=known)


def _sigma_px(crispness: np.ndarray) -> float | None:
    seen = crispness[np.isfinite(crispness)]
    if len(seen) < MIN_EDGE_PX:
        return None
    apparent = STEP_SIGMA_PX / float(np.percentile(seen, SHARPEST))
    return float(np.sqrt(max(0.0, apparent**2 - PERFECT_SIGMA_PX**2)))
