"""Where a person is repainted so that nothing of the old garment shapes the new one.

The border of that area is drawn around the body, not around the old garment: it reaches past every
sleeve and hem that a garment of this kind may have, and is widened in steps where the old or the
new garment stands off farther. So it looks the same for a T-shirt and for a shirt with long
sleeves, and an engine cannot read the old cut from it.
"""

from typing import NamedTuple

import cv2
import numpy as np

from . import labels, masks, protection, zones
from .parsing import REGIONS, Parsing
from .pose import Pose
from .zones import SIDES, Zones

EXTENTS = ("full", "fit")
ARMS = tuple(f"arm_{side}" for side in SIDES)
# Parts that a garment of this region covers.
PARTS = {
    "upper": ("torso", "neck", *ARMS, "legs"),
    "layered": ("torso", "neck", *ARMS, "legs"),
    "dress": ("torso", "neck", *ARMS, "legs"),
    "lower": ("torso", "legs"),
}
# What else cloth may lie on: cuffs, hems and hoods there say nothing about the width of sleeves.
ENDS = ("head", *(f"{part}_{side}" for part in ("hand", "foot") for side in SIDES))
# Room around the drawn body, in statures; the first is for close clothes. Of the rendered training
# garments nine in ten tees need 0.045, shirts 0.068, jackets 0.09, flared dresses 0.11.
ROOMS = (0.06, 0.085, 0.115, 0.155, 0.21, 0.29)
NECK_ROOMS = (0.03, 0.045, *ROOMS)
# Beyond the farthest old cloth: its edge, its shadow and the ramp of the paste-back, in statures.
MARGIN = 0.012
# Share of a part's cloth that its room must hold; the rest is covered one by one.
SURE = 0.995
# Skin says where the arms are if the pose is off, but not farther off than this, in statures.
FARTHEST_SKIN = 0.07
# Share of the way from hips to ankles: where hems end (hip, knee, calf, floor), and where "full"
# ends. Hems of tops lie at 0.12 with a deviation of 0.07, of dresses at 0.54 with one of 0.11.
HEMS = (0.3, 0.55, 0.8, 1.15)
FULL_HEM = {"upper": 0.3, "layered": 0.55, "dress": 1.15, "lower": 1.15}
# Share of the way from shoulder to wrist: above the elbow, on the forearm, all.
SLEEVES = (0.38, 0.7, 1.0)
# A sleeve or hem may be pushed this much farther.
SLACK = 0.06
# What hangs lower than this share of the legs on a top is no top.
LONGEST_TOP = 0.8
# Statures below the neck at which what is worn below begins, with room for a high waist.
WAIST = 0.15
# Pixels of cloth on a part that count, as a share of all cloth.
FEW = 0.003
# Notches narrower than twice this are closed, in statures.
NOTCH = 0.02
GRAY = 128


class Reach(NamedTuple):
    """How far a garment reaches on a body.

    Attributes:
        rooms: How far it stands off each part of the body, in statures.
        sleeve: Share of the way from shoulder to wrist that it covers.
        hem: Share of the way from hips to ankles.
    """

    rooms: dict[str, float]
    sleeve: float
    hem: float


class Area(NamedTuple):
    """What is repainted and what never is.

    Attributes:
        mask: (H, W) bool, to be painted anew; nothing of `protected`.
        protected: (H, W) bool: hands, face, hair, feet, and for what is worn below the waist arms
            and top.
    """

    mask: np.ndarray
    protected: np.ndarray


def mask(
    parsing: Parsing,
    pose: Pose,
    region: str,
    *,
    image: np.ndarray | None = None,
    garment: Reach | None = None,
    extent: str = "full",
) -> np.ndarray:
    """Selects everything that could betray the old garment; arguments as for `area`.

    Returns:
        (H, W) bool.
    """
    return area(parsing, pose, region, image=image, garment=garment, extent=extent).mask


def protected(
    parsing: Parsing, pose: Pose, region: str, *, image: np.ndarray | None = None
) -> np.ndarray:
    """Returns (H, W) bool, what must never be repainted; arguments as for `area`."""
    return area(parsing, pose, region, image=image).protected


