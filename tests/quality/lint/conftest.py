"""A drawn shirt on a drawn form: a photo to which there is nothing to object, large enough."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from dressform.imaging import labels
from dressform.imaging.parsing import Parsing
from dressform.quality.lint import shot

HEIGHT, WIDTH = 1200, 900


@pytest.fixture(scope="session")
def parsing():
    label_map = np.full((HEIGHT, WIDTH), labels.BACKGROUND, np.uint8)
    label_map[40:140, 390:510] = labels.MANNEQUIN
    label_map[140:1080, 250:650] = labels.GARMENT
    label_map[1080:1180, 440:460] = labels.SUPPORT
    return Parsing(label_map, "dressform", confidence=0.95)


@pytest.fixture(scope="session")
def photo(parsing):
    """A blue shirt with stripes on a brown form before a pale wall, with a sensor's grain."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.float32)
    picture[:] = 228
    shirt = np.full((HEIGHT, WIDTH, 3), (60, 90, 150), np.float32)
    shirt[:, np.arange(WIDTH) // 31 % 2 == 1] = (200, 200, 190)
    picture[parsing.garment] = shirt[parsing.garment]
    picture[parsing.mannequin | parsing.support] = (170, 120, 80)
    grain = np.random.default_rng(3).normal(0, 0.6, (HEIGHT, WIDTH, 1))
    soft = cv2.GaussianBlur(picture, (0, 0), 0.5)
    return np.clip(np.rint(soft + grain), 0, 255).astype(np.uint8)


@pytest.fixture
def take(photo, parsing):
    """Prepares the photo, or a changed one, for the measures."""

    def prepare(picture=None, label_map=None):
        changed = parsing if label_map is None else parsing._replace(label_map=label_map)
        return shot.take(photo if picture is None else picture, changed)

    return prepare


@pytest.fixture(scope="session")
def turned():
    """Turns a photo or a label map about its middle, the top to the right."""

    def turn(array, angle_deg):
        height, width = array.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -angle_deg, 1)
        return cv2.warpAffine(
            array, matrix, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
        )

    return turn


@pytest.fixture(scope="session")
def states():
    """States of all checks by name, of a report."""
    return lambda report: SimpleNamespace(**{one.name: one.state for one in report.findings})
