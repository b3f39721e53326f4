"""Hard versions of a photo and its label map: what goes wrong in front of a camera and after."""

from collections.abc import Callable

import cv2
import numpy as np
from dressform.imaging import labels, masks

Scene = tuple[np.ndarray, np.ndarray]
LONG_SIDE_PX = 1024  # the size that lengths below are meant for
BLUR_PX = 6.0
DARK_EV = -4.0
JPEG_QUALITY = 6
# Cut off on the left and at the top, of width and height; the garment is cut as well.
CROP_LEFT, CROP_TOP = 0.45, 0.4
NOISE_LEVELS = 3.0  # of a dark photo's sensor, standard deviation


def hard_versions() -> dict[str, Callable[[np.ndarray, np.ndarray], Scene]]:
    """Returns the hard versions by name: (photo, label map) -> (photo, label map)."""
    return {
        "blur": lambda photo, truth: (blurred(photo, BLUR_PX), truth),
        "dark": lambda photo, truth: (noisy(exposed(photo, DARK_EV), NOISE_LEVELS), truth),
        "jpeg": lambda photo, truth: (compressed(photo, JPEG_QUALITY), truth),
        "crop": lambda photo, truth: (
            cropped(photo, left=CROP_LEFT, top=CROP_TOP),
            cropped(truth, left=CROP_LEFT, top=CROP_TOP),
        ),
        "wall": lambda photo, truth: (before_own_color(photo, truth), truth),
    }


def blurred(photo: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blurs as a lens out of focus does, by `sigma_px` at a long side of LONG_SIDE_PX."""
    sigma = sigma_px * max(photo.shape[:2]) / LONG_SIDE_PX
    return photo.copy() if sigma <= 0 else cv2.GaussianBlur(photo, (0, 0), sigma)


def exposed(photo: np.ndarray, stops_ev: float) -> np.ndarray:
    """Exposes longer or, below 0, shorter; clips as a sensor does. Exact in linear light."""
    levels = np.arange(256) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    brighter = np.clip(linear * 2.0**stops_ev, 0, 1)
    encoded = np.where(
        brighter <= 0.0031308, brighter * 12.92, 1.055 * brighter ** (1 / 2.4) - 0.055
    )
    return cv2.LUT(photo, np.rint(encoded * 255).astype(np.uint8))


def noisy(photo: np.ndarray, sigma_levels: float) -> np.ndarray:
    """Adds grain, the same for every photo of a size."""
    grain = np.random.default_rng(0).normal(0, sigma_levels, photo.shape)
    return np.clip(np.rint(photo + grain), 0, 255).astype(np.uint8)


def compressed(photo: np.ndarray, quality: int) -> np.ndarray:
    """Saves as JPEG and opens again."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(photo[..., ::-1]), options)
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def cropped(
    picture: np.ndarray, *, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0
) -> np.ndarray:
    """Cuts shares of the width and height off; takes photos and label maps."""
    height, width = picture.shape[:2]
    rows = slice(round(top * height), height - round(bottom * height))
    columns = slice(round(left * width), width - round(right * width))
    return np.ascontiguousarray(picture[rows, columns])


def before_own_color(photo: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Hangs the scene before a wall of the garment's median colour; its shading stays."""
    garment = truth == labels.GARMENT
    wall = (truth == labels.BACKGROUND) | (truth == labels.CLUTTER)
    if not garment.any() or not wall.any():
        return photo.copy()
    lab = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB).astype(np.float32)
    moved = lab + np.median(lab[garment], axis=0) - np.median(lab[wall], axis=0)
    other = cv2.cvtColor(np.clip(np.rint(moved), 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    soft = masks.feather(wall, 2)[..., None]  # the outline keeps the softness of the photo's
    return np.rint(other * soft + photo * (1 - soft)).astype(np.uint8)


def turned(picture: np.ndarray, angle_deg: float) -> np.ndarray:
    """Turns a photo or a label map about its middle, its top to the right; the rim is repeated."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -angle_deg, 1)
    way = cv2.INTER_NEAREST if picture.ndim == 2 else cv2.INTER_LINEAR  # labels have no middle
    size = width, height
    return cv2.warpAffine(picture, matrix, size, flags=way, borderMode=cv2.BORDER_REPLICATE)
