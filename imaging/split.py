"""The figure divided into garment and mannequin."""

import cv2
import numpy as np

from . import background, labels, masks

CLUSTERS = 4


def divide(image: np.ndarray, figure: np.ndarray) -> np.ndarray:
    """Labels the figure's pixels as garment or mannequin by colour cluster and position.

    Args:
        image: (H, W, 3) uint8 sRGB.
        figure: (H, W) bool.

    Returns:
        (H, W) uint8 label map.
    """
    label_map = np.zeros(figure.shape, np.uint8)
    box = masks.bounds(figure)
    if box is None:
        return label_map
    lab = background.to_lab(cv2.bilateralFilter(image, 7, 30, 5))
    pixels = (lab[figure] * np.float32([0.6, 1.2, 1.2])).astype(np.float32)
    count = min(CLUSTERS, len(pixels))
    cv2.setRNGSeed(0)  # kmeans draws its first centres from OpenCV's global generator
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.1)
    _, member, _ = cv2.kmeans(pixels, count, None, stop, 1, cv2.KMEANS_PP_CENTERS)  # pyright: ignore
    rows, columns = np.nonzero(figure)
    across = np.abs((columns - box.left) / box.width - 0.5) * 2
    down = (rows - box.top) / box.height
    core = np.exp(-(((down - 0.45) / 0.25) ** 2) - (across / 0.5) ** 2)
    values = np.full(len(pixels), labels.MANNEQUIN, np.uint8)
    scores = np.array([core[member[:, 0] == i].mean() for i in range(count)])
    for index in range(count):
        if scores[index] > 0.75 * core.mean():
            values[member[:, 0] == index] = labels.GARMENT
    label_map[figure] = values
    return label_map
