"""Training pictures made from scenes: other colours, walls, frames, cameras and compression.

Every function takes a generator, so the same seed gives the same pictures. Pictures are (H, W, 3)
uint8 sRGB, label maps (H, W) uint8.
"""

from typing import NamedTuple

import cv2
import numpy as np
from dressform.imaging.labels import (
    BACKGROUND,
    CLUTTER,
    GARMENT,
    INTERIOR,
    MANNEQUIN,
    SUPPORT,
)
from dressform.imaging.parser.joints import MIRRORED


class Scene(NamedTuple):
    """A photo with its truth.

    Attributes:
        image: (H, W, 3) uint8 sRGB.
        label_map: (H, W) uint8; IGNORED where nobody knows.
        joints: (18, 2) x, y in pixels; NaN where unknown.
        kind, region, view: Numbers of the names; -1 where unknown.
        yaw: Degrees that the figure is turned to its left; NaN where unknown.
    """

    image: np.ndarray
    label_map: np.ndarray
    joints: np.ndarray
    kind: int
    region: int
    view: int
    yaw: float = float("nan")


IGNORED = 255


def textures(count: int, rng: np.random.Generator, side: int = 256) -> list[np.ndarray]:
    """Draws (side, side) float32 patterns in [0, 1]: stripes, checks, bricks, waves, noise."""
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / side
    drawn = []
    for _ in range(count):
        angle = rng.uniform(0, np.pi) if rng.random() < 0.5 else rng.choice([0, np.pi / 2])
        along = rows * np.sin(angle) + columns * np.cos(angle)
        across = columns * np.sin(angle) - rows * np.cos(angle)
        kind = rng.integers(7)
        repeats = np.exp(rng.uniform(0.7, 3.7))
        if kind == 0:
            pattern = (np.mod(along * repeats, 1) < rng.uniform(0.15, 0.85)).astype(np.float32)
        elif kind == 1:
            first = np.mod(along * repeats, 1) < rng.uniform(0.2, 0.7)
            second = np.mod(across * repeats, 1) < rng.uniform(0.2, 0.7)
            pattern = (first * 0.5 + second * 0.5).astype(np.float32)
        elif kind == 2:
            row = np.floor(along * repeats)
            joint = np.mod(across * repeats / 2 + 0.5 * np.mod(row, 2), 1) < 0.06
            pattern = 1 - np.maximum(joint, np.mod(along * repeats, 1) < 0.1).astype(np.float32)
            pattern *= rng.uniform(0.7, 1, (64,)).astype(np.float32)[np.mod(row, 64).astype(int)]
        elif kind == 3:
            angle = rng.uniform(0, 9)
            wave = rng.uniform(0, 0.1) * np.sin(across * rng.uniform(3, 30) + angle)
            pattern = 0.5 + 0.5 * np.sin(2 * np.pi * repeats * (along + wave)).astype(np.float32)
        else:
            pattern = np.zeros((side, side), np.float32)
            stretch = np.exp(rng.uniform(-1.5, 1.5))
            for level in range(1, 7):
                size = (
                    int(np.clip(2**level * stretch, 2, side)),
                    int(np.clip(2**level / stretch, 2, side)),
                )
                noise = rng.standard_normal(size).astype(np.float32)
                noise = cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
                pattern += noise * float(np.exp(-level * rng.uniform(0.1, 0.9)))
            pattern = cv2.normalize(pattern, None, 0, 1, cv2.NORM_MINMAX)
            if kind == 4:
                pattern = (pattern > rng.uniform(0.35, 0.65)).astype(np.float32)
        drawn.append(cv2.GaussianBlur(pattern, (0, 0), rng.uniform(0.4, 1.6)))
    return drawn


