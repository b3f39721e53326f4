"""Ghost mannequin: a garment as if worn, with its inside, and nothing that held it."""

from typing import NamedTuple

import cv2
import numpy as np

from . import cutout, masks, matting, parse, provenance, studio
from .hollow import completion, second
from .hollow import openings as hollows
from .parsing import Parsing

# Half width of the band that is repainted around an opening, at a long side of 1024 px.
BAND_PX = 4.0
# What the user reads.
NO_OPENING = (
    "No opening was found that the mannequin could be seen through: nothing was filled in. "
    "Check the parsing if the photo shows a neckline from the front."
)
NO_NECK = "No neck opening was found for the inside photo: it was not used."
INVENTED_INSTEAD = (
    "The inside was made up instead. Take it straight on, with the whole neckline in the frame."
)
# Opacity that no 8-bit picture shows.
FAINT = 1 / 255
# Brightness of the inside of a garment against its outside, at its back neckline and down where
# the front ends; of the rendered ghost scenes' interiors, by eye.
INTERIOR_LIGHT = (0.62, 0.34)
# The back neckline hangs below the line between the collar points by this share of its width, at
# most this share of the opening's depth.
BACK_SAG, BACK_DEPTH = 0.14, 0.5


class Ghost(NamedTuple):
    """A garment without its mannequin.

    Attributes:
        image: (H, W, 3) uint8 sRGB, on the chosen background.
        foreground: (H, W, 3) uint8 sRGB, its colours without any background's.
        alpha: (H, W) float32 in [0, 1], opacity of the garment with its inside.
        repaint: (H, W) bool, what was made up and a generative engine may paint better.
        sources: (H, W) uint8, the generated-pixel map: codes of `provenance`.
        warnings: Sentences for the user.
    """

    image: np.ndarray
    foreground: np.ndarray
    alpha: np.ndarray
    repaint: np.ndarray
    sources: np.ndarray
    warnings: tuple[str, ...] = ()


def complete(
    image: np.ndarray,
    parsing: Parsing,
    *,
    background: str = "white",
    color: tuple[int, int, int] = studio.WHITE,
    picture: np.ndarray | None = None,
    fabric: str = "opaque",
    method: str = "complete",
    inside: np.ndarray | None = None,
    inside_parsing: Parsing | None = None,
) -> Ghost:
    """Removes mannequin and stand, and fills the openings they were seen through.

    Args:
        image: (H, W, 3) uint8 sRGB.
        parsing: Of this photo.
        background: One of `studio.STAGES`.
        color: sRGB, 0 to 255; for the background "color".
        picture: (h, w, 3) uint8 sRGB; for the background "picture".
        fabric: One of `studio.FABRICS`.
        method: One of `studio.GHOST_METHODS`.
        inside: (h, w, 3) uint8 sRGB, a second photo that shows the inside of the back, of any size;
            it is not mirrored.
        inside_parsing: Of the second photo; None parses it.

    Returns:
        The garment with its inside on the chosen background.

    Raises:
        ValueError: There is no garment, method or background is unknown, or the sizes differ.
    """
    if method not in studio.GHOST_METHODS:
        raise ValueError(
            f"method must be one of {', '.join(studio.GHOST_METHODS)}, got {method!r}. "
            "Choose one of these."
        )
    cutout.require(image, parsing, background, picture)
    kept, covered = cutout.select(image, parsing)
    scene = completion.Scene(image, kept & ~parsing.interior, kept & parsing.interior)
    removed = parsing.mannequin | parsing.support
    # From behind one looks over the back's edge down into the lower front: no neckline is seen.
    holes = hollows.find(scene.garment, scene.interior, removed, necks=parsing.view != "back")
    covered &= ~hollows.area(holes, covered.shape)
    layers = [_painted(scene, hole, method) for hole in holes]
    warnings = () if holes else (NO_OPENING,)
    if inside is not None:
        parsed = parse.parse(inside) if inside_parsing is None else inside_parsing
        layers, warnings = _with_second(scene, holes, layers, inside, parsed)
    patches = [_patch(scene, patch) for patch in hollows.split(covered)]
    patched = _patched(image, patches)
    alpha = matting.alpha(patched, kept | covered, fabric=fabric)
    sheet = _Sheet(matting.foreground(patched, alpha), alpha, _sources(alpha, covered))
    sheet = _over(sheet, layers)
    shown = cutout.compose(
        sheet.color, sheet.alpha, image, parsing, background, color=color, picture=picture
    )
    made = sheet.sources == provenance.INVENTED
    band = max(1, round(BAND_PX * max(made.shape) / 1024))
    repaint = masks.grow(made, band) & (sheet.alpha > 0.5) | made
    return Ghost(shown, sheet.color, sheet.alpha, repaint, sheet.sources, warnings)


