"""Colour spaces."""

import cv2
import numpy as np


def to_lab(image: np.ndarray) -> np.ndarray:
    """Returns (H, W, 3) float32 CIE Lab (L 0 to 100) of an (H, W, 3) uint8 sRGB picture."""
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
