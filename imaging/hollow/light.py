"""The light inside a garment: dim, darker with depth, with the front's contact shadow."""

import cv2
import numpy as np

# Brightness (sRGB levels) of the inside against the outside of the cloth, at the back edge and down
# at the front: fitted to the insides of 13 rendered scenes with and without their mannequin.
AT_EDGE, AT_FRONT = 0.70, 0.58
# The front's contact shadow: how much darker, and over which share of the opening's depth.
CONTACT, CONTACT_REACH = 0.22, 0.10
# Towards the sides the cloth turns away.
SIDES, SIDES_REACH = 0.10, 0.12
# Photographed inside guides the brightness of the fill within this share of the opening's width,
# and all over the opening if it is at least this share of its area: a strip beside a limb lies in
# the limb's shadow, and says little about the opening without the limb.
GUIDE_REACH, GUIDE_AREA = 0.2, 0.3
# Weight of the whole opening against photographed inside nearby.
CALM = 0.15
# Gains that photographed inside may ask for, of brightness and of colour: beyond, the labels are
# wrong.
GAINS, TINTS = (0.5, 1.6), (0.5, 2.0)
# A lining's colour is believed where it was photographed on this share of the opening, brighter
# than this level: strips in the shadow of a limb take that limb's colour on.
TINT_AREA, TINT_LEVEL = 0.1, 30
# Shares of red, green and blue that lie this far outside of the cloth's own are another colour: a
# lining. Between these percentiles of its pixels are the cloth's own, whatever its pattern.
LINING, OWN = 0.05, (3, 97)


def shade(region: np.ndarray, front: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Returns the light in an opening.

    Args:
        region: (h, w) bool, the opening.
        front: (h, w) bool, cloth in front of it.
        depth: (h, w) float32, pixels below the back edge.

    Returns:
        (h, w) float32 factor on sRGB levels, above 0.
    """
    ahead = cv2.distanceTransform((~front).astype(np.uint8), cv2.DIST_L2, 5)
    behind = np.maximum(depth, 0)
    # 0 at the back edge, 1 at the front's, along whatever curve lies between.
    place = behind / np.maximum(behind + ahead, 1)
    light = AT_EDGE + (AT_FRONT - AT_EDGE) * place
    tall = max(8.0, float(np.quantile(behind[region], 0.98))) if region.any() else 8.0
    light *= 1 - CONTACT * np.exp(-ahead / (CONTACT_REACH * tall))
    side = np.minimum(_run(front, 1), _run(front[:, ::-1], 1)[:, ::-1])
    wide = max(8.0, float(region.any(0).sum()))
    light *= 1 - SIDES * np.exp(-side / (SIDES_REACH * wide))
    soft = max(0.8, tall / 40)
    return cv2.GaussianBlur(light.astype(np.float32), (0, 0), soft)


def gain(
    painted: np.ndarray, image: np.ndarray, inside: np.ndarray, region: np.ndarray
) -> np.ndarray:
    """Finds by how much a painted inside must change to be as bright as the photographed one.

    What was photographed on one side of the opening counts on the other side too: necks and
    sleeves are symmetric, their light nearly so.

    Args:
        painted: (h, w, 3) float32 levels, painted everywhere.
        image: (h, w, 3) uint8, the photo.
        inside: (h, w) bool, photographed inside.
        region: (h, w) bool, the opening.

    Returns:
        (h, w, 1) float32 factor; 1 without photographed inside.
    """
    if not inside.any():
        return np.ones((*inside.shape, 1), np.float32)
    weight = inside.astype(np.float32)
    wide = float(region.any(0).sum())
    # Of a pattern it is not known which part of it was photographed; its mean is in between.
    calm = cv2.GaussianBlur(painted.mean(2), (0, 0), max(1.0, wide / 4))
    # 8 levels keep black cloth's noise from counting.
    ratio = (image.astype(np.float32).mean(2) + 8) / (calm + 8) * weight
    known = min(1.0, float(inside.sum()) / max(1.0, GUIDE_AREA * region.sum()))
    mean = 1 + (float(ratio[inside].mean()) - 1) * known
    sigma = max(1.0, GUIDE_REACH * wide / 2)
    total = cv2.GaussianBlur(weight + 0.5 * weight[:, ::-1], (0, 0), sigma)
    summed = cv2.GaussianBlur(ratio + 0.5 * ratio[:, ::-1], (0, 0), sigma)
    local = (summed + CALM * mean) / (total + CALM)
    return np.clip(local, *GAINS).astype(np.float32)[..., None]


def tint(painted: np.ndarray, seen: np.ndarray, region: np.ndarray) -> np.ndarray | None:
    """Returns the colour of a lining against the cloth's, None where the inside is the same cloth.

    Args:
        painted: (h, w, 3) float32 levels of the cloth.
        seen: (N, 3) levels of the photographed inside.
        region: (h, w) bool, the opening.

    Returns:
        (3,) factors with a mean of 1, or None.
    """
    if len(seen) <= TINT_AREA * region.sum() or np.median(seen) < TINT_LEVEL:
        return None
    cloth = painted.reshape(-1, 3) + 8
    shares = cloth / cloth.sum(1, keepdims=True)
    inner = np.median(seen, 0) + 8
    inner = inner / inner.sum()
    low, high = np.percentile(shares, OWN, axis=0)
    if (inner >= low - LINING).all() and (inner <= high + LINING).all():
        return None
    factors = np.clip(inner / np.median(shares, 0), *TINTS)
    return factors / factors.mean()


def _run(front: np.ndarray, start: int) -> np.ndarray:
    """Returns (h, w) float32: pixels since the last cloth to the left, `start` right after it."""
    columns = np.arange(front.shape[1])
    last = np.maximum.accumulate(np.where(front, columns, -front.shape[1]), 1)
    return (columns - last + start - 1).astype(np.float32)