class _Layer(NamedTuple):
    """A painted rectangle: colours, how much they cover, and where they come from."""

    box: masks.Bounds
    color: np.ndarray
    alpha: np.ndarray
    source: int


class _Sheet(NamedTuple):
    """The picture that is built: colours, opacity, and where each pixel comes from."""

    color: np.ndarray
    alpha: np.ndarray
    sources: np.ndarray


def _painted(scene: completion.Scene, hole: hollows.Opening, method: str) -> _Layer:
    """Paints the inside that shows through an opening."""
    near = completion.padded(hole, scene.garment.shape)
    paint = completion.inside if method == "complete" else completion.base
    shown = completion.coverage(scene, near)
    return _Layer(near.box, paint(scene, near), shown, provenance.INVENTED)


def _patch(scene: completion.Scene, patch: hollows.Opening) -> _Layer:
    """Paints cloth over a small hole."""
    near = completion.padded(patch, scene.garment.shape)
    return _Layer(near.box, completion.cover(scene, near), near.region, provenance.INVENTED)


def _with_second(
    scene: completion.Scene,
    holes: list[hollows.Opening],
    layers: list[_Layer],
    image: np.ndarray,
    parsing: Parsing,
) -> tuple[list[_Layer], tuple[str, ...]]:
    """Lays a second photo into the largest neck opening; what it does not show stays invented."""
    necks = [number for number, hole in enumerate(holes) if hole.edge is not None]
    if not necks:
        return layers, (NO_NECK,)
    main = max(necks, key=lambda number: int(holes[number].region.sum()))
    shape = scene.garment.shape
    near = second.roomy(completion.padded(holes[main], shape), shape)
    found = second.lay(scene, near, image, parsing)
    if isinstance(found, str):
        return layers, (f"{found} {INVENTED_INSTEAD}",)
    allowed = completion.coverage(scene, near._replace(region=second.zone(scene, near)))
    shown = allowed * found.alpha
    # Cut off by the second photo's frame, not by the end of the cloth.
    rest = completion.coverage(scene, near) * ~found.framed
    new = [_Layer(near.box, found.color, shown, provenance.SECOND_PHOTO)]
    if rest.any():
        painted = completion.inside(scene, near)
        new.append(_Layer(near.box, painted, rest, provenance.INVENTED))
    kept = [layer for number, layer in enumerate(layers) if number != main]
    return kept + new, (found.warning,) if found.warning else ()


def _patched(image: np.ndarray, patches: list[_Layer]) -> np.ndarray:
    result = image.copy() if patches else image
    for patch in patches:
        top, left, bottom, right = patch.box
        window = result[top:bottom, left:right]
        window[patch.alpha] = np.rint(patch.color[patch.alpha]).astype(np.uint8)
    return result


def _sources(alpha: np.ndarray, covered: np.ndarray) -> np.ndarray:
    sources = np.where(alpha > 0, provenance.PHOTO, provenance.NOTHING).astype(np.uint8)
    sources[covered & (alpha > 0)] = provenance.INVENTED
    return sources


