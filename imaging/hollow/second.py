"""The inside from a second photo: found by its neckline, laid into the opening, and relit."""

from typing import NamedTuple

import cv2
import numpy as np

from .. import cutout, masks, matting
from ..drape import thin_plate
from ..parsing import Parsing
from . import light
from .completion import Scene
from .edge import Edge, neckline
from .openings import Opening

# A neckline may be this much turned against the other photo's, in degrees, and this many times
# larger or smaller: else it is no neckline, or nothing would be sharp.
MOST_TURN, MOST_SCALE = 25.0, 8.0
# The inside must cover this share of the opening below its back edge, else it is no inside of a
# back: a front is as deep as the opening itself.
LEAST_COVER = 0.5
# What is so many times nearer in colour to the cloth than to the wall is cloth.
LIKE_CLOTH = 0.5
# The second photo's collar may stand this much above the line of the collar points, as a share of
# the opening's width.
STAND = 0.35
# Photographed inside of the first photo that the warp is refined by: at most so many points.
GUIDES = 8
# Gains per channel that differ by more from their mean are no exposure or white balance: the
# inside has another colour than the outside.
SAME_CLOTH = 0.25
# Brightness of a lining against its own photo: as much darker as it lies deeper in.
LINED = 0.8
# How much of the drawn light is laid over a photographed inside, which has some of its own.
SHADING = 0.6


class Inside(NamedTuple):
    """A second photo laid into an opening's rectangle.

    Attributes:
        color: (h, w, 3) float32 sRGB levels.
        alpha: (h, w) float32 in [0, 1]; before anything in front of it.
        framed: (h, w) bool, what the second photo shows, cloth or not.
        warning: A sentence for the user, or "".
    """

    color: np.ndarray
    alpha: np.ndarray
    framed: np.ndarray
    warning: str = ""


def lay(scene: Scene, opening: Opening, image: np.ndarray, parsing: Parsing) -> Inside | str:
    """Registers a second photo to an opening, relights it, and warps it in.

    Both necklines are found the same way. A similarity transform joins their collar points; where
    the first photo shows some of the inside beside the neck, a thin-plate spline then bends the
    second photo's back edge to it.

    Args:
        scene: The first photo.
        opening: Its neck opening, with room above, from `roomy`.
        image: (h, w, 3) uint8 sRGB, the second photo, of any size.
        parsing: Of the second photo.

    Returns:
        The inside, or the sentence why there is none.
    """
    edge = opening.edge
    if edge is None or parsing.size != image.shape[:2] or not parsing.garment.any():
        return "No garment was found in the inside photo."
    kept, covered = cutout.select(image, parsing)
    cloth = kept | covered
    back = neckline(cloth)
    if back is None:
        return "No neckline was found in the inside photo."
    cloth = _mended(image, cloth, back)
    matrix = thin_plate.similarity(
        np.array([edge.left, edge.right]), np.array([back.left, back.right]), np.ones(2)
    )
    size = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    turn = abs(float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))))
    if turn > MOST_TURN or not 1 / MOST_SCALE <= size <= MOST_SCALE:
        return "The neckline of the inside photo does not fit the one of the first photo."
    target = _target(scene, opening, edge, cloth, matrix)
    inside = _warped(image, cloth, target, size)
    region = opening.region
    if (inside.alpha[region] > 0.5).mean() < LEAST_COVER * inside.framed[region].mean():
        return "The inside photo does not show the inside of the back."
    return _relit(scene, opening, edge, inside)


def roomy(opening: Opening, shape: tuple[int, int]) -> Opening:
    """Returns an opening in a rectangle with room for a collar above it."""
    if opening.edge is None:
        return opening
    rise = round(STAND * (opening.edge.right[0] - opening.edge.left[0]))
    top = max(0, opening.box.top - rise)
    added = opening.box.top - top
    region = np.pad(opening.region, ((added, 0), (0, 0)))
    return Opening(opening.box._replace(top=top), region, opening.edge.moved(0, -added))


def zone(scene: Scene, opening: Opening) -> np.ndarray:
    """Selects (h, w) bool where a second photo may show: the opening, and above its back edge."""
    near = scene.window(opening.box)
    edge = opening.edge
    if edge is None:
        return opening.region
    columns = np.arange(opening.box.width)
    rows = np.arange(opening.box.height)[:, None]
    across = (columns > edge.left[0]) & (columns < edge.right[0])
    above = across & (rows < edge.rows(columns)) & ~near.garment
    return opening.region | above


