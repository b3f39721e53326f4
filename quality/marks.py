"""Marks: whether logos and prints of the garment are still there, and are the same."""

import cv2
import numpy as np

from ..imaging import masks
from . import alignment
from .measure import Measure, require_pair, unmeasurable

SIDE_PX = 512  # long side of the looked-at garment: a print is seen at this size, a thread is not
MIN_MARKS = 25  # keypoints; fewer are folds of a plain garment
CONTRAST = 0.06  # of SIFT; folds are weaker than print
MOST_MARKS = 400  # the strongest; a pattern has thousands
RATIO = 0.9  # nearest over second nearest descriptor (Lowe 2004: 0.8 for scenes without bending)
MIN_MATCHES = 8  # four points fix a homography; twice as many prove it
REACH_SHARE = 0.03  # of SIDE_PX, of RANSAC: cloth bends
RIM_PX = 4  # left out: the outline is no mark


def measure(
    result: np.ndarray, source: np.ndarray, result_mask: np.ndarray, source_mask: np.ndarray
) -> Measure:
    """Measures how many of the garment's marks are lost.

    Args:
        result, source: (H, W, 3) uint8 sRGB; sizes may differ.
        result_mask, source_mask: (H, W) bool, the garment in each.

    Returns:
        Share (0 to 1) of the source's keypoints that have no partner in the result in the same
        arrangement. Not measurable on a garment with fewer than MIN_MARKS of them.

    Reference:
        Lowe: Distinctive image features from scale-invariant keypoints, IJCV 60 (2004); Fischler,
        Bolles: Random sample consensus, CACM 24 (1981).
    """
    require_pair(result, source, result_mask, source_mask)
    finder = cv2.SIFT.create(nfeatures=MOST_MARKS, contrastThreshold=CONTRAST)
    had, before = _keypoints(finder, source, source_mask)
    if len(had) < MIN_MARKS:
        return unmeasurable("The garment shows no logo or print that could be compared.")
    # A paler mark is still the mark.
    finder = cv2.SIFT.create(nfeatures=3 * MOST_MARKS, contrastThreshold=CONTRAST / 4)
    has, after = _keypoints(finder, result, result_mask)
    kept = _kept(had, before, has, after) if len(has) >= MIN_MATCHES else 0
    return Measure(
        1 - kept / len(had), details={"marks": float(len(had)), "kept_marks": float(kept)}
    )


def _keypoints(
    finder: "cv2.SIFT", picture: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (N, 2) points and (N, 128) descriptors of the garment at SIDE_PX."""
    box = alignment.around(mask)
    part = np.s_[box.top : box.bottom, box.left : box.right]
    scale = min(1.0, SIDE_PX / max(box.height, box.width))
    size = max(1, round(box.width * scale)), max(1, round(box.height * scale))
    grey = cv2.resize(
        cv2.cvtColor(picture[part], cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA
    )
    where = cv2.resize(mask[part].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    where = masks.shrink(where, RIM_PX).astype(np.uint8) * 255
    found, descriptors = finder.detectAndCompute(grey, where)
    if descriptors is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    return np.array([k.pt for k in found], np.float32), descriptors


def _kept(had: np.ndarray, before: np.ndarray, has: np.ndarray, after: np.ndarray) -> int:
    """Counts the marks whose partners lie in the same arrangement."""
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(before, after, k=2)
    chosen = [p[0] for p in pairs if len(p) == 2 and p[0].distance < RATIO * p[1].distance]
    if len(chosen) < MIN_MATCHES:
        return 0
    start = np.array([had[match.queryIdx] for match in chosen])
    end = np.array([has[match.trainIdx] for match in chosen])
    cv2.setRNGSeed(0)  # RANSAC draws from OpenCV's global generator
    _, inliers = cv2.findHomography(start, end, cv2.RANSAC, REACH_SHARE * SIDE_PX)
    return 0 if inliers is None else int(inliers.sum())