def _over(sheet: _Sheet, layers: list[_Layer]) -> _Sheet:
    """Lays a sheet over layers; opaque pixels stay as they are."""
    if not layers:
        return sheet
    color, alpha, sources = (array.copy() for array in sheet)
    for layer in layers:
        window = (slice(layer.box.top, layer.box.bottom), slice(layer.box.left, layer.box.right))
        above = alpha[window]
        below = np.where(layer.alpha < FAINT, 0, layer.alpha) * (1 - above)
        touched = below > 0
        share = (above[touched] / (above + below)[touched])[:, None]
        mixed = color[window][touched] * share + layer.color[touched] * (1 - share)
        color[window][touched] = np.rint(mixed).astype(np.uint8)
        alpha[window] = np.minimum(above + below, 1)
        # Where anything was invented the pixel counts as invented, whatever else shows in it.
        marked = np.maximum(sources[window], layer.source)
        sources[window] = np.where(touched, marked, sources[window])
    return _Sheet(color, alpha, sources)


def openings(kept: np.ndarray) -> np.ndarray:
    """Finds where the inside of the garment's back would be seen above its front.

    Args:
        kept: (H, W) bool, the garment.

    Returns:
        (H, W) bool: pixels of the neck or waist opening, with cloth to the left, to the right and
        below, under the sagging line of the back edge.
    """
    found = np.zeros_like(kept)
    box = masks.bounds(kept)
    if box is None:
        return found
    part = kept[box.top : box.bottom, box.left : box.right]
    above = np.logical_or.accumulate(part, 0)
    enclosed = hollows.enclosed(part).astype(np.uint8)
    count, regions, stats, _ = cv2.connectedComponentsWithStats(enclosed, connectivity=4)
    # Notches between pleats or in a ragged mask are no openings: 2 % of the garment's width.
    least = max(3, round(0.02 * box.width))
    for number in range(1, count):
        x, y, width, height, _ = stats[number]
        if width < least or height < 2:
            continue
        # Lower down it is an arm in front of the garment, or the room between sleeve and torso.
        if y > hollows.TOP * box.height:
            continue
        place = (np.arange(width) + 0.5) / width * 2 - 1
        sag = min(BACK_SAG * width, BACK_DEPTH * height) * (1 - place**2)
        under = np.arange(height)[:, None] >= sag[None]
        local = (slice(y, y + height), slice(x, x + width))
        inside = (regions[local] == number) & (under | above[local])
        found[box.top : box.bottom, box.left : box.right][local] |= inside
    return found


def fill_openings(image: np.ndarray, kept: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Paints the inside of a garment: its own colour, darker with depth.

    Args:
        image: (H, W, 3) uint8 sRGB.
        kept: (H, W) bool, the garment.
        hole: (H, W) bool, what to paint.

    Returns:
        (H, W, 3) uint8; equal to `image` outside of the hole.
    """
    result = image.copy()
    count, regions, stats, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8))
    for number in range(1, count):
        x, y, width, height, _ = stats[number]
        window = (slice(y, y + height), slice(x, x + width))
        inside = regions[window] == number
        reach = max(8, width // 2)
        near = (
            slice(max(0, y - reach), y + height + reach),
            slice(max(0, x - reach), x + width + reach),
        )
        cloth = image[near][kept[near]]
        # A mean, as a median of stripes would be one of them.
        color = (cloth if len(cloth) else image[kept]).mean(0)
        depth = np.linspace(0, 1, height) if height > 1 else np.zeros(1)
        light = INTERIOR_LIGHT[0] + (INTERIOR_LIGHT[1] - INTERIOR_LIGHT[0]) * depth
        painted = np.rint(light[:, None, None] * color).astype(np.uint8)
        result[window][inside] = np.broadcast_to(painted, (height, width, 3))[inside]
    return result
