"""Named measurements of every superpixel that tell garment, mannequin and support apart."""

from typing import NamedTuple

import cv2
import numpy as np

from .. import masks
from . import background, foreground
from .superpixels import Superpixels

# Lab units: colours closer than this are one material in even light, or through all its shading.
SAME_SHADE_LAB = 5.0
SAME_MATERIAL_LAB = 12.0
# Lab a/b units only: the hue stays where light and shadow move L.
SAME_HUE_AB = 4.0


TOLERANCES = ("shade", "hue", "material")
# Colours are compared in bins of this size (Lab units), well below the finest tolerance.
BIN_LAB = 3.0


class Affinity(NamedTuple):
    """How alike the patches' colours are, factored over bins of colours.

    Attributes:
        kernel: (count, bins) float32, likeness of every patch to every bin, 0 to 1.
        member: (count,) the bin of every patch.
        mass: (count,) how much every patch counts.
    """

    kernel: np.ndarray
    member: np.ndarray
    mass: np.ndarray

    def gather(self, values: np.ndarray) -> np.ndarray:
        """Returns, per patch, the sum over all patches of likeness times (count, n) values."""
        bins = self.kernel.shape[1]
        sums = np.stack([np.bincount(self.member, column, bins) for column in values.T], 1)
        return self.kernel @ sums

    def average(self, values: np.ndarray) -> np.ndarray:
        """Returns (count, n) means of (count, n) values, weighted by likeness and mass."""
        total = self.gather(self.mass[:, None])
        return self.gather(values * self.mass[:, None]) / np.maximum(total, 1e-6)


class Scene(NamedTuple):
    """What was measured once per photo.

    Attributes:
        patches: The superpixels.
        figure: (H, W) bool, the first guess of garment, mannequin and support together.
        cues: (count, n) float32, the named measurements.
        names: n names.
        affinity: Likeness of colours at three tolerances: shade, hue, material.
        links: Neighbours: first, second, and the share of first's rim that second takes.
        place: (count, 2) float64, row and column of every patch's centre, 0 to 1.
    """

    patches: Superpixels
    figure: np.ndarray
    cues: np.ndarray
    names: tuple[str, ...]
    affinity: tuple[Affinity, ...]
    links: tuple[np.ndarray, np.ndarray, np.ndarray]
    place: np.ndarray


def measure(image: np.ndarray, patches: Superpixels, figure: np.ndarray) -> Scene:
    """Measures all cues of a photo.

    Args:
        image: (H, W, 3) uint8 sRGB, the working copy.
        patches: Its superpixels.
        figure: (H, W) bool, see `foreground.find`.
    """
    lab = background.to_lab(image)
    height, width = figure.shape
    table: dict[str, np.ndarray] = {}
    light, a, b = (patches.mean(lab[..., i]) for i in range(3))
    table |= {"light": light / 100, "a": a / 50, "b": b / 50, "chroma": np.hypot(a, b) / 50}
    table["skin_hue"] = np.exp(-(((np.arctan2(b, a + 1e-3) - 0.85) / 0.35) ** 2)) * (
        np.hypot(a, b) > 8
    )
    table["blown"] = patches.mean((lab[..., 0] > 99.5).astype(np.float32))
    table["dark"] = np.clip(1 - light / 25, 0, 1)
    table |= _texture(lab, patches)
    rows, palette = background.distances(lab)
    table["unlike_rows"] = np.log1p(patches.mean(rows))
    table["unlike_palette"] = np.log1p(patches.mean(palette))
    share = patches.mean(figure.astype(np.float32))
    table["figure"] = share
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = patches.mean(ys) / height, patches.mean(xs) / width
    table |= _position(figure, patches, y, x)
    mass = patches.areas * np.clip(share, 0.02, 1) * (table["main"] * 0.9 + 0.1)
    colors = np.stack([light, a, b], 1)
    affinity = _affinities(colors, mass)
    table |= _company(table, affinity, mass, patches.areas * (1 - share))
    links = _links(patches)
    around = _spread(links, colors)
    table["contrast"] = np.linalg.norm(colors - around, axis=1) / 20
    table |= _products(table)
    names = tuple(table)
    cues = np.stack([table[n] for n in names], 1).astype(np.float32)
    return Scene(patches, figure, np.clip(cues, -8, 8), names, affinity, links, np.stack([y, x], 1))


