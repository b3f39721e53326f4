"""Guesses kind and region of a photo from where mannequin lies about the garment.

A stand-in for parsers that do not say; lengths are in widths of the garment's waist.
"""

import numpy as np

from . import masks
from .parsing import Parsing

DRESS_LENGTH = 2.7  # tops are about 2.1 waists long, dresses 3.4
TRUNK_WIDTH = 0.6  # of the garment; a neck over it is narrower, a bare trunk is not
HEAD_RISE = 0.6  # a neck stub rises 0.3 waists over the collar, a head 0.9
TRUNK_RISE = 0.5  # a waist cap rises 0.3 waists over the waistband, a trunk 1.2
HEAD_OVER_WAIST = 1.75  # with a head the trunk rises 2.1 waists, without 1.4
LIMB_AREA = 0.04  # squared waists of mannequin that make an arm or legs


def guess(parsing: Parsing) -> Parsing:
    """Fills in kind and region of a parsing whose kind is unknown; others are returned as is."""
    garment = masks.largest(parsing.garment)
    box = masks.bounds(garment)
    if parsing.kind != "unknown" or box is None:
        return parsing
    mannequin = parsing.mannequin
    waist = max(_middle_width(garment, box), 1.0)
    above = mannequin[: box.top + max(1, box.height // 50)]
    rows = np.flatnonzero(above.any(1))
    rise = (box.top - rows[0]) / waist if len(rows) else 0.0
    joint = np.median(above[-max(2, box.height // 15) :].sum(1))
    lower = rise > 0 and joint > TRUNK_WIDTH * waist
    region = "lower" if lower else "upper" if box.height < DRESS_LENGTH * waist else "dress"
    return parsing._replace(kind=_kind(mannequin, box, waist, rise, lower), region=region)


def _kind(mannequin: np.ndarray, box: masks.Bounds, waist: float, rise: float, lower: bool) -> str:
    if mannequin.sum() < LIMB_AREA * waist**2:
        return "ghost"
    if lower:
        if rise < TRUNK_RISE:
            return "legs"
        return "full" if rise > HEAD_OVER_WAIST else "headless"
    centre = (box.left + box.right) / 2
    aside = np.abs(np.arange(mannequin.shape[1]) - centre) > 0.75 * waist
    hands = mannequin[box.top + round(0.9 * waist) : box.bottom] & aside
    if rise > HEAD_RISE:
        return "full"
    if hands.sum() > LIMB_AREA * waist**2:
        return "headless"
    return "armless" if mannequin[box.bottom :].sum() > LIMB_AREA * waist**2 else "dressform"


def _middle_width(garment: np.ndarray, box: masks.Bounds) -> float:
    """The narrowest that the garment's longest run gets about its middle height."""
    first = box.top + box.height // 5
    band = garment[first : max(first + 1, box.top + 3 * box.height // 5)]
    padded = np.pad(band.astype(np.int8), ((0, 0), (1, 1)))
    longest = []
    for row in padded:
        edges = np.flatnonzero(np.diff(row))
        longest.append(max(edges[1::2] - edges[::2], default=0))
    return float(np.quantile(longest, 0.1))
