"""Where a person is repainted so that nothing of the old garment shapes the new one.

The border of that area is drawn around the body, not around the old garment: it reaches past every
sleeve and hem that a garment of this kind may have, and is widened in steps where the old or the
new garment stands off farther. So it looks the same for a T-shirt and for a shirt with long
sleeves, and an engine cannot read the old cut from it.
"""

from typing import NamedTuple

import cv2
import numpy as np

from . import labels, masks, protection, rooms, zones
from .parsing import REGIONS, Parsing
from .pose import Pose
from .rooms import ARMS, Reach
from .zones import Zones

EXTENTS = ("full", "fit")
# Parts that a garment of this region covers.
PARTS = {
    "upper": ("torso", "neck", *ARMS, "legs"),
    "layered": ("torso", "neck", *ARMS, "legs"),
    "dress": ("torso", "neck", *ARMS, "legs"),
    "lower": ("torso", "legs"),
}
# Regions whose garments may flare about the legs.
FLARING = ("dress", "lower")
# Skin says where the limbs are if the pose is off, but not farther off than this, in statures.
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
# Share of a hand that cuffs may cover without being seen there: a third reaches the thumb.
CUFF = 0.33
# Notches narrower than twice this are closed, in statures.
NOTCH = 0.02
GRAY = 128


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
        ValueError: region or extent is unknown, parsing, pose and image differ in size, or the
            extent is fit and no garment is given.

    Reference:
        The clothing-agnostic person of Choi et al., VITON-HD, CVPR 2021, with a border that does
        not depend on the old garment.
    """
    _check(parsing, pose, region, image, extent)
    if extent == "fit" and garment is None:
        raise ValueError(
            "garment must be given for the extent fit, got nothing. Give the reach of the new "
            "garment, or choose full."
        )
    body, size = zones.draw(pose), zones.working_size(parsing.size)
    small = cv2.resize(parsing.label_map, size[::-1], interpolation=cv2.INTER_NEAREST)
    worn = (small == labels.GARMENT) | (small == labels.INTERIOR)
    skin = (small == labels.MANNEQUIN) | protection.shoes(small == labels.SUPPORT, body)
    cloth = worn & _in_scope(parsing.region, region, body)
    need = _needed(cloth, skin, body, region, garment)
    bare = _bare(region, extent, need, garment)
    seen = None if image is None else cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    # Pixels of its edge hold the cloth's colour, too.
    edge = masks.grow(cloth, 1)
    stays = protection.select(skin, edge, body, bare=bare, image=seen)
    if region == "lower":
        stays |= worn & ~edge
    hem = _hem(region, extent, need, garment)
    drawn = _envelope(body, region, need, bare, hem, cloth)
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
    parts = PARTS.get(parsing.region, PARTS["upper"])
    return rooms.measure(cloth, body, (*parts, "head"))


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
        sizes["person"] = image.shape[0], image.shape[1]
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
    parts = (*PARTS[region], "head") if "neck" in PARTS[region] else PARTS[region]
    old = rooms.measure(cloth, body, parts)
    limbs = rooms.measure(skin, body, tuple(n for n in parts if n not in ("neck", "head")))
    skins = {name: min(room, FARTHEST_SKIN) for name, room in limbs.rooms.items()}
    others = [skins, *([] if garment is None else [garment.rooms])]
    most = {n: max(old.rooms[n], *(o.get(n, 0.0) for o in others)) for n in parts}
    return old._replace(rooms=most)


def _bare(region: str, extent: str, need: Reach, garment: Reach | None) -> float:
    """Returns the share of the arms from which on they stay as they are."""
    if region == "lower":
        return 0.0
    if extent == "full" or garment is None:
        return 2.0
    step = rooms.up(max(need.sleeve, garment.sleeve) + SLACK, SLEEVES)
    return step if step < 1 else 2.0


def _hem(region: str, extent: str, need: Reach, garment: Reach | None) -> float:
    """Returns the share of the legs down to which they are painted anew."""
    if extent == "full" or garment is None:
        return rooms.up(max(need.hem + SLACK, FULL_HEM[region]), HEMS)
    return rooms.up(max(need.hem, garment.hem) + SLACK, HEMS)


def _envelope(
    body: Zones, region: str, need: Reach, bare: float, hem: float, cloth: np.ndarray
) -> np.ndarray:
    """(h, w) bool, the body with room for clothes, as far as clothes of the region may go."""
    found = np.zeros(body.along["legs"].shape, bool)
    for name in PARTS[region]:
        room = rooms.step(need.rooms[name], name, flared=region in FLARING)
        near = rooms.off(body, name) <= room
        if name in ARMS:
            near &= (body.along[name] > rooms.CAP) & (body.along[name] <= bare)
            near &= ~_past_cuff(body, name, cloth)
        elif name == "legs":
            near &= body.along[name] <= hem
        found |= near
    if region == "lower":
        found &= body.along["torso"] >= WAIST
    elif need.rooms["head"] > 0:
        found |= body.away["head"] <= rooms.step(need.rooms["head"], "head")
    else:
        found &= ~protection.beside_head(body)
    return _closed(found, NOTCH * body.stature_px)


def _past_cuff(body: Zones, arm: str, cloth: np.ndarray) -> np.ndarray:
    """(h, w) bool, beyond the wrist by more than a sleeve may hang over the hand."""
    hand = arm.replace("arm", "hand")
    cuff = max(CUFF, protection.uncovered(body, cloth, hand))
    return (body.along[arm] >= 1) & (body.along[hand] > cuff)


def _with_rest(drawn: np.ndarray, cloth: np.ndarray, body: Zones) -> np.ndarray:
    """Adds old cloth that lies farther off than usual, with a margin around all cloth."""
    if not cloth.any():
        return drawn
    margin_px = rooms.MARGIN * body.stature_px
    found = drawn | (_distance_px(cloth) <= margin_px)
    rest = cloth & ~drawn
    return found | (_distance_px(rest) <= 2 * margin_px) if rest.any() else found


def _distance_px(found: np.ndarray) -> np.ndarray:
    """(h, w) distance from what was found, which must not be nothing."""
    return cv2.distanceTransform((~found).astype(np.uint8), cv2.DIST_L2, 5)


def _closed(found: np.ndarray, radius_px: float) -> np.ndarray:
    """Closes notches and gaps; by distances, as large discs are slow."""
    if not found.any():
        return found
    wide = _distance_px(found) <= radius_px
    return wide if wide.all() else _distance_px(~wide) > radius_px