def _texture(lab: np.ndarray, patches: Superpixels) -> dict[str, np.ndarray]:
    light = np.ascontiguousarray(lab[..., 0])
    found = {}
    for name, sigma in (("fine", 1.2), ("middle", 3.0), ("coarse", 8.0)):
        low = cv2.GaussianBlur(light, (0, 0), sigma)
        power = cv2.GaussianBlur((light - low) ** 2, (0, 0), sigma * 1.5)
        found[f"texture_{name}"] = np.log1p(patches.mean(np.sqrt(power)))
    low = cv2.GaussianBlur(lab[..., 1:], (0, 0), 3.0)
    power = cv2.GaussianBlur(((lab[..., 1:] - low) ** 2).sum(-1), (0, 0), 5.0)
    found["texture_color"] = np.log1p(patches.mean(np.sqrt(power)))
    inner = np.abs(light - cv2.medianBlur(light, 5))
    found["grain"] = np.log1p(patches.mean(inner))
    # Gloss and shading are smooth: gradient without curvature.
    gradient = np.hypot(
        cv2.Sobel(light, -1, 1, 0, scale=0.125), cv2.Sobel(light, -1, 0, 1, scale=0.125)
    )
    found["slope"] = np.log1p(patches.mean(gradient))
    found["curve"] = np.log1p(patches.mean(np.abs(cv2.Laplacian(light, -1))))
    return found