def area(
    parsing: Parsing,
    pose: Pose,
    region: str,
    *,
    image: np.ndarray | None = None,
    garment: Reach | None = None,
    extent: str = "full",
) -> Area:
    """Decides where a person is painted anew.

    Args:
        parsing: Of the person's photo.
        pose: Of the person, in pixels of the photo.
        region: One of `parsing.REGIONS`, what the new garment covers.
        image: (H, W, 3) uint8 sRGB, the photo; with it long hair is protected.
        garment: Of the new garment, from `reach`; the area then has room for it.
        extent: "full" goes down to wrists and ankles whatever is worn; "fit" ends where neither
            the old nor the new garment reaches, and needs `garment`: arms and legs stay as they
            are where both leave them bare.

    Returns:
        The area.

    Raises:
        ValueError: region or extent is unknown, or parsing, pose and image differ in size.

    Reference:
        The clothing-agnostic person of Choi et al., VITON-HD, CVPR 2021, with a border that does
        not depend on the old garment.
    """
    _check(parsing, pose, region, image, extent)
    body, size = zones.draw(pose), zones.working_size(parsing.size)
    small = cv2.resize(parsing.label_map, size[::-1], interpolation=cv2.INTER_NEAREST)
    worn = (small == labels.GARMENT) | (small == labels.INTERIOR)
    skin = small == labels.MANNEQUIN
    cloth = worn & _in_scope(parsing.region, region, body)
    need = _needed(cloth, skin, body, region, garment)
    bare = _bare(region, extent, need, garment)
    seen = None if image is None else cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    # Pixels of its edge hold the cloth's colour, too.
    edge = masks.grow(cloth, 2)
    stays = protection.select(skin, edge, body, bare=bare, image=seen)
    if region == "lower":
        stays |= worn & ~edge
    drawn = _envelope(body, region, need, bare, _hem(region, extent, need, garment))
    drawn = _with_rest(drawn, cloth & ~stays, body)
    stays = zones.enlarged(stays, parsing.size)
    return Area(zones.enlarged(drawn, parsing.size) & ~stays, stays)


def reach(parsing: Parsing, pose: Pose) -> Reach:
    """Measures how far a garment reaches on the body that its own photo shows or implies.

    Args:
        parsing: Of the garment's photo.
        pose: In pixels of that photo.
    """
    body, size = zones.draw(pose), zones.working_size(parsing.size)
    cloth = zones.reduced(parsing.garment, size)
    return _reach(cloth, body, PARTS.get(parsing.region, PARTS["upper"]))