def _mended(image: np.ndarray, cloth: np.ndarray, back: Edge) -> np.ndarray:
    """Adds what looks like cloth in the valley of the neckline: a label beside it may mislead."""
    span = back.right[0] - back.left[0]
    high = int(min(back.left[1], back.right[1]))
    low = int(max(back.left[1], back.right[1]) + back.sag_px) + 2
    window = (
        slice(max(0, round(high - span / 2)), low),
        slice(round(back.left[0]), round(back.right[0]) + 1),
    )
    inside, pixels = cloth[window], image[window].astype(np.float32)
    rows = np.arange(window[0].start, window[0].start + inside.shape[0])[:, None]
    below = rows > back._replace(sag_px=0.0).rows(np.arange(window[1].start, window[1].stop))
    if not (inside.any() and (~below & ~inside).any()):
        return cloth
    apart = [
        np.linalg.norm(pixels - np.median(pixels[part], axis=0), axis=-1)
        for part in (inside, ~below & ~inside)
    ]
    mended = cloth.copy()
    mended[window] |= below & (apart[0] < LIKE_CLOTH * apart[1])
    return mended


def _target(
    scene: Scene, opening: Opening, edge: Edge, cloth: np.ndarray, matrix: np.ndarray
) -> np.ndarray:
    """Returns (h, w, 2) float32: for each pixel of the rectangle its place in the second photo."""
    height, width = opening.region.shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    plane = np.stack([x, y], -1) @ matrix[:, :2].T + matrix[:, 2]
    shown, wanted = _guides(scene, opening, edge, cloth, plane)
    if not len(shown):
        return plane.astype(np.float32)
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)], float)
    fixed = np.vstack([corners, edge.left, edge.right])
    points = np.vstack([fixed, shown])
    places = np.vstack([fixed @ matrix[:, :2].T + matrix[:, 2], wanted])
    spline = thin_plate.unfolded(points, places, (0, 0, width, height))
    return thin_plate.apply(spline, np.stack([x, y], -1)).astype(np.float32)


def _guides(
    scene: Scene, opening: Opening, edge: Edge, cloth: np.ndarray, plane: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs the visible back edge of the first photo with the second photo's, column by column."""
    near = scene.window(opening.box)
    columns = np.flatnonzero(near.interior.any(0))
    columns = columns[(columns > edge.left[0] + 1) & (columns < edge.right[0] - 1)]
    columns = columns[:: max(1, -(-len(columns) // GUIDES))]
    shown, wanted = [], []
    warped = (
        cv2.remap(cloth.astype(np.uint8), plane.astype(np.float32), None, cv2.INTER_NEAREST) > 0
    )
    wide = edge.right[0] - edge.left[0]
    for column in columns:
        row = int(near.interior[:, column].argmax())
        own = warped[:, column]
        if near.garment[:row, column].any() or not own.any():
            continue
        other = int(own.argmax())
        # Farther off it is another edge than the back neckline.
        if abs(other - row) <= STAND * wide:
            shown.append((column, row))
            wanted.append(plane[other, column])
    return np.array(shown, float), np.array(wanted, float)


def _warped(image: np.ndarray, cloth: np.ndarray, target: np.ndarray, size: float) -> Inside:
    """Looks the second photo's matted cloth up at the target places."""
    alpha = matting.alpha(image, cloth)
    color = matting.foreground(image, alpha)
    if size > 1:
        # Reduced first, as a lookup would skip pixels.
        small = tuple(max(1, round(side / size)) for side in color.shape[1::-1])
        ratio = np.array(small, np.float32) / color.shape[1::-1]
        color = cv2.resize(color, small, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(alpha, small, interpolation=cv2.INTER_AREA)
        target = ((target + 0.5) * ratio - 0.5).astype(np.float32)
    looked = cv2.remap(
        color, target, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float32)
    shown = cv2.remap(alpha, target, None, cv2.INTER_LINEAR, borderValue=0)
    extent = np.array(alpha.shape[::-1]) - 1
    framed = np.all((target >= 0) & (target <= extent), axis=-1)
    return Inside(looked, np.where(framed, shown, 0), framed)


def _relit(scene: Scene, opening: Opening, edge: Edge, inside: Inside) -> Inside:
    """Matches colour and exposure to the first photo by the cloth that both show."""
    near = scene.window(opening.box)
    height, width = opening.region.shape
    depth = edge.depth(masks.Bounds(0, 0, height, width))
    shade = light.shade(opening.region, near.garment, depth)
    solid = opening.region & (inside.alpha > 0.9)
    usual = float(shade[solid].mean())
    outer = near.image[near.garment].mean(0) if near.garment.any() else inside.color[solid].mean(0)
    # 8 levels keep black cloth's noise from counting.
    gains = (usual * outer + 8) / (inside.color[solid].mean(0) + 8)
    warning = ""
    if np.abs(gains / gains.mean() - 1).max() > SAME_CLOTH:
        gains = np.full(3, LINED)
        warning = (
            "The inside photo has another colour than the garment: taken for a lining. "
            "Choose another photo if it shows another garment."
        )
    relative = 1 + SHADING * (shade / usual - 1)
    color = np.clip(inside.color * gains.astype(np.float32) * relative[..., None], 0, 255)
    factor = light.gain(color, near.image, masks.shrink(near.interior, 1), opening.region)
    return inside._replace(color=np.clip(color * factor, 0, 255), warning=warning)
