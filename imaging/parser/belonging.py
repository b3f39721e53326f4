"""Which patches of a photo belong to what a stroke struck: a logistic model of their likeness."""

import numpy as np

from .. import labels
from . import patch_graph
from .patch_graph import PatchGraph

UNSAID = 255  # the owner of a patch that no stroke covers
# A correction does not tell the stand from the mannequin, nor the room from its wall.
GROUPS = np.array(
    [
        labels.BACKGROUND,
        labels.GARMENT,
        labels.MANNEQUIN,
        labels.MANNEQUIN,
        labels.INTERIOR,
        labels.BACKGROUND,
    ],
    np.uint8,
)
COEFFICIENTS = {
    "one": -4.8186,
    "way": -0.6769,
    "hurdle": 0.9237,
    "color": -2.3367,
    "share": 7.9105,
    "same_label": 3.8259,
    "remote": -17.9303,
    "remote_in_spans": 1.5867,
    "color_of_target": 0.4083,
    "color_of_rest": 2.0787,
    "at_side": -0.1747,
    "same_part": 1.8433,
    "part_size": -0.1872,
    "struck_size": 0.0238,
    "span": 0.1351,
    "to_garment": 0.6559,
    "to_background": -0.1695,
    "interior": 2.9325,
}
"""Weight of each measurement in the logistic model.

Fitted by `bench/corrections.py --fit` on 67 rendered scenes with true label maps, of which about
400 parsings were spoiled; the shipped samples are not among them.
"""

# Lab units on a way: a patch's own grain, and what crossing a border of the parsing costs.
GRAIN_LAB, BORDER_LAB = 0.5, 6.0
# Shading changes lightness before it changes hue.
COLOR_WEIGHTS = np.array([0.7, 1.0, 1.0])
PALETTE_COLORS = 96  # of a group of patches; bounds the time of comparing all with all
NO_COLOR_LAB = 60.0  # stands for "nothing to compare with"
# Lab distance at which neighbours no longer count as one surface, and the weight of neighbours
# against a patch's own evidence.
SURFACE_LAB, NEIGHBOURS = 6.0, 1.5
SMOOTHINGS = 4


def likelihood(
    graph: PatchGraph, mass: np.ndarray, owners: np.ndarray, target: int, drawn: np.ndarray
) -> np.ndarray:
    """Estimates which patches belong to what the strokes of one label struck.

    Args:
        mass: (count, 6) mean shares of every patch.
        owners: (count,) uint8, label of the strokes on every patch, or UNSAID.
        target: The label.
        drawn: (H, W) bool, the pixels of its strokes.

    Returns:
        (count,) float64 in [0, 1]; 1 on the strokes' own patches, 0 on those of other strokes, on
        those which have the label already, and on all that no chain of likely patches reaches.
    """
    struck = owners == target
    measured = evidence(graph, mass, struck, target, drawn)
    likely = struck.astype(np.float64)
    if measured is None:
        return likely
    score = measured @ np.array(list(COEFFICIENTS.values()))
    fixed = (GROUPS[mass.argmax(1)] == target) | (owners != UNSAID)
    weights = graph.rims * np.exp(-((graph.steps / SURFACE_LAB) ** 2))
    total = np.add.reduceat(graph.rims, graph.starts)
    for _ in range(SMOOTHINGS):
        around = np.add.reduceat(weights * (2 * likely - 1)[graph.first], graph.starts) / total
        likely = 1 / (1 + np.exp(-np.clip(score + NEIGHBOURS * around, -30, 30)))
        likely[fixed] = struck[fixed]
    chain = likely > 0.5
    open_edges = np.where(chain[graph.first] & chain[graph.second], 0.0, patch_graph.UNREACHED)
    reached = patch_graph.distances(graph, struck, open_edges) < patch_graph.UNREACHED
    return np.where(reached, likely, 0.0)


def evidence(
    graph: PatchGraph, mass: np.ndarray, struck: np.ndarray, target: int, drawn: np.ndarray
) -> np.ndarray | None:
    """Measures every patch against the strokes of one label.

    Args:
        mass, target, drawn: As for `likelihood`.
        struck: (count,) bool, the strokes' own patches.

    Returns:
        (count, len(COEFFICIENTS)) float64, a column for each coefficient; None where the strokes
        confirm what was there.
    """
    group = GROUPS[mass.argmax(1)]
    wrong = struck & (group != target)
    if not wrong.any():
        return None
    old = np.bincount(group[wrong]).argmax()
    share = mass[:, GROUPS == target].sum(1)
    border = BORDER_LAB * (group[graph.first] != group[graph.second])
    way = patch_graph.distances(graph, struck, graph.steps + GRAIN_LAB + border)
    hurdle = patch_graph.distances(graph, struck, graph.steps, bottleneck=True)
    others = (group == old) & ~struck
    rest = others & (way > np.median(way[others])) if others.any() else others
    lab = graph.lab * COLOR_WEIGHTS
    numbers = patch_graph.parts(graph, group)
    sizes = np.bincount(numbers, graph.patches.areas, len(numbers)) / graph.patches.areas.sum()
    remote = patch_graph.remoteness(graph, drawn if drawn.any() else graph.patches.paint(struck))
    ys, xs = np.nonzero(drawn)
    span = max(np.ptp(ys), np.ptp(xs)) / max(drawn.shape) if len(ys) else 0.0
    columns = {
        "one": np.ones(len(mass)),
        "way": np.log1p(way / 10),
        "hurdle": np.log1p(hurdle / 3),
        "color": np.log1p(_nearest(lab, lab[struck]) / 3),
        "share": share,
        "same_label": group == old,
        "remote": remote,
        "remote_in_spans": np.log1p(remote / (span + 0.01)),
        "color_of_target": np.log1p(_nearest(lab, lab[(share > 0.5) & ~struck]) / 3),
        "color_of_rest": np.log1p(_nearest(lab, lab[rest]) / 3),
        "at_side": patch_graph.at_sides(graph),
        "same_part": np.isin(numbers, numbers[wrong]),
        "part_size": np.log(sizes[numbers] + 1e-3),
        "struck_size": np.full(len(mass), np.log(sizes[np.unique(numbers[wrong])].sum() + 1e-3)),
        "span": np.full(len(mass), np.log(span + 0.01)),
        "to_garment": np.full(len(mass), target == labels.GARMENT),
        "to_background": np.full(len(mass), target == labels.BACKGROUND),
        "interior": group == labels.INTERIOR,
    }
    return np.stack([columns[name] for name in COEFFICIENTS], 1).astype(np.float64)


def _nearest(lab: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Returns (count,) Lab distance to the nearest colour of a palette."""
    if not len(palette):
        return np.full(len(lab), NO_COLOR_LAB)
    some = palette[:: -(-len(palette) // PALETTE_COLORS)]
    squares = (lab**2).sum(1)[:, None] + (some**2).sum(1) - 2 * lab @ some.T
    return np.sqrt(np.maximum(squares.min(1), 0))
