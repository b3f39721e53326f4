"""The inside of a garment, painted where the mannequin was seen."""

from typing import NamedTuple

import cv2
import numpy as np

from .. import backdrop, masks
from . import band, light
from .cloth import sample
from .openings import Opening

# The painted inside goes on under the garment's soft edge for this far, and its context reaches
# this far; pixels at a long side of 1024 px.
UNDER_PX, CONTEXT_PX = 6.0, 24.0
# Cloth beside an opening that a pattern should continue, at a long side of 1024 px.
RING_PX = 6.0
# The back edge is as sharp as a photographed one: sigma in pixels, at a long side of 1024 px.
SOFT_PX = 0.7
# Photographed inside of at least this share of the opening is a better sample than the outside.
ENOUGH = 0.5
# A lining is smoother than what it lines.
LINING_GRAIN = 0.3


class Scene(NamedTuple):
    """What the painter knows of the photo, (H, W, ...).

    Attributes:
        image: uint8 sRGB.
        garment: bool, the outside as photographed.
        interior: bool, the inside as photographed.
    """

    image: np.ndarray
    garment: np.ndarray
    interior: np.ndarray

    def window(self, box: masks.Bounds) -> "Scene":
        """Returns views of a rectangle."""
        local = (slice(box.top, box.bottom), slice(box.left, box.right))
        return Scene(self.image[local], self.garment[local], self.interior[local])


def padded(opening: Opening, shape: tuple[int, int]) -> Opening:
    """Returns the same opening in a rectangle with context, as far as the photo goes."""
    margin = max(4, round(CONTEXT_PX * max(shape) / 1024))
    top, left, bottom, right = opening.box
    box = masks.Bounds(
        max(0, top - margin),
        max(0, left - margin),
        min(shape[0], bottom + margin),
        min(shape[1], right + margin),
    )
    region = np.zeros((box.height, box.width), bool)
    region[top - box.top : bottom - box.top, left - box.left : right - box.left] = opening.region
    edge = opening.edge and opening.edge.moved(box.left - left, box.top - top)
    return Opening(box, region, edge)


def inside(scene: Scene, opening: Opening) -> np.ndarray:
    """Paints the inside of a garment over an opening's whole rectangle.

    Its cloth is that of the photographed inside, or else of the outside; its light is dim and
    fades with depth, unless the photographed inside tells better; its back edge is finished like
    the front's.

    Args:
        scene: The photo and its garment.
        opening: With a margin of context, from `padded`.

    Returns:
        (h, w, 3) float32 sRGB levels, 0 to 255.
    """
    scale = max(scene.image.shape[:2]) / 1024
    near = scene.window(opening.box)
    ring = masks.grow(opening.region, max(2, round(RING_PX * scale))) & near.garment
    source = scene.garment
    if near.interior.sum() >= ENOUGH * opening.region.sum():
        source, ring = scene.interior, near.interior
    texture = sample(scene.image, source, opening.box, ring).texture
    depth = _depth(opening, near)
    shaded = texture * light.shade(opening.region, near.garment, depth)[..., None]
    wide = float(opening.region.any(0).sum())
    seen = masks.shrink(near.interior, 1)
    color = light.tint(texture, near.image[seen], opening.region)
    if color is not None:
        # A lining has no pattern of the cloth's.
        plain = cv2.GaussianBlur(shaded, (0, 0), max(1.0, wide / 8))
        shaded = (plain + (shaded - plain).mean(2, keepdims=True) * LINING_GRAIN) * color
    shaded = shaded * light.gain(shaded, near.image, seen, opening.region)
    if opening.edge is not None:
        steps = band.profile(near.image, near.garment, opening.region)
        shaded = shaded * band.lay(depth, steps, scale)
    return np.clip(shaded, 0, 255)


def base(scene: Scene, opening: Opening) -> np.ndarray:
    """Paints a smooth inside without cloth, for a generative engine to paint over.

    Args, returns: As `inside`.
    """
    near = scene.window(opening.box)
    cloth = near.image[near.garment] if near.garment.any() else scene.image[scene.garment]
    plain = np.broadcast_to(cloth.mean(0).astype(np.float32), near.image.shape)
    shaded = plain * light.shade(opening.region, near.garment, _depth(opening, near))[..., None]
    factor = light.gain(shaded, near.image, near.interior, opening.region)
    return np.clip(shaded * factor, 0, 255)


def coverage(scene: Scene, opening: Opening) -> np.ndarray:
    """Returns how much of each pixel the inside covers, (h, w) float32 in [0, 1].

    It goes on under the garment's soft edge, and ends softly at the back edge.
    """
    scale = max(scene.image.shape[:2]) / 1024
    near = scene.window(opening.box)
    kept = near.garment | near.interior
    to_region, to_rest = (
        cv2.distanceTransform((~target).astype(np.uint8), cv2.DIST_L2, 5)
        for target in (opening.region, ~kept & ~opening.region)
    )
    # At the garment's other edges nothing may shine through.
    under = kept & (to_region <= max(2.0, UNDER_PX * scale)) & (to_region <= to_rest)
    whole = (opening.region | under).astype(np.float32)
    return cv2.GaussianBlur(whole, (0, 0), max(0.5, SOFT_PX * scale))


def cover(scene: Scene, opening: Opening) -> np.ndarray:
    """Paints cloth over a small hole in the garment, lit like what surrounds it.

    Args, returns: As `inside`.
    """
    near = scene.window(opening.box)
    kept = near.garment | near.interior
    texture = sample(scene.image, scene.garment, opening.box, near.garment).texture
    wide = float(opening.region.any(0).sum())
    calm = cv2.GaussianBlur(texture, (0, 0), max(1.0, wide / 4))
    smooth = backdrop.fill(near.image, ~kept, kept).astype(np.float32)
    smooth = cv2.GaussianBlur(smooth, (0, 0), max(1.0, wide / 8))
    return np.clip(smooth * (texture + 8) / (calm + 8), 0, 255)


def _depth(opening: Opening, near: Scene) -> np.ndarray:
    """Returns (h, w) float32 pixels below the back edge, or from whatever is no opening."""
    if opening.edge is not None:
        return opening.edge.depth(masks.Bounds(0, 0, opening.box.height, opening.box.width))
    outside = ~(opening.region | near.interior | near.garment)
    return cv2.distanceTransform((~outside).astype(np.uint8), cv2.DIST_L2, 5)
