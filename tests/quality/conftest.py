"""A drawn garment on a drawn mannequin, and what can go wrong with a picture of it."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from dressform.imaging import labels
from dressform.imaging.parsing import Parsing

HEIGHT, WIDTH = 320, 240


def to_bytes(picture):
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def parsing():
    """A shirt with a neck above it, a stand below it."""
    label_map = np.full((HEIGHT, WIDTH), labels.BACKGROUND, np.uint8)
    label_map[20:70, 95:145] = labels.MANNEQUIN
    label_map[250:310, 110:130] = labels.SUPPORT
    label_map[70:250, 50:190] = labels.GARMENT
    return Parsing(label_map, "dressform", confidence=0.9)


@pytest.fixture(scope="session")
def source(parsing):
    """A woven blue shirt with folds, on a linen form, before a pale wall."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    grain = np.random.default_rng(7).normal(0, 1, (HEIGHT, WIDTH, 1))
    picture = np.empty((HEIGHT, WIDTH, 3), np.float32)
    picture[:] = (232, 230, 226)
    folds = 0.75 + 0.25 * np.sin(columns / 11 + rows / 37)
    weave = 1 + 0.3 * np.sin(columns * 1.1) * np.sin(rows * 0.9)
    shirt = (folds * weave)[..., None] * np.float32((60, 90, 150)) + 12
    form = (0.8 + 0.2 * np.sin(columns / 9))[..., None] * np.float32((205, 180, 150))
    picture[parsing.garment] = shirt[parsing.garment]
    held = parsing.mannequin | parsing.support
    picture[held] = form[held]
    return to_bytes(cv2.GaussianBlur(picture, (0, 0), 0.6) + grain)


@pytest.fixture(scope="session")
def model(source, parsing):
    """The same shirt in the same place on a dark-skinned person before the same wall."""
    picture = source.copy()
    picture[parsing.mannequin | parsing.support] = (228, 228, 224)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    head = ((rows - 40) / 30) ** 2 + ((columns - 120) / 22) ** 2 < 1
    picture[head & ~parsing.garment] = (96, 62, 48)
    return picture


@pytest.fixture(scope="session")
def damage():
    """What can happen to a picture, as functions of it."""
    return SimpleNamespace(
        veil=lambda picture, strength: to_bytes(picture * (1 - strength) + 0.88 * 255 * strength),
        blur=lambda picture, sigma_px: cv2.GaussianBlur(picture, (0, 0), sigma_px),
        expose=lambda picture, stops: to_bytes(
            255 * ((picture / 255) ** 2.2 * 2**stops) ** (1 / 2.2)
        ),
        move=lambda picture, distance_px: np.roll(picture, distance_px, axis=1),
        jpeg=_jpeg,
        shrink=_shrink,
        shrink_mask=lambda mask, scale: (
            _shrink(mask.astype(np.uint8), scale, cv2.INTER_NEAREST) > 0
        ),
    )


def _jpeg(picture, quality):
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].copy()


def _shrink(picture, scale, interpolation=cv2.INTER_AREA):
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=interpolation)
