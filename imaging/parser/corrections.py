"""The user's corrections of a parsing: obeyed on their own pixels, spread to what belongs there.

A stroke names one wrong thing. Patches of the photo are turned to the stroke's label where a
logistic model, fitted on parsings spoiled on purpose, finds that they belong to the same thing:
near over ways that cross no edge, alike in colour, of the same wrong label. All others stay.
"""

import cv2
import numpy as np

from .. import labels, scribble, strokes
from ..strokes import StrokeDocument
from . import belonging, patch_graph
from .patch_graph import PatchGraph

ROLE_LABELS = {
    "garment": labels.GARMENT,
    "mannequin": labels.MANNEQUIN,
    "background": labels.BACKGROUND,
}
"""Role of a correcting stroke to the label that its pixels get; other roles are no corrections."""

UNSAID, NO_GARMENT = belonging.UNSAID, 254  # values of a map of seeds that are no label
COUNT = 6  # labels

# The photo is cut into patches on a copy of at most this long side: bounds the time.
GRAPH_PX = 448
LEAST_PX = 24  # a picture with a shorter side has too few patches to spread over
# A patch is a stroke's own where the stroke covers this share of it.
COVERED = 0.15


def apply(
    shares: np.ndarray, image: np.ndarray, corrections: StrokeDocument | np.ndarray
) -> np.ndarray:
    """Corrects the shares of the labels as the user's strokes demand.

    Args:
        shares: (h, w, 6) float32, how much every pixel belongs to labels 0 to 5.
        image: (h, w, 3) uint8 sRGB, the copy that shares was found on.
        corrections: A stroke document of the whole photo, scaled to the copy, or a map of seeds
            from `from_masks`. Of strokes that cross, the later is obeyed.

    Returns:
        (h, w, 6) float32. On a stroke's pixels its label has the largest share; for `mannequin`
        that is the support where the shares lean to it. Pixels of patches that no stroke reaches
        are bit-equal to `shares`, and without a correcting stroke so is everything.

    Raises:
        ValueError: shares and image differ in size, or shares has not six labels.
    """
    if shares.shape != (*image.shape[:2], COUNT):
        raise ValueError(
            f"shares must be {image.shape[0]}x{image.shape[1]}x{COUNT} like image, got "
            f"{'x'.join(map(str, shares.shape))}. Pass the shares of the same copy."
        )
    seeds = seed_map(corrections, image.shape[:2])
    if (seeds == UNSAID).all():
        return shares
    seeds = _decide_dropped(seeds, shares, image)
    return _stamp(_spread(shares, image, seeds), seeds)


