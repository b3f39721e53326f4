"""Cutting the garment free: mannequin and stand go, and nothing is invented but small holes."""

from typing import NamedTuple

import cv2
import numpy as np

from . import backdrop, labels, masks, matting, pare, repaint, shadow, stitch, studio
from .parsing import Parsing

# A piece of garment under this share of the largest one is no second garment.
SMALL_PIECE = 0.15
# It stays where it is no crumb, and near: a cuff behind an arm, a strap behind hair. The gap is in
# shares of the photo's long side.
CRUMB, NEAR = 0.01, 0.03
# An arm or pole in front of the cloth is at most this wide, in halves of the garment's width, and
# lies below this share of its height: above are neck and armholes, which stay open.
HALF_WIDTH, TOP = 0.12, 0.3
# Opacity from which a pixel shows nothing but garment.
CERTAIN = 0.98
# Half width of holes and notches that are errors of the labels, in halves of the soft border: as
# matting looks at that border anyway, eyelets that it sees stay open.
SPECK = 0.5
# More than this share of inside around a hole makes it an opening.
OF_INSIDE = 0.1


class Cutout(NamedTuple):
    """A garment cut free.

    Attributes:
        image: (H, W, 3) uint8 sRGB, on the chosen background.
        foreground: (H, W, 3) uint8 sRGB, the garment's colours without the old background's;
            equal to the photo where `alpha` is 1, extended outward where it is 0.
        alpha: (H, W) float32 in [0, 1], opacity of the garment with its visible inside.
        repaint: (H, W) bool, where a body should appear or cloth was made up, for a generative
            engine: `repaint.area` and the filled holes.
    """

    image: np.ndarray
    foreground: np.ndarray
    alpha: np.ndarray
    repaint: np.ndarray


class Selection(NamedTuple):
    """What of a photo is cut out.

    Attributes:
        kept: (H, W) bool, the garment and its inside as photographed.
        covered: (H, W) bool, small holes where an arm or a pole crosses in front of the cloth.
    """

    kept: np.ndarray
    covered: np.ndarray


def remove(
    image: np.ndarray,
    parsing: Parsing,
    *,
    background: str = "white",
    color: tuple[int, int, int] = studio.WHITE,
    picture: np.ndarray | None = None,
    fabric: str = "opaque",
) -> Cutout:
    """Removes mannequin and stand; the openings they were seen through stay open.

    Args:
        image: (H, W, 3) uint8 sRGB.
        parsing: Of this photo.
        background: One of `studio.STAGES`.
        color: sRGB, 0 to 255; for the background "color".
        picture: (h, w, 3) uint8 sRGB of any size; for the background "picture".
        fabric: One of `studio.FABRICS`.

    Returns:
        The garment with its visible inside on the chosen background.

    Raises:
        ValueError: There is no garment, the background is unknown or lacks its picture, or the
            sizes differ.
    """
    require(image, parsing, background, picture)
    kept, covered = select(image, parsing)
    alpha = matting.alpha(image, kept | covered, fabric=fabric)
    # The rim of an arm shines into the cloth around it.
    made = masks.grow(covered, matting.band_px(*parsing.size)) & (kept | covered)
    filled = backdrop.fill(image, made, kept) if covered.any() else image
    foreground = matting.foreground(filled, alpha)
    shown = compose(foreground, alpha, image, parsing, background, color=color, picture=picture)
    body = repaint.area(parsing, kept & (alpha >= CERTAIN))
    return Cutout(shown, foreground, alpha, body | made)


def require(
    image: np.ndarray, parsing: Parsing, background: str, picture: np.ndarray | None = None
) -> None:
    """Refuses what cannot be cut out or composed, in words for the user.

    Raises:
        ValueError: As for `remove`.
    """
    if background not in studio.STAGES:
        raise ValueError(studio.unknown(background))
    if background == "picture" and picture is None:
        raise ValueError(
            "backdrop must be connected for the background 'picture', got nothing. "
            "Connect an IMAGE to backdrop or choose another background."
        )
    if parsing.size != image.shape[:2]:
        raise ValueError(
            f"parsing must be {image.shape[0]}x{image.shape[1]} like image, got "
            f"{parsing.size[0]}x{parsing.size[1]}. Connect the parsing of the same photo."
        )
    if not parsing.garment.any():
        raise ValueError(
            "parsing must contain a garment, got none. "
            "Choose a photo with a garment on a mannequin, or paint the garment mask by hand."
        )


def select(image: np.ndarray, parsing: Parsing) -> Selection:
    """Decides what is cut out: no crumbs, no pieces of backdrop, no holes from an arm in front.

    Args:
        image: (H, W, 3) uint8 sRGB.
        parsing: Of this photo.

    Returns:
        What is kept, and the small holes in it that are to be filled.
    """
    wall = parsing.label_map == labels.BACKGROUND
    garment = without_crumbs(parsing.garment & ~pare.backdrop(image, parsing.garment, wall))
    interior = parsing.interior
    if interior.any():
        garment |= without_crumbs(garment | interior) & interior
    kept = _without_specks(garment)
    return Selection(kept, _crossed(kept, parsing))


