"""The neckband: what finishes the front edge of an opening finishes its back edge too."""

import cv2
import numpy as np

# Width of the finish that is looked for, as a share of the opening's width, and at least in
# pixels: a rib is 2 cm wide on a neckline of 18 cm.
WIDTH, LEAST_PX = 0.10, 3
# Parts of the front edge whose finish is compared; a stripe or fold shows in one of them only.
PARTS = 3
# Range of a finish's colour against the cloth's: piping may be dark, hardly brighter than this.
RANGE = 0.35, 2.2
# The fold of the edge catches light, and stitching under the band shades it; factors.
RIM, SEAM = 1.10, 0.90
RIM_PX, SEAM_PX = 1.2, 1.0  # at a long side of 1024 px


def width_px(opening_px: float) -> int:
    """Returns how wide a neckband is at most on an opening of this width."""
    return max(LEAST_PX, round(WIDTH * opening_px))


def profile(image: np.ndarray, cloth: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Measures how the cloth's colour changes from an opening's front edge into the garment.

    Args:
        image: (h, w, 3) uint8 sRGB.
        cloth: (h, w) bool, photographed outside of the garment.
        region: (h, w) bool, the opening.

    Returns:
        (n, 3) float32 factors for the pixels at distance 0, 1, ... from the edge; ends at 1.
    """
    wide = width_px(float(region.any(0).sum()))
    away = cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, 5)
    beside = cloth & (away <= 2.5 * wide)
    columns = np.flatnonzero(region.any(0))
    found = []
    for part in np.array_split(columns, PARTS):
        if not len(part):
            continue
        mine = np.zeros_like(beside)
        mine[:, part[0] : part[-1] + 1] = beside[:, part[0] : part[-1] + 1]
        far = mine & (away > 1.2 * wide)
        if far.sum() < 20:
            continue
        usual = image[far].mean(0) + 8.0  # 8 levels keep black cloth's noise from counting
        steps = np.ones((wide, 3))
        for step in range(wide):
            here = mine & (away > step + 1) & (away <= step + 2)
            if here.sum() >= 5:
                steps[step] = (image[here].mean(0) + 8) / usual
        found.append(steps)
    if not found:
        return np.ones((wide, 3), np.float32)
    middle = np.clip(np.median(found, 0), *RANGE)
    # The band ends within its width; the cloth goes on as it is.
    fade = np.clip(2 - 2 * (np.arange(wide) + 0.5) / wide, 0, 1)[:, None]
    return (1 + (middle - 1) * fade).astype(np.float32)


def lay(depth: np.ndarray, steps: np.ndarray, scale: float) -> np.ndarray:
    """Returns the neckband along a back edge as (h, w, 3) float32 factors.

    Args:
        depth: (h, w) float32, pixels below the edge.
        steps: From `profile`.
        scale: The photo's long side over 1024 px.
    """
    wide = len(steps)
    place = np.clip(depth, 0, wide - 1)
    low = np.floor(place).astype(int)
    share = (place - low)[..., None]
    factors = steps[low] * (1 - share) + steps[np.minimum(low + 1, wide - 1)] * share
    factors = np.where((depth < wide)[..., None], factors, 1)
    rim = (RIM - 1) * np.exp(-((np.maximum(depth, 0) / (RIM_PX * max(scale, 0.5))) ** 2))
    seam = (1 - SEAM) * np.exp(-(((depth - wide) / (SEAM_PX * max(scale, 0.5))) ** 2))
    return (factors * (1 + rim - seam)[..., None]).astype(np.float32)
