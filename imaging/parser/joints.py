"""Reads the joints off the network's maps, each on the side that the view says.

From behind, left and right look as from the front, only swapped: the maps of a left and a right
joint then show both places, and the higher of the two peaks is a guess. Where both places are is
read off the sum of the two maps, and the view, which the second network tells far better, says
which is which.
"""

import numpy as np

from ..pose import NAMES

# The same joint of the other side, in the order of `pose.NAMES`.
_OTHER = {"L": "R", "R": "L"}
MIRRORED = tuple(NAMES.index(_OTHER.get(name[0], name[0]) + name[1:]) for name in NAMES)
_PAIRS = tuple((i, other) for i, other in enumerate(MIRRORED) if i < other)
# Cells around a peak that belong to it. A second peak is a place of its own from this mass on; a
# pair of maps has a mass of two.
REACH, LEAST_MASS = 3, 0.2


def locate(places: np.ndarray, *, back: bool) -> np.ndarray:
    """Finds every joint.

    Args:
        places: (18, h, w) float32, for every joint of `pose.NAMES` the probability of its place.
        back: Whether the figure is seen from behind.

    Returns:
        (18, 3) float32: x and y as shares of width and height, and the mass of the peak.
    """
    found = np.stack([_peak(place) for place in places])
    for right, left in _PAIRS:
        both = places[right] + places[left]
        first = _peak(both)
        second = _peak(_without(both, first))
        if second[2] >= LEAST_MASS:
            near, far = sorted((first, second), key=lambda peak: peak[0])
            found[right], found[left] = (far, near) if back else (near, far)
    found[:, 2] = np.minimum(found[:, 2], 1)
    return found


def _peak(place: np.ndarray) -> np.ndarray:
    """x, y and mass of the 3 x 3 cells around the highest, to a fraction of a cell."""
    height, width = place.shape
    row, column = np.unravel_index(int(place.argmax()), place.shape)
    top, left = max(0, row - 1), max(0, column - 1)
    near = place[top : row + 2, left : column + 2]
    rows, columns = np.mgrid[top : top + near.shape[0], left : left + near.shape[1]]
    mass = max(float(near.sum()), 1e-9)
    x, y = (columns * near).sum() / mass, (rows * near).sum() / mass
    return np.array([(x + 0.5) / width, (y + 0.5) / height, mass], np.float32)


def _without(place: np.ndarray, peak: np.ndarray) -> np.ndarray:
    height, width = place.shape
    column, row = int(peak[0] * width), int(peak[1] * height)
    left = place.copy()
    left[max(0, row - REACH) : row + REACH + 1, max(0, column - REACH) : column + REACH + 1] = 0
    return left