def seed_map(corrections: StrokeDocument | np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Draws what was said about every pixel, at the size of a copy.

    Args:
        corrections: As for `apply`.
        size: Height and width.

    Returns:
        (H, W) uint8: a label, NO_GARMENT or UNSAID.
    """
    if isinstance(corrections, np.ndarray):
        return _resized(corrections, size)
    seeds = np.full(size, UNSAID, np.uint8)
    for index, stroke in enumerate(corrections.strokes):
        if stroke.role in ROLE_LABELS:
            covered = scribble.stroke_mask(corrections, index, size)
            seeds[covered] = ROLE_LABELS[stroke.role]
    return seeds


def from_masks(
    keep: np.ndarray | None, drop: np.ndarray | None, document: StrokeDocument | None = None
) -> np.ndarray | None:
    """Builds a map of seeds from painted masks, as ComfyUI's mask editor makes them.

    Args:
        keep: (H, W) bool or float32 in [0, 1], of any size: this is garment.
        drop: The same: this is not garment, whatever else it is. Wins over keep.
        document: Strokes on the same photo, which win over both.

    Returns:
        (h, w) uint8 for `apply`, of the first mask's size; None where nothing is said at all.
    """
    sizes = [mask.shape for mask in (keep, drop) if mask is not None and (mask > 0.5).any()]
    if not sizes:
        if document is None:
            return None
        sizes = [(document.height, document.width)]
    size = (sizes[0][0], sizes[0][1])
    seeds = np.full(size, UNSAID, np.uint8)
    for mask, value in ((keep, labels.GARMENT), (drop, NO_GARMENT)):
        if mask is not None:
            painted = np.where(mask > 0.5, np.uint8(value), np.uint8(UNSAID))
            painted = _resized(painted, size)
            seeds = np.where(painted == UNSAID, seeds, painted)
    if document is not None:
        drawn = seed_map(document, size)
        seeds = np.where(drawn == UNSAID, seeds, drawn)
    return seeds


def obey(
    label_map: np.ndarray, small: np.ndarray, corrections: StrokeDocument | np.ndarray
) -> np.ndarray:
    """Brings what was said to the full size, where refined borders may have moved over a stroke.

    Args:
        label_map: (H, W) uint8 of the whole photo.
        small: (h, w) uint8, the corrected label map of the working copy.
        corrections: As for `apply`.

    Returns:
        (H, W) uint8; on every stroke's pixels its label.
    """
    size = label_map.shape[0], label_map.shape[1]
    seeds = seed_map(corrections, size)
    coarse = cv2.resize(small, size[::-1], interpolation=cv2.INTER_NEAREST)
    disobeyed = (seeds < COUNT) & (belonging.GROUPS[label_map] != seeds)
    kept = (seeds == NO_GARMENT) & (label_map == labels.GARMENT)
    obeyed = label_map.copy()
    obeyed[disobeyed] = seeds[disobeyed]
    obeyed[disobeyed & (seeds == labels.MANNEQUIN) & (coarse == labels.SUPPORT)] = labels.SUPPORT
    obeyed[kept] = np.where(coarse[kept] == labels.GARMENT, labels.BACKGROUND, coarse[kept])
    return obeyed


def doubts(document: StrokeDocument, image: np.ndarray) -> tuple[str, ...]:
    """Says in sentences for the user what is odd about a document for this photo.

    Args:
        document: Its strokes are obeyed all the same.
        image: (H, W, 3) uint8 sRGB, the whole photo.
    """
    height, width = image.shape[:2]
    if not any(stroke.role in ROLE_LABELS for stroke in document.strokes):
        listed = ", ".join(ROLE_LABELS)
        return (
            f"The corrections hold no stroke of the roles {listed}, so nothing was corrected. "
            "Draw one of them through the wrong part.",
        )
    if document.photo and document.photo != strokes.fingerprint(image):
        return (
            "The corrections were drawn on another photo and were applied to this one. "
            "Check the overlay, or draw them again on this photo.",
        )
    # Rounding when a photo is reduced changes its proportions by less than a pixel.
    if abs(document.height * width - document.width * height) > max(document.height, width):
        return (
            f"The corrections were drawn on {document.width}x{document.height} pixels, this photo "
            f"has {width}x{height}, so they were stretched. Draw them again on this photo.",
        )
    return ()


def _resized(seeds: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Brings a map of seeds to a size; where it shrinks, a thin line stays a line."""
    if seeds.shape == size:
        return seeds
    resized = np.full(size, UNSAID, np.uint8)
    for value in np.unique(seeds[seeds != UNSAID]):
        mask = (seeds == value).astype(np.float32)
        shrinks = seeds.shape[0] > size[0] or seeds.shape[1] > size[1]
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        share = cv2.resize(mask, size[::-1], interpolation=way)
        # A line a third of a pixel wide is still meant.
        resized[share > (0.3 if shrinks else 0.5)] = value
    return resized


def _stamp(shares: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Gives every seed's pixel wholly to its label."""
    stamped = shares.copy()
    for value in np.unique(seeds[seeds != UNSAID]):
        here = seeds == value
        stamped[here] = _full(np.broadcast_to(value, int(here.sum())), shares[here])
    return stamped


def _full(values: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Returns (n, 6) shares, 1 at each value; a mannequin that leans to support becomes support."""
    leans = before[:, labels.SUPPORT] > before[:, labels.MANNEQUIN]
    chosen = np.where((values == labels.MANNEQUIN) & leans, labels.SUPPORT, values)
    return (chosen[:, None] == np.arange(COUNT)).astype(np.float32)


def _decide_dropped(seeds: np.ndarray, shares: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Says of what is no garment whether it is mannequin or background.

    The shares decide where they know anything, else the colours of what is labelled already.
    """
    count, pieces = cv2.connectedComponents((seeds == NO_GARMENT).astype(np.uint8))
    decided = seeds.copy()
    found = belonging.GROUPS[shares.argmax(-1)]
    for piece in range(1, count):
        here = pieces == piece
        choices = (labels.BACKGROUND, labels.MANNEQUIN)
        likely = np.bincount(belonging.GROUPS, shares[here].mean(0), COUNT)[list(choices)]
        if likely.max() < 0.1:  # the parser gave all of it to the garment
            color = np.median(image[here], axis=0)
            likely = np.array([-_color_gap(image[found == value], color) for value in choices])
        decided[here] = choices[int(likely.argmax())]
    return decided


def _color_gap(pixels: np.ndarray, color: np.ndarray) -> float:
    """Returns the distance from a colour to the nearest tenth of the pixels; huge without any."""
    if not len(pixels):
        return 1e9
    return float(np.quantile(np.linalg.norm(pixels[::7] - color, axis=1), 0.1))


def _spread(shares: np.ndarray, image: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Returns the shares with all patches turned that belong to what was struck."""
    scale = min(1.0, GRAPH_PX / max(seeds.shape))
    size = round(seeds.shape[1] * scale), round(seeds.shape[0] * scale)
    if min(size) < LEAST_PX:
        return shares
    small = image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small_seeds = _resized(seeds, small.shape[:2])
    planes = [np.ascontiguousarray(shares[..., value]) for value in range(COUNT)]
    if scale != 1:  # OpenCV averages four channels at most at once
        planes = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes]
    graph = patch_graph.cut(small, belonging.GROUPS[np.argmax(planes, 0)])
    mass = np.stack([graph.patches.mean(plane) for plane in planes], 1)
    turned = np.full(graph.patches.count, UNSAID, np.uint8)
    surest = np.full(graph.patches.count, 0.5)
    owned = owners(graph, small_seeds)
    for value in np.unique(owned[owned != UNSAID]):
        likely = belonging.likelihood(graph, mass, owned, int(value), small_seeds == value)
        better = likely > surest
        turned[better], surest[better] = value, likely[better]
    painted, sure = graph.patches.paint(turned), graph.patches.paint(surest).astype(np.float32)
    if scale != 1:
        whole = seeds.shape[::-1]
        painted = cv2.resize(painted, whole, interpolation=cv2.INTER_NEAREST)
        sure = cv2.resize(sure, whole, interpolation=cv2.INTER_NEAREST)
    changed = painted != UNSAID
    result = shares.copy()
    weight = sure[changed][:, None]
    before = shares[changed]
    result[changed] = (1 - weight) * before + weight * _full(painted[changed], before)
    return result


def owners(graph: PatchGraph, seeds: np.ndarray) -> np.ndarray:
    """Returns (count,) uint8: the label whose strokes cover most of each patch, or UNSAID."""
    index_map = graph.patches.index_map
    owners = np.full(graph.patches.count, UNSAID, np.uint8)
    most = COVERED * graph.patches.areas
    for value in np.unique(seeds[seeds != UNSAID]):
        covered = np.bincount(index_map[seeds == value], minlength=graph.patches.count)
        if (covered > most).any():
            owners[covered > most] = value
            most = np.maximum(most, covered)
        else:  # a stroke thinner than that covers a little of many patches
            owners[covered > 0] = value
    return owners