def picture(
    scene: Scene,
    others: list[Scene],
    patterns: list[np.ndarray],
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Scene:
    """Returns the scene as another camera, before another wall, might have taken it.

    Args:
        scene: What to vary.
        others: Where garments come from that hang beside it.
        patterns: See `textures`.
        size: Height and width of the result.
        rng: Everything is drawn from it.
    """
    framed = _frame(scene, size, rng)
    image, found = framed.image, framed.label_map
    known = bool((scene.label_map != IGNORED).all())
    if known and rng.random() < 0.10:
        other = _frame(others[rng.integers(len(others))], size, rng)
        image, found = _hang_beside(image, found, other, rng)
    if known:
        image = _repaint(image, found, patterns, rng)
    image = _photograph(image, rng)
    if rng.random() < 0.6:
        quality = int(rng.integers(45, 96))
        stored = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = cv2.imdecode(stored, cv2.IMREAD_COLOR)
    return framed._replace(image=image, label_map=found)


def empty(patterns: list[np.ndarray], size: tuple[int, int], rng: np.random.Generator) -> Scene:
    """Returns a photo of a wall, plain, patterned or unevenly lit: there is nothing to be found."""
    first = _color(rng)
    second = first + rng.normal(0, 0.15, 3) if rng.random() < 0.6 else _color(rng)
    share = _laid(patterns[rng.integers(len(patterns))], size, rng) * (rng.random() < 0.7)
    wall = first + (second - first) * share[..., None]
    image = _photograph(np.clip(np.rint(wall * 255), 0, 255).astype(np.uint8), rng)
    return Scene(image, np.zeros(size, np.uint8), np.full((18, 2), np.nan), -1, -1, -1)


def _frame(scene: Scene, size: tuple[int, int], rng: np.random.Generator) -> Scene:
    height, width = size
    tall, wide = scene.label_map.shape
    scale = min(height / tall, width / wide) * np.exp(rng.uniform(-0.16, 0.3))
    stretch = np.exp(rng.normal() * 0.05)
    turn = np.deg2rad(rng.normal() * 4)
    sign = -1.0 if rng.random() < 0.5 else 1.0
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = linear @ np.diag([sign * stretch, 1 / stretch])
    # The slack, or what is cut off, is shared out at random.
    slack = np.array([width - wide * scale, height - tall * scale])
    shift = slack * rng.uniform(-0.5, 0.5, 2) * np.where(slack < 0, 0.7, 1.0)
    middle = np.array([width / 2, height / 2]) + shift
    matrix = np.c_[linear, middle - linear @ [wide / 2, tall / 2]].astype(np.float32)
    image, border = scene.image, cv2.BORDER_REPLICATE
    if scale < 0.5:
        image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        half = matrix.copy()
        half[:, :2] *= 2
        image = cv2.warpAffine(
            image, half, (width, height), flags=cv2.INTER_LINEAR, borderMode=border
        )
    else:
        image = cv2.warpAffine(
            image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border
        )
    found = cv2.warpAffine(
        scene.label_map, matrix, (width, height), flags=cv2.INTER_NEAREST, borderValue=IGNORED
    )
    joints = scene.joints @ matrix[:, :2].T + matrix[:, 2]
    if sign < 0:
        joints = joints[list(MIRRORED)]
    yaw = sign * scene.yaw
    return scene._replace(image=image, label_map=found, joints=joints, yaw=yaw)


def _hang_beside(image, found, other, rng):
    """Shows another scene's garment at a side, behind the figure: it is clutter."""
    width = found.shape[1]
    shift = int(rng.choice([-1, 1]) * rng.uniform(0.3, 0.6) * width)
    worn = np.roll((other.label_map == GARMENT).astype(np.float32), shift, 1)
    if shift > 0:
        worn[:, :shift] = 0
    else:
        worn[:, shift:] = 0
    free = np.isin(found, (BACKGROUND, CLUTTER))
    # A garment in the middle would be the subject, not clutter.
    if (worn > 0)[:, width // 3 : -width // 3].sum() > 0.01 * found.size:
        return image, found
    soft = cv2.GaussianBlur(worn * free, (0, 0), 0.7) * free
    moved = np.roll(other.image, shift, 1)
    image = cv2.blendLinear(moved, image, soft, 1 - soft)
    return image, np.where(free & (worn > 0), CLUTTER, found).astype(np.uint8)


def _repaint(image, found, patterns, rng):
    """Gives garment, form, wall and clutter other colours and patterns, keeping their shading."""
    alike = rng.random() < 0.12
    common = _color(rng) if rng.random() < 0.4 else np.full(3, rng.uniform(0.75, 0.97))
    result, gray = image, None
    for values, often in (
        ((GARMENT, INTERIOR), 0.35),
        ((MANNEQUIN,), 0.4),
        ((SUPPORT,), 0.3),
        ((BACKGROUND,), 0.4),
        ((CLUTTER,), 0.3),
    ):
        if rng.random() > (0.8 if alike else often):
            continue
        where = np.isin(found, values)
        if np.count_nonzero(where) < 20:
            continue
        if gray is None:
            gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        shading = np.minimum(gray / max(float(np.median(gray[where])), 10.0), 2.5)
        if BACKGROUND in values and rng.random() < 0.5:
            shading = np.ones_like(shading) if rng.random() < 0.5 else 0.5 * shading + 0.5
        color = common + rng.normal(0, 0.04, 3) if alike else _color(rng)
        color = np.clip(color, 0, 1).astype(np.float32) * 255
        if rng.random() < (0.25 if alike else 0.55):
            second = _color(rng) * 255 if rng.random() < 0.6 else color + rng.normal(0, 40, 3)
            share = _laid(patterns[rng.integers(len(patterns))], found.shape, rng)
            step = (np.clip(second, 0, 255) - color).astype(np.float32)
            paint = cv2.merge([(color[i] + share * step[i]) * shading for i in range(3)])
        else:
            paint = cv2.merge([color[i] * shading for i in range(3)])
        painted = np.minimum(paint, 255).astype(np.uint8)
        keep = float(rng.choice([0.0, 0.0, rng.uniform(0, 0.6)]))
        soft = cv2.GaussianBlur(where.astype(np.float32), (0, 0), rng.uniform(0.3, 0.9)) * (
            1 - keep
        )
        result = cv2.blendLinear(painted, result, soft, 1 - soft)
    return result


def _laid(pattern, shape, rng):
    zoom = np.exp(rng.uniform(-0.5, 1.1)) * max(shape) / 256
    stretch = np.exp(rng.normal() * 0.3)
    matrix = np.array([[zoom, 0, rng.uniform(0, 256)], [0, zoom * stretch, rng.uniform(0, 256)]])
    wrap = cv2.BORDER_WRAP
    laid = cv2.warpAffine(pattern, matrix, shape[::-1], flags=cv2.INTER_LINEAR, borderMode=wrap)
    return laid * np.float32(rng.uniform(0.3, 1))


def _color(rng):
    if rng.random() < 0.3:
        return np.clip(np.full(3, rng.uniform(0.03, 0.97)) + rng.normal(0, 0.02, 3), 0, 1)
    hsv = np.array(
        [[[rng.uniform(0, 360), rng.uniform(0.05, 0.85), rng.uniform(0.08, 0.97)]]], np.float32
    )
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)


def _photograph(image, rng):
    """Exposure, white balance, light fall-off, haze, blur and noise."""
    levels = (np.arange(256) / 255) ** float(np.exp(rng.normal() * 0.25))
    levels = levels[:, None] * np.exp(rng.normal(0, 0.10, 3)) * np.exp(rng.normal() * 0.15)
    if rng.random() < 0.15:
        veil = rng.uniform(0, 0.25)
        levels = levels * (1 - veil) + veil * rng.uniform(0.5, 1)
    table = np.clip(np.rint(levels * 255), 0, 255).astype(np.uint8)[None]
    image = cv2.LUT(np.ascontiguousarray(image), table)
    height, width = image.shape[:2]
    if rng.random() < 0.3:
        slope = rng.normal(0, 0.35, 2)
        fall = (
            1
            + slope[0] * np.linspace(-1, 1, height)[:, None]
            + slope[1] * np.linspace(-1, 1, width)
        )
        fall = np.clip(fall, 0.3, 1.8).astype(np.float32)
        image = np.minimum(image * fall[..., None], 255).astype(np.uint8)
    if rng.random() < 0.08:
        image = cv2.merge([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)] * 3)
    if rng.random() < 0.25:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.5:
        noise = rng.standard_normal((height, width, 3), np.float32) * np.float32(
            rng.uniform(0.8, 8)
        )
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image
