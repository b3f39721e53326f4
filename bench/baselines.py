"""What a user without this pack would try first: cut out the foreground, split it by colour."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from dressform.imaging import masks

# GrabCut on more pixels takes minutes a photo and finds the same outline.
GRABCUT_PX = 512
GRABCUT_ROUNDS = 5
# Taken for background on all four sides.
BORDER_SHARE = 0.03
REMBG_WEIGHTS = "u2net"  # what `rembg i` takes where nothing else is asked for


class Baseline(NamedTuple):
    """A way to a foreground; `missing` says why it cannot be taken."""

    name: str
    foreground: Callable[[np.ndarray], np.ndarray]
    missing: str = ""


def known() -> list[Baseline]:
    """Lists the baselines; those that this computer cannot run say why."""
    return [Baseline("GrabCut", grabcut), Baseline("rembg", _rembg, _rembg_missing())]


def split(image: np.ndarray, foreground: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits a foreground into two colours; the larger one is the garment.

    Args:
        image: (H, W, 3) uint8 sRGB.
        foreground: (H, W) bool.

    Returns:
        Garment and mannequin, (H, W) bool.
    """
    garment, mannequin = np.zeros_like(foreground), np.zeros_like(foreground)
    colors = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[foreground].astype(np.float32)
    if len(colors) < 2:
        return foreground, mannequin
    cv2.setRNGSeed(0)  # kmeans draws its first centres from OpenCV's global generator
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, member, _ = cv2.kmeans(colors, 2, None, stop, 3, cv2.KMEANS_PP_CENTERS)  # pyright: ignore
    larger = int(np.count_nonzero(member) * 2 > len(colors))
    garment[foreground] = member[:, 0] == larger
    mannequin[foreground] = member[:, 0] != larger
    return garment, mannequin


def grabcut(image: np.ndarray) -> np.ndarray:
    """Returns the (H, W) bool foreground that GrabCut finds, its border being background.

    Reference:
        Rother, Kolmogorov and Blake, GrabCut, SIGGRAPH 2004.
    """
    height, width = image.shape[:2]
    scale = min(1.0, GRABCUT_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    marks = np.full(small.shape[:2], cv2.GC_PR_FGD, np.uint8)
    rim = max(1, round(BORDER_SHARE * max(size)))
    marks[:rim] = marks[-rim:] = cv2.GC_BGD
    marks[:, :rim] = marks[:, -rim:] = cv2.GC_BGD
    cv2.setRNGSeed(0)  # grabCut starts from kmeans, which draws from OpenCV's global generator
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, marks, None, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)  # pyright: ignore
    found = ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8)
    return cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _rembg(image: np.ndarray) -> np.ndarray:
    import rembg  # not one of the pack's needs  # pyright: ignore

    session = rembg.new_session(REMBG_WEIGHTS)
    matte = np.asarray(rembg.remove(image, session=session, only_mask=True))
    return masks.largest(matte > 127)


def _rembg_missing() -> str:
    if importlib.util.find_spec("rembg") is None:
        return "not installed"
    folder = Path(os.environ.get("U2NET_HOME", Path.home() / ".u2net"))
    present = (folder / f"{REMBG_WEIGHTS}.onnx").is_file()
    return "" if present else f"its weights are not in {folder}"
