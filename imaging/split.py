"""The figure divided, pixel by pixel, into garment, mannequin, support and interior."""

import numpy as np

from . import labels
from .cues import Scene


def shares(image: np.ndarray, scene: Scene, posterior: np.ndarray) -> np.ndarray:
    """Gives every pixel of the working copy to labels.

    Args:
        image: (H, W, 3) uint8 sRGB, the working copy.
        scene: Its measurements.
        posterior: (count, 5) probabilities of every superpixel.

    Returns:
        (H, W, 5) float32, 1 at the pixel's label.
    """
    best = scene.patches.paint(posterior.argmax(1))
    return (best[..., None] == np.arange(len(labels.NAMES) - 1)).astype(np.float32)
