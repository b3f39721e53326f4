"""Ghost mannequin: a garment as if worn, with its inside, and nothing that held it."""

from typing import NamedTuple

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
