"""One pair of large pictures, and all checks of it: the work whose time and memory is measured."""

from pathlib import Path

import cv2
import numpy as np
from dressform.imaging import labels, masks, pictures
from dressform.imaging.parsing import Parsing
from dressform.quality import verdict
from dressform.quality.verdict import Verdict

HEIGHT, WIDTH = 2048, 1536
VEIL, VEIL_LEVEL, MOVED_PX = 0.08, 224, 2  # what is wrong with the result, so that all has to look
GROWN_PX = 24
REPEATS = 12  # of the fixed work
REFERENCE_SIGMA_PX = 5


def pair(scene: str | Path) -> tuple[np.ndarray, np.ndarray, Parsing]:
    """Returns a result, its source and the source's parsing, at 1536x2048."""
    folder, size = Path(scene), (WIDTH, HEIGHT)
    photo = cv2.resize(pictures.open_picture(folder / "photo.jpg"), size)
    exact = cv2.imread(str(folder / "labels.png"), cv2.IMREAD_UNCHANGED)
    label_map = cv2.resize(exact, size, interpolation=cv2.INTER_NEAREST)
    hazy = photo * (1 - VEIL) + VEIL_LEVEL * VEIL
    result = np.roll(np.rint(hazy).astype(np.uint8), MOVED_PX, axis=1)
    kind = "flatlay" if not (label_map == labels.MANNEQUIN).any() else "full"
    # As the parser gives them: the network sees joints, nothing has to be fitted.
    joints = np.stack((np.linspace(0, WIDTH, 18), np.linspace(0, HEIGHT, 18), np.ones(18)), 1)
    return result, photo, Parsing(label_map, kind, confidence=0.9, joints=joints.astype(np.float32))


def check(result: np.ndarray, source: np.ndarray, parsing: Parsing) -> Verdict:
    """Makes all checks of one pair, those that need the person and the mask among them."""
    repainted = masks.grow(parsing.garment, GROWN_PX)
    return verdict.check(result, source, parsing, person=source, repaint_mask=repainted)


def reference(picture: np.ndarray) -> np.ndarray:
    """Does a fixed piece of work on all cores, by which times of other machines can be told."""
    for _ in range(REPEATS):
        picture = cv2.GaussianBlur(picture, (0, 0), REFERENCE_SIGMA_PX)
    return picture
