"""Backdrop that a mask took for garment: the narrow ends of gaps, as between sleeve and torso."""

import cv2
import numpy as np

from . import masks

# Shares of the photo's long side: how deep backdrop reaches into a mask, and how far outside of
# the mask its colour is read, past the blur of the edge.
DEPTH, OUTSIDE = 0.04, 0.004
# Colour distances in Lab: within which a pixel shows the backdrop, and within which cloth is so
# like it that colour cannot tell.
SAME, ALIKE = 7.0, 14.0
# Share of the garment's middle that may be alike.
FEW = 0.01
# Share of the long side: half the width of a seam, which may have any colour.
SEAM = 0.003
# Share of the photo's pixels that a piece of backdrop has at least.
LEAST = 3e-5
# Long side of the copy that is searched, and cloth pixels that are compared with each piece.
LONG_SIDE, CLOTH_PIXELS = 1024, 50_000


def backdrop(image: np.ndarray, garment: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Finds backdrop inside of a garment's mask.

    Args:
        image: (H, W, 3) uint8 sRGB.
        garment: (H, W) bool.
        background: (H, W) bool, what is surely backdrop.

    Returns:
        (H, W) bool, a part of `garment` that touches the background and has its colour;
        empty where cloth has that colour too.
    """
    height, width = garment.shape
    scale = min(1.0, LONG_SIDE / max(height, width))
    if scale == 1:
        return _backdrop(image, garment, background)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = [
        cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        for mask in (garment, background)
    ]
    found = _backdrop(cv2.resize(image, size, interpolation=cv2.INTER_AREA), *small)
    if not found.any():
        return np.zeros_like(garment)
    soft = cv2.resize(found.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_LINEAR)
    return (soft > 127) & garment


def _backdrop(image: np.ndarray, garment: np.ndarray, background: np.ndarray) -> np.ndarray:
    long_side = max(garment.shape)
    outside = masks.shrink(background, max(1, round(OUTSIDE * long_side)))
    away, nearest = cv2.distanceTransformWithLabels(
        (~outside).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    band = garment & (away < DEPTH * long_side)
    none = np.zeros_like(garment)
    if not outside.any() or not band.any():
        return none
    soft = cv2.GaussianBlur(image, (0, 0), 1.2).astype(np.float32) / 255
    lab = np.asarray(cv2.cvtColor(soft, cv2.COLOR_RGB2LAB), np.float32)
    labels = np.asarray(nearest, np.int32)
    palette = np.zeros((int(labels.max()) + 1, 3), np.float32)
    palette[labels[outside]] = lab[outside]
    far = np.linalg.norm(lab - palette[labels], axis=-1)
    thin = max(1, round(SEAM * long_side))
    clean = masks.grow(masks.shrink(band & (far < SAME), thin), thin).astype(np.uint8)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(clean)
    pieces = np.asarray(pieces, np.int32)
    core = lab[garment & ~band]
    core = core[:: max(1, len(core) // CLOTH_PIXELS)]
    edge = masks.grow(background, max(2, round(OUTSIDE * long_side)))
    found = np.zeros(count, bool)
    for number in range(1, count):
        if stats[number, cv2.CC_STAT_AREA] < LEAST * garment.size:
            continue
        x, y, across, down, _ = stats[number]
        place = slice(y, y + down), slice(x, x + across)
        piece = pieces[place] == number
        if not len(core) or not (piece & edge[place]).any():
            continue
        alike = np.linalg.norm(core - np.median(lab[place][piece], axis=0), axis=-1) < ALIKE
        found[number] = alike.mean() < FEW
    # The rim of a piece is mixed with the cloth's colour.
    return masks.grow(found[pieces], 2) & band & (far < 2 * SAME) if found.any() else none