def _without_specks(kept: np.ndarray) -> np.ndarray:
    """Closes pinholes and notches, which would show as dots along necklines and stripes."""
    side = 2 * max(1, round(SPECK * matting.band_px(*kept.shape))) + 1
    closed = cv2.morphologyEx(kept.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((side, side)))
    return closed > 0


def _crossed(kept: np.ndarray, parsing: Parsing) -> np.ndarray:
    """Finds small holes with cloth all around: an arm or a pole that crosses in front of it."""
    found, box = np.zeros_like(kept), masks.bounds(kept)
    if box is None:
        return found
    inner = slice(box.top, box.bottom), slice(box.left, box.right)
    whole, label_map, kept = found, parsing.label_map[inner], kept[inner]
    found, interior = whole[inner], label_map == labels.INTERIOR
    gone = (label_map == labels.MANNEQUIN) | (label_map == labels.SUPPORT)
    holes = masks.fill_holes(kept) & ~kept & gone
    if not holes.any():
        return whole
    count, pieces, stats, centres = cv2.connectedComponentsWithStats(holes.astype(np.uint8))
    for number in range(1, count):
        x, y, width, height, _ = stats[number]
        if centres[number][1] < TOP * box.height:
            continue
        around = slice(max(0, y - 1), y + height + 1), slice(max(0, x - 1), x + width + 1)
        hole = np.pad(pieces[around] == number, 1)
        half = float(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3).max())
        rim = (masks.grow(hole, 1) & ~hole)[1:-1, 1:-1]
        inside = interior[around][rim].mean() if rim.any() else 0
        if half <= HALF_WIDTH * box.width and inside <= OF_INSIDE:
            found[around] |= hole[1:-1, 1:-1]
    return whole


def without_crumbs(garment: np.ndarray) -> np.ndarray:
    """Drops small pieces far from the garment, which are parts of a stand or of the room.

    Args:
        garment: (H, W) bool.

    Returns:
        (H, W) bool; two garments of comparable size both stay.
    """
    result, box = garment.copy(), masks.bounds(garment)
    if box is None:
        return result
    inner = slice(box.top, box.bottom), slice(box.left, box.right)
    part = garment[inner]
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(part.astype(np.uint8))
    pieces = np.asarray(pieces, np.int32)
    if count < 3:
        return result
    area = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    area[0] = 0
    main = int(area.argmax())
    away = cv2.distanceTransform((pieces != main).astype(np.uint8), cv2.DIST_L2, 3)
    gap = np.full(count, np.inf)
    others = part & (pieces != main)
    np.minimum.at(gap, pieces[others], away[others])
    near = (area >= CRUMB * area[main]) & (gap <= NEAR * max(garment.shape))
    kept = near | (area >= SMALL_PIECE * area[main])
    kept[0], kept[main] = False, True
    result[inner] = kept[pieces]
    return result


def compose(
    foreground: np.ndarray,
    alpha: np.ndarray,
    photo: np.ndarray,
    parsing: Parsing,
    background: str,
    *,
    color: tuple[int, int, int] = studio.WHITE,
    picture: np.ndarray | None = None,
) -> np.ndarray:
    """Lays a matted garment on a background.

    Args:
        foreground: (H, W, 3) uint8 sRGB, from `matting.foreground`.
        alpha: (H, W) float32 in [0, 1].
        photo: (H, W, 3) uint8 sRGB, for its backdrop and its shadows.
        parsing: Of the photo.
        background: One of `studio.STAGES`.
        color: sRGB, 0 to 255; for the background "color".
        picture: (h, w, 3) uint8 sRGB of any size; for the background "picture".

    Returns:
        (H, W, 3) uint8, equal to `foreground` where `alpha` is 1.
    """
    if background == "keep":
        return _in_place(foreground, alpha, photo, parsing)
    page = np.full_like(photo, studio.WHITE)
    if background == "studio":
        page = np.repeat(shadow.cast(photo, parsing)[..., None], 3, axis=2)
    elif background == "color":
        page = np.full_like(photo, color)
    elif background == "picture" and picture is not None:
        page = backdrop.cover(picture, *photo.shape[:2])
    elif background != "transparent":
        page = np.full_like(photo, studio.BACKGROUNDS[background])
    return stitch.stitch(page, foreground, alpha)


def _in_place(
    foreground: np.ndarray, alpha: np.ndarray, photo: np.ndarray, parsing: Parsing
) -> np.ndarray:
    """Leaves the photo as it is but where mannequin and stand were."""
    gone = parsing.mannequin | parsing.support
    # Contact shadows and blur reach this far. A distance: discs of this radius are slow.
    margin = 4 * matting.band_px(*parsing.size)
    away = cv2.distanceTransform((~gone).astype(np.uint8), cv2.DIST_L2, 3)
    changed = away <= margin
    behind = backdrop.fill(photo, changed | (alpha > 0) | parsing.garment | parsing.interior)
    result = stitch.stitch(behind, foreground, alpha)
    np.copyto(result, photo, where=~changed[..., None])
    return result
