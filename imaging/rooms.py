"""How far clothes stand off each part of a body, and how much room to leave for them."""

from typing import NamedTuple

import numpy as np

from . import protection, zones
from .zones import SIDES, Zones

ARMS = tuple(f"arm_{side}" for side in SIDES)
# What else cloth may lie on: cuffs, hems and hoods there say nothing about the width of sleeves.
ENDS = ("head", *(f"{part}_{side}" for part in ("hand", "foot") for side in SIDES))
# Room around the drawn body, in statures, in steps so that a border tells no more of the old
# garment than "close" or "loose". Measured on rendered garments with known joints, as the 97 % of
# cloth's distances, to which MARGIN is added; the first step holds tees, shirts and close dresses,
# the second nine in ten hoodies, sweaters and jackets: torso 0.036 and 0.062, arms 0.061 and 0.079
# below them, legs under tops 0.044 and 0.075.
ROOMS = {
    "torso": (0.055, 0.08, 0.115, 0.155, 0.21, 0.29),
    "neck": (0.03, 0.045, 0.06, 0.085, 0.115, 0.155, 0.21, 0.29),
    "head": (0.03, 0.045, 0.06, 0.085, 0.115, 0.155, 0.21, 0.29),
    "arm": (0.07, 0.095, 0.125, 0.16, 0.21, 0.29),
    "legs": (0.06, 0.09, 0.115, 0.155, 0.21, 0.29),
}
# Skirts and dresses flare: nine in ten of the same garments need 0.088. Trousers would need 0.03,
# but a narrower border would tell that trousers were worn.
FLARED = (0.1, 0.13, 0.16, 0.21, 0.29)
# Cloth hangs: on the upper and outer side of an arm it lies on the skin (97 % of all sleeves within
# 0.018 statures), below and toward the body it needs the whole room. Shares of the room, and the
# share of down in the direction from the bone between which they blend.
ABOVE, BLEND = 0.4, 0.2
# The same on the shoulders, where collars and seams stand up (nine in ten close garments within
# 0.026), and the statures below the neck over which it blends. What lies above the arm's end
# belongs to the shoulders: the share of an arm up to which it does.
SHOULDER, SLOPE, CAP = 0.7, 0.04, 0.02
# Beyond the farthest old cloth: its edge, its shadow and the ramp of the paste-back, in statures.
MARGIN = 0.012
# Share of a part's cloth that its room must hold; the rest is covered one by one.
SURE = 0.995
# Pixels of cloth on a part that count, as a share of all cloth.
FEW = 0.003


class Reach(NamedTuple):
    """How far a garment reaches on a body.

    Attributes:
        rooms: How far it stands off each part of the body, in statures; on the upper side of arms
            and shoulders as far as it would on the lower one.
        sleeve: Share of the way from shoulder to wrist that it covers.
        hem: Share of the way from hips to ankles.
    """

    rooms: dict[str, float]
    sleeve: float
    hem: float


def measure(cloth: np.ndarray, body: Zones, parts: tuple[str, ...]) -> Reach:
    """Measures how far cloth, or skin, stands off some parts, where no other part is nearer.

    Args:
        cloth: (h, w) bool.
        body: Zones of who wears it.
        parts: Names of zones.
    """
    index = nearest(body, parts)
    least = FEW * np.count_nonzero(cloth)
    rooms, lengths = {}, {"arm": 0.0, "legs": 0.0}
    for number, name in enumerate(parts):
        here = cloth & (index == number)
        enough = np.count_nonzero(here) > least
        rooms[name] = float(np.quantile(off(body, name)[here], SURE)) if enough else 0.0
        kind = name.split("_")[0]
        if enough and kind in lengths:
            end = float(np.quantile(body.along[name][here], SURE))
            lengths[kind] = max(lengths[kind], end)
    return Reach(rooms, lengths["arm"], lengths["legs"])


def off(body: Zones, name: str) -> np.ndarray:
    """Returns (h, w) distances from a part in statures, as they would be on its lower side."""
    away = body.away[name]
    if name in ARMS:
        lower = np.clip((body.below[name] / BLEND + 1) / 2, 0, 1)
        return away / (ABOVE + (1 - ABOVE) * lower)
    if name == "torso":
        lower = np.clip(body.along["torso"] / SLOPE, 0, 1)
        return away / (SHOULDER + (1 - SHOULDER) * lower)
    return away


def nearest(body: Zones, parts: tuple[str, ...]) -> np.ndarray:
    """Returns (h, w) index of the nearest of some parts; past them where another is nearer."""
    index, away = zones.nearest(body, parts)
    others = tuple(name for name in (*ARMS, *ENDS) if name not in parts)
    other = zones.nearest(body, others)[1]
    index = np.where((other < away) & (other <= protection.ON_IT), len(parts), index)
    for number, name in enumerate(parts):
        if name in ARMS and "torso" in parts:
            index[(index == number) & (body.along[name] <= CAP)] = parts.index("torso")
    return index


def step(room: float, name: str, *, flared: bool = False) -> float:
    """Returns the room to leave around a part where clothes stand off this far."""
    kind = name.split("_")[0]
    steps = FLARED if flared and kind == "legs" else ROOMS[kind]
    return up(room + MARGIN, steps)


def up(value: float, steps: tuple[float, ...]) -> float:
    """Returns the first step that holds a value, else the last."""
    return next((one for one in steps if one >= value), steps[-1])