def picture(person: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the agnostic image: the person with the area neutralised to middle gray.

    Args:
        person: (H, W, 3) uint8 sRGB.
        mask: (H, W) bool.
    """
    result = person.copy()
    result[mask] = GRAY
    return result


def _check(
    parsing: Parsing, pose: Pose, region: str, image: np.ndarray | None, extent: str
) -> None:
    for name, value, options in (("region", region, REGIONS), ("extent", extent, EXTENTS)):
        if value not in options:
            raise ValueError(
                f"{name} must be one of {', '.join(options)}, got {value!r}. Choose one of these."
            )
    sizes = {"pose": (pose.height, pose.width)}
    if image is not None:
        sizes["image"] = image.shape[0], image.shape[1]
    for name, size in sizes.items():
        if size != parsing.size:
            raise ValueError(
                f"{name} must be {parsing.size[0]}x{parsing.size[1]} like parsing, got "
                f"{size[0]}x{size[1]}. Connect the one of the same photo."
            )


def _in_scope(old: str, new: str, body: Zones) -> np.ndarray:
    """(h, w) bool, where cloth belongs to what the new garment replaces."""
    everywhere = np.ones(body.along["legs"].shape, bool)
    if new == "dress":
        return everywhere
    if new == "lower":
        return (body.along["torso"] > WAIST) & (old in ("lower", "dress"))
    if old == "lower":
        return ~everywhere
    return everywhere if old == "dress" else body.along["legs"] <= LONGEST_TOP


def _needed(
    cloth: np.ndarray, skin: np.ndarray, body: Zones, region: str, garment: Reach | None
) -> Reach:
    """The old garment's reach, with room for the new one, and where a body is that is drawn off."""
    parts = PARTS[region]
    old = _reach(cloth, body, parts)
    limbs = _reach(skin, body, tuple(name for name in parts if name != "neck"))
    rooms = {name: min(room, FARTHEST_SKIN) for name, room in limbs.rooms.items()}
    others = [rooms, *([] if garment is None else [garment.rooms])]
    most = {n: max(old.rooms[n], *(o.get(n, 0.0) for o in others)) for n in parts}
    return old._replace(rooms=most)


def _reach(cloth: np.ndarray, body: Zones, parts: tuple[str, ...]) -> Reach:
    index, away = _nearest(body, parts)
    least = FEW * np.count_nonzero(cloth)
    rooms, lengths = {}, {"arm": 0.0, "legs": 0.0}
    for number, name in enumerate(parts):
        here = cloth & (index == number)
        enough = np.count_nonzero(here) > least
        rooms[name] = float(np.quantile(away[here], SURE)) if enough else 0.0
        kind = name.split("_")[0]
        if enough and kind in lengths:
            end = float(np.quantile(body.along[name][here], SURE))
            lengths[kind] = max(lengths[kind], end)
    return Reach(rooms, lengths["arm"], lengths["legs"])


def _nearest(body: Zones, parts: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Index of the nearest of some parts and its distance; past the parts where an end is near."""
    index, away = zones.nearest(body, parts)
    end = zones.nearest(body, ENDS)[1]
    return np.where((end < away) & (end <= protection.ON_IT), len(parts), index), away


def _bare(region: str, extent: str, need: Reach, garment: Reach | None) -> float:
    """Returns the share of the arms from which on they stay as they are."""
    if region == "lower":
        return 0.0
    if extent == "full" or garment is None:
        return 2.0
    step = _step(max(need.sleeve, garment.sleeve) + SLACK, SLEEVES)
    return step if step < 1 else 2.0


def _hem(region: str, extent: str, need: Reach, garment: Reach | None) -> float:
    """Returns the share of the legs down to which they are painted anew."""
    if extent == "full" or garment is None:
        return _step(max(need.hem + SLACK, FULL_HEM[region]), HEMS)
    return _step(max(need.hem, garment.hem) + SLACK, HEMS)


def _step(value: float, steps: tuple[float, ...]) -> float:
    return next((step for step in steps if step >= value), steps[-1])


def _envelope(body: Zones, region: str, need: Reach, bare: float, hem: float) -> np.ndarray:
    """(h, w) bool, the body with room for clothes, as far as clothes of the region may go."""
    found = np.zeros(body.along["legs"].shape, bool)
    for name in PARTS[region]:
        steps = NECK_ROOMS if name == "neck" else ROOMS
        near = body.away[name] <= _step(need.rooms[name] + MARGIN, steps)
        if name in ARMS:
            near &= body.along[name] <= bare
        elif name == "legs":
            near &= body.along[name] <= hem
        found |= near
    if region == "lower":
        found &= body.along["torso"] >= WAIST
    return _closed(found, NOTCH * body.stature_px)


def _with_rest(drawn: np.ndarray, cloth: np.ndarray, body: Zones) -> np.ndarray:
    """Adds old cloth that lies farther off than usual, with a margin."""
    rest = cloth & ~drawn
    if not rest.any():
        return drawn
    away = cv2.distanceTransform((~rest).astype(np.uint8), cv2.DIST_L2, 5)
    return drawn | (away <= 2 * MARGIN * body.stature_px)


def _closed(found: np.ndarray, radius_px: float) -> np.ndarray:
    """Closes notches and gaps; by distances, as large discs are slow."""
    if not found.any():
        return found
    wide = cv2.distanceTransform((~found).astype(np.uint8), cv2.DIST_L2, 5) <= radius_px
    if wide.all():
        return wide
    return cv2.distanceTransform(wide.astype(np.uint8), cv2.DIST_L2, 5) > radius_px
