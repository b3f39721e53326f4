"""What the parser's own networks say of a photo: labels, joints, kind, region and view.

The first finds labels and joints in the whole photo. The second names what the figure shows, cut
out of the photo by its labels, as a thumbnail of the photo hardly shows a neckline. Both are asked
about the photo and its mirror image. weights/PROVENANCE.md tells what they were trained on.
"""

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from .. import labels, masks
from ..parsing import KINDS, REGIONS, VIEWS
from . import joints

WEIGHTS = Path(__file__).parent / "weights"
# Pixels of the picture that the first network sees, as in the last phase of its training; both
# sides are multiples of its coarsest cell.
PIXELS = 512 * 384
CELL_PX = 32
LEAST_PX, MOST_PX = 64, 1536
# Height and width of what the second network sees, and the space around the figure in shares of
# its longer side; see training/look.py.
LOOK_PX, MARGIN = (288, 216), 0.06
# Degrees that a figure may be turned by and still be seen from the front, half of the range about
# them in which odds are shared, and the same of the cosine between front and back. The benchmark's
# fronts are turned by up to 7 degrees, its three-quarter views by 14 and more.
FRONT_DEG, FRONT_SOFT_DEG, BACK_SOFT = 10.5, 2.0, 0.15
_FIGURE = (labels.GARMENT, labels.MANNEQUIN, labels.SUPPORT, labels.INTERIOR)
# Of each of two runs. More win nothing on a picture so small, and parsing a batch runs several.
THREADS = 2


class Reading(NamedTuple):
    """What the first network says.

    Attributes:
        shares: (h, w, 6) float32, probabilities of the labels on the working copy.
        places: (18, h, w) float32, for every joint of `pose.NAMES` the probability of its place;
            of joints that the mannequin lacks, of where they would be. `joints` reads them.
        agreement: Overlap of the garment in the photo with that in its mirror image, 0 to 1.
    """

    shares: np.ndarray
    places: np.ndarray
    agreement: float


class Look(NamedTuple):
    """What the second network says: the probability of every name.

    Attributes:
        kind: Of `parsing.KINDS` but "unknown".
        region: Of `parsing.REGIONS`.
        view: Of `parsing.VIEWS`.
    """

    kind: dict[str, float]
    region: dict[str, float]
    view: dict[str, float]


def read(image: np.ndarray) -> Reading:
    """Finds the labels and joints of a photo.

    Args:
        image: (h, w, 3) uint8 sRGB, the working copy.

    Raises:
        FileNotFoundError: The weights are missing from the installation.
    """
    height, width = image.shape[:2]
    picture = cv2.resize(image, _input_size(height, width), interpolation=cv2.INTER_AREA)
    straight, mirrored = _run_both("labels", {"image": picture}, {"image": picture[:, ::-1]})
    back = mirrored[0][..., ::-1]
    both = (straight[0] + back) / 2
    shares = np.dstack(
        [cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in both]
    )
    places = (straight[1] + mirrored[1][list(joints.MIRRORED)][..., ::-1]) / 2
    first, second = (side.argmax(0) == labels.GARMENT for side in (straight[0], back))
    agreement = np.count_nonzero(first & second) / max(1, np.count_nonzero(first | second))
    return Reading(shares, places, agreement)


def look(image: np.ndarray, shares: np.ndarray) -> Look:
    """Names what the figure shows.

    Args:
        image: (h, w, 3) uint8 sRGB, the working copy.
        shares: (h, w, 6) float32, probabilities of the labels.

    Raises:
        FileNotFoundError: The weights are missing from the installation.
    """
    window = figure_window(shares.argmax(-1))
    size = LOOK_PX[::-1]
    picture = cv2.resize(image[window], size, interpolation=cv2.INTER_AREA)
    planes = np.stack(
        [
            cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
            for plane in np.ascontiguousarray(shares[window].transpose(2, 0, 1))
        ]
    )
    (*straight, turn), (*mirrored, back) = _run_both(
        "look",
        {"image": picture, "shares": planes},
        {"image": picture[:, ::-1], "shares": planes[..., ::-1]},
    )
    kind, region, view = ((one + other) / 2 for one, other in zip(straight, mirrored, strict=True))
    view = view * turned((turn + back * (-1, 1)) / 2)
    view = view / view.sum()
    return Look(_named(KINDS[:-1], kind), _named(REGIONS, region), _named(VIEWS, view))


def _named(names: Sequence[str], odds: np.ndarray) -> dict[str, float]:
    return dict(zip(names, odds.tolist(), strict=True))


def turned(turn: np.ndarray) -> np.ndarray:
    """Returns the odds of VIEWS for a figure whose turn has this sine and cosine."""
    sine, cosine = turn
    degrees = np.degrees(np.arctan2(abs(sine), abs(cosine)))
    front, ahead = (
        1 / (1 + np.exp(-excess))
        for excess in ((FRONT_DEG - degrees) / FRONT_SOFT_DEG, cosine / BACK_SOFT)
    )
    odds = {"front": ahead * front, "three-quarter": ahead * (1 - front), "back": 1 - ahead}
    return np.array([odds[name] for name in VIEWS])


def figure_window(label_map: np.ndarray) -> tuple[slice, slice]:
    """Returns the rows and columns of the figure and some space around; all where there is none."""
    box = masks.bounds(np.isin(label_map, _FIGURE))
    if box is None:
        return slice(None), slice(None)
    space = int(MARGIN * max(box.height, box.width))
    return (
        slice(max(0, box.top - space), box.bottom + space),
        slice(max(0, box.left - space), box.right + space),
    )


def _input_size(height: int, width: int) -> tuple[int, int]:
    """Returns width and height of what the first network sees, shaped about like the photo."""
    scale = (PIXELS / (height * width)) ** 0.5
    sides = (round(side * scale / CELL_PX) * CELL_PX for side in (width, height))
    wide, tall = (min(max(side, LEAST_PX), MOST_PX) for side in sides)
    return wide, tall


def _run_both(name: str, *inputs: dict[str, np.ndarray]) -> list[list[np.ndarray]]:
    """Runs one network on two batches of one at the same time.

    Two cores with a run each are faster than two cores that share one run after the other.
    """
    loaded = session(name)

    def run(one: dict[str, np.ndarray]) -> list[np.ndarray]:
        batch = {key: np.ascontiguousarray(value)[None] for key, value in one.items()}
        return [output[0] for output in loaded.run(None, batch)]

    with ThreadPoolExecutor(len(inputs)) as pool:
        return list(pool.map(run, inputs))


@functools.cache
def session(name: str) -> Any:
    """Loads a network once; it may be run by several threads at a time."""
    import onnxruntime

    path = WEIGHTS / f"{name}.onnx"
    if not path.exists():
        raise FileNotFoundError(
            f"the parser's weights are required, got no file {path}. "
            "Install the pack again; the file is part of it."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(THREADS, max(1, (os.cpu_count() or 1) // 2))
    options.inter_op_num_threads = 1
    # Waiting threads that spin take the cores from the rest of the parser.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The arena would keep the largest picture's memory for good.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