def _position(figure, patches: Superpixels, y, x) -> dict[str, np.ndarray]:
    height, width = figure.shape
    main = foreground.main_part(figure)
    box = masks.bounds(main) or masks.Bounds(0, 0, height, width)
    weight = main.sum(1)
    axis = float(np.median(np.nonzero(main)[1])) / width if weight.any() else 0.5
    depth = cv2.distanceTransform(main.astype(np.uint8), cv2.DIST_L2, 5) / max(
        box.height, box.width
    )
    columns = np.arange(width)
    has = main.any(1)
    left = np.where(has, main.argmax(1), width // 2)
    right = np.where(has, width - main[:, ::-1].argmax(1), width // 2 + 1)
    middle, span = (left + right) / 2, np.maximum(right - left, 1)
    in_row = np.abs(columns[None] - middle[:, None]) / span[:, None] * 2
    tops = np.where(main.any(0), main.argmax(0), height)
    below_top = np.clip((np.arange(height)[:, None] - tops[None]) / box.height, -1, 1)
    down = (y * height - box.top) / box.height
    across = np.abs(x - axis) * width / box.width * 2
    return {
        "y_photo": y,
        "x_photo": np.abs(x - 0.5) * 2,
        "down": np.clip(down, -0.5, 1.5),
        "across": np.clip(across, 0, 2.5),
        "aside": np.clip(np.abs(x - axis) * width / box.height * 2, 0, 2),
        "main": patches.mean(main.astype(np.float32)),
        "depth": patches.mean(depth) * 5,
        "in_row": np.clip(patches.mean(in_row), 0, 3),
        "row_width": patches.mean(np.repeat((weight / box.width)[:, None], width, 1)),
        "row_narrow": patches.mean(np.repeat((weight / box.height)[:, None], width, 1)),
        "below_top": patches.mean(below_top),
        "touches_top": np.full(patches.count, float(box.top < 3)),
        "touches_bottom": np.full(patches.count, float(box.bottom > height - 3)),
        "aspect": np.full(patches.count, np.log(box.height / box.width)),
        "extent": np.full(patches.count, box.height / height),
    }


def _affinities(colors: np.ndarray, mass: np.ndarray) -> tuple[Affinity, ...]:
    """Compares every patch with the figure's colours, binned finely, at three tolerances."""
    bins = np.round(colors / BIN_LAB).astype(np.int64)
    _, member = np.unique(bins, axis=0, return_inverse=True)
    member = member.ravel()
    count = int(member.max()) + 1
    weight = np.bincount(member, mass, count)
    centers = np.stack([np.bincount(member, mass * c, count) / weight for c in colors.T], 1)
    found = []
    for scale in (
        np.full(3, 1 / SAME_SHADE_LAB),
        np.array([0.35, 1, 1]) / SAME_HUE_AB,
        np.full(3, 1 / SAME_MATERIAL_LAB),
    ):
        first, second = (colors * scale).astype(np.float32), (centers * scale).astype(np.float32)
        gap = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2 * first @ second.T
        found.append(Affinity(np.exp(-0.5 * np.maximum(gap, 0)), member, mass))
    return tuple(found)


def _company(table, affinity, mass, outside) -> dict[str, np.ndarray]:
    """Where in the figure the same colour is met, at each of the three tolerances."""
    down, across = table["down"], table["across"]
    zones = {
        "neck": np.exp(-((down / 0.12) ** 2) - (across / 0.3) ** 2),
        "chest": np.exp(-(((down - 0.35) / 0.15) ** 2) - (across / 0.4) ** 2),
        "middle": np.exp(-(((down - 0.55) / 0.15) ** 2) - (across / 0.5) ** 2),
        "legs": np.exp(-(((down - 0.85) / 0.15) ** 2) - (across / 0.5) ** 2),
        "sides": np.clip(across - 0.6, 0, 1),
    }
    traits = ("down", "across", "depth", "texture_fine", "texture_middle", "texture_color")
    values = np.stack([*zones.values(), *(table[t] for t in traits), down**2], 1)
    usual = mass @ values / mass.sum()
    found = {}
    for tolerance, kernel in zip(TOLERANCES, affinity, strict=True):
        mean = kernel.average(values)
        for i, name in enumerate(zones):
            found[f"{tolerance}_in_{name}"] = np.log((mean[:, i] + 0.01) / (usual[i] + 0.01))
        for i, name in enumerate(traits, len(zones)):
            found[f"{tolerance}_{name}"] = mean[:, i]
        variance = mean[:, -1] - mean[:, len(zones)] ** 2
        found[f"{tolerance}_tall"] = np.sqrt(np.maximum(variance, 0))
        both = kernel.gather(np.stack([mass, outside], 1))
        found[f"{tolerance}_share"] = both[:, 0] / mass.sum()
        found[f"{tolerance}_outside"] = both[:, 1] / max(outside.sum(), 1.0)
    return found


def _links(patches: Superpixels):
    first, second, length = patches.neighbours()
    total = np.bincount(first, length, patches.count)
    return first, second, length / np.maximum(total[first], 1e-9)


def _spread(links, values: np.ndarray) -> np.ndarray:
    first, second, weight = links
    columns = [
        np.bincount(first, weight * values[second, i], len(values)) for i in range(values.shape[1])
    ]
    return np.stack(columns, 1)


def _products(table) -> dict[str, np.ndarray]:
    pairs = (
        ("down", "down"), ("across", "across"), ("down", "across"), ("down", "depth"),
        ("down", "aspect"), ("down", "touches_top"), ("down", "touches_bottom"),
        ("row_narrow", "down"), ("figure", "down"), ("figure", "across"),
        ("shade_down", "down"), ("hue_down", "down"), ("material_down", "down"),
        ("skin_hue", "down"), ("texture_middle", "down"), ("y_photo", "y_photo"),
        ("light", "light"), ("in_row", "in_row"), ("figure", "unlike_rows"),
    )  # fmt: skip
    return {f"{p}*{q}": table[p] * table[q] for p, q in pairs}
