"""Pictures of a verdict: the heatmap and the annotated result."""

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..imaging import masks
from ..imaging.masks import Bounds
from . import color, wording
from .judging import Check, Map
from .verdict import Verdict

# ColorBrewer YlOrRd (Brewer, Harrower: ColorBrewer.org, 2003), light to dark with the severity.
WARM_STOPS = ((255, 237, 160), (254, 178, 76), (252, 78, 42), (189, 0, 38), (110, 0, 30))
FINE = 0.35  # severity below which the picture stays gray: harmless differences are no finding
FULL = 0.75  # severity from which the colour covers most
COVER = 0.78  # of the gray picture under full colour; the garment stays recognisable
PAPER = 0.55  # black of the gray picture; paler than the photo, so that colour stands out
HATCH_PX = 10  # period of the hatching over unknown tiles
SPECKS = (
    "leak",
    "residue",
    "shape",
    "clipping",
    "clipping_vs_baseline",
)  # maps of single pixels, not of tiles
SMOOTH_PX = 10.0  # sigma; rounds the corners of 48 px tiles
MAX_BOXES = 4
MAX_SENTENCES, MAX_LINES = 3, 4  # under the picture; pictures of a batch are equally high
MIN_BOX_PX = 28
MAX_SHARED = 0.6  # of the smaller box; more is the same place found twice

STATE_COLORS = {
    "pass": (22, 122, 82),
    "warn": (178, 106, 0),
    "fail": (176, 32, 36),
    "unmeasurable": (110, 114, 120),
}
INK, SOFT_INK, PAPER_RGB = (32, 34, 38), (110, 114, 120), (255, 255, 255)


class Place(NamedTuple):
    """A box around one of the worst places, and the check that found it."""

    bounds: Bounds
    check: str


def heatmap(result: np.ndarray, verdict: Verdict) -> np.ndarray:
    """Paints where something is wrong over a gray copy of the result.

    Args:
        result: (H, W, 3) uint8 sRGB.
        verdict: Of this result.

    Returns:
        (H, W, 3) uint8: gray where all is fine or nothing was looked at, yellow to dark red where
        a check objects (full at its fail threshold), hatched where a check could not tell.
    """
    height, width = result.shape[:2]
    size = _measured_size(verdict, result)
    small = result
    if size != (height, width):
        small = cv2.resize(result, size[::-1], interpolation=cv2.INTER_AREA)
    light = PAPER + (1 - PAPER) * color.luma(small)
    canvas = np.repeat(light[..., None], 3, axis=2) * 255
    _, unknown = combine(verdict.maps, size)
    severity, _ = combine(_objecting(verdict), size)
    rows, columns = np.indices(severity.shape)
    stripe = unknown & ((rows + columns) % HATCH_PX < 2)
    canvas[stripe] -= 45
    cover = COVER * np.clip((severity - FINE) / (FULL - FINE), 0, 1)[..., None]
    heat = np.rint(canvas * (1 - cover) + _warm(severity) * cover).clip(0, 255).astype(np.uint8)
    return heat if size == (height, width) else cv2.resize(heat, (width, height))


def _objecting(verdict: Verdict) -> dict[str, Map]:
    """Returns the maps of the checks that warn or fail: what passes is no finding."""
    names = [check.name for check in verdict.checks if check.state in ("warn", "fail")]
    return {name: verdict.maps[name] for name in names if name in verdict.maps}


def combine(maps: Mapping[str, Map], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the worst severity of maps of one size (0: none looked), and what nobody knows."""
    severity, unknown = np.zeros(size, np.float32), np.zeros(size, bool)
    known = np.zeros(size, bool)
    for name, found in maps.items():
        known |= np.isfinite(found.severity)
        unknown |= found.unknown
        severity = np.maximum(severity, _shown(name, found.severity))
    return severity, unknown & ~known


def worst_places(verdict: Verdict) -> list[Place]:
    """Returns boxes around the worst places of the checks that warn or fail, worst first.

    The boxes are in pixels of the verdict's maps.
    """
    found = []
    for check in verdict.checks:
        if check.state not in ("warn", "fail") or check.name not in verdict.maps:
            continue
        severity = _shown(check.name, verdict.maps[check.name].severity)
        spots = masks.grow(severity >= FULL, 6)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(spots.astype(np.uint8))
        for part in range(1, count):
            left, top, width, height, _ = (int(v) for v in stats[part])
            weight = float(severity[parts == part].sum())
            if max(width, height) >= MIN_BOX_PX:
                box = Bounds(top, left, top + height, left + width)
                found.append((weight, Place(box, check.name)))
    found.sort(key=lambda pair: -pair[0])
    apart: list[Place] = []
    for _, place in found:
        if all(_shared(place.bounds, other.bounds) < MAX_SHARED for other in apart):
            apart.append(place)
    return apart[:MAX_BOXES]


def annotate(result: np.ndarray, verdict: Verdict) -> np.ndarray:
    """Draws boxes around the worst places and a strip with the verdict under the result.

    Args:
        result: (H, W, 3) uint8 sRGB.
        verdict: Of this result.

    Returns:
        (H + strip, W, 3) uint8; the strip's height depends on the width and the number of checks.
    """
    height, width = result.shape[:2]
    text_px = int(np.clip(width / 42, 11, 40))
    row_px = round(text_px * 1.7)
    columns = 2 if width >= 28 * text_px else 1
    rows = -(-len(verdict.checks) // columns)
    told = _told(verdict, width - 2 * text_px, text_px)
    head_px = round(text_px * 4) + MAX_LINES * row_px
    strip_px = head_px + round(text_px * 0.6) + rows * row_px
    canvas = Image.new("RGB", (width, height + strip_px), PAPER_RGB)
    canvas.paste(Image.fromarray(result), (0, 0))
    pen = ImageDraw.Draw(canvas)
    measured = _measured_size(verdict, result)
    _draw_places(pen, verdict, text_px, height / measured[0])
    margin = text_px
    _draw_badge(pen, (margin, height + margin), verdict.overall, text_px)
    font = ImageFont.load_default(size=text_px)
    for index, line in enumerate(told):
        middle = height + round(text_px * 3.6) + (index + 0.5) * row_px
        pen.text((margin, middle), line, INK, font, anchor="lm")
    top = height + head_px
    for index, check in enumerate(verdict.checks):
        left = margin + (index // rows) * (width - margin) // columns
        cell_px = (width - margin) // columns - margin
        _draw_check(pen, (left, top + (index % rows) * row_px, cell_px), check, text_px)
    return np.asarray(canvas).copy()


def _told(verdict: Verdict, width_px: int, text_px: int) -> list[str]:
    """Returns the sentences of the worst checks, in lines that fit."""
    font = ImageFont.load_default(size=text_px)
    worst = [c.sentence for s in ("fail", "warn") for c in verdict.checks if c.state == s]
    told = list(dict.fromkeys(worst)) or [wording.OVERALL[verdict.overall][2]]
    lines: list[str] = []
    for sentence in told[:MAX_SENTENCES]:
        line = ""
        for word in sentence.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width_px:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines[:MAX_LINES]


def legend() -> tuple[tuple[str, tuple[int, int, int]], ...]:
    """Returns what the colours of `heatmap` mean."""
    return (
        ("a little off", WARM_STOPS[1]),
        ("off", WARM_STOPS[2]),
        ("far off", WARM_STOPS[3]),
        ("hatched: cannot tell", (150, 150, 150)),
    )


def number(check: Check) -> str:
    """Returns a check's value as people read it, a dash where there is none."""
    if check.value is None:
        return "\N{EN DASH}"
    digits = 0 if check.unit == "%" and check.value >= 10 else 1 if check.unit != "x" else 2
    return f"{check.value:.{digits}f}{UNITS[check.unit]}"


# Pillow's bundled font has no delta, no times.
UNITS = {"%": " %", "dE00": " dE", "dE": " dE", "px": " px", "x": " x"}


def _measured_size(verdict: Verdict, result: np.ndarray) -> tuple[int, int]:
    """Returns height and width of the maps, of the result where there are none."""
    for found in verdict.maps.values():
        height, width = found.severity.shape
        return height, width
    height, width = result.shape[:2]
    return height, width


def _shared(one: Bounds, other: Bounds) -> float:
    """Returns the intersection of two boxes over the smaller one's area."""
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    width = min(one.right, other.right) - max(one.left, other.left)
    smaller = min(one.height * one.width, other.height * other.width)
    return max(height, 0) * max(width, 0) / smaller


def _shown(name: str, severity: np.ndarray) -> np.ndarray:
    """Fills the gaps of a map with 0 and makes it fit to be seen: specks larger, tiles rounder."""
    known = np.isfinite(severity)
    filled = np.where(known, severity, 0).astype(np.float32)
    if name in SPECKS:
        return cv2.dilate(np.minimum(filled, 2), masks.disc(2))
    weight = cv2.GaussianBlur(known.astype(np.float32), (0, 0), SMOOTH_PX)
    smooth = cv2.GaussianBlur(np.minimum(filled, 2), (0, 0), SMOOTH_PX) / np.maximum(weight, 1e-3)
    return np.where(known, smooth, 0)


def _warm(severity: np.ndarray) -> np.ndarray:
    """Returns (H, W, 3) float colours, from FINE to twice the fail threshold."""
    position = np.clip((severity - FINE) / (2 - FINE), 0, 1) * (len(WARM_STOPS) - 1)
    stops = np.array(WARM_STOPS, np.float32)
    lower = np.minimum(position.astype(int), len(WARM_STOPS) - 2)
    share = (position - lower)[..., None]
    return stops[lower] * (1 - share) + stops[lower + 1] * share


def _draw_places(pen: ImageDraw.ImageDraw, verdict: Verdict, text_px: int, scale: float) -> None:
    states = {check.name: check.state for check in verdict.checks}
    font, line_px = ImageFont.load_default(size=text_px), max(2, text_px // 8)
    for place, name in worst_places(verdict):
        box = Bounds(*(round(edge * scale) for edge in place))
        tint = STATE_COLORS[states[name]]
        corners = (box.left, box.top, box.right - 1, box.bottom - 1)
        pen.rounded_rectangle(corners, radius=text_px // 2, outline=tint, width=line_px)
        label = wording.title(name)
        length = pen.textlength(label, font=font)
        top = max(0, box.top - round(1.4 * text_px))
        pad = text_px // 3
        pen.rounded_rectangle(
            (box.left, top, box.left + length + 2 * pad, top + round(1.4 * text_px)),
            radius=text_px // 4,
            fill=tint,
        )
        pen.text((box.left + pad, top + 0.7 * text_px), label, PAPER_RGB, font, anchor="lm")


def _draw_badge(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], overall: str, text_px: int
) -> None:
    left, top = corner
    big, font = ImageFont.load_default(size=round(text_px * 1.3)), ImageFont.load_default(text_px)
    word = "NOT MEASURED" if overall == "unmeasurable" else overall.upper()
    length = round(pen.textlength(word, font=big))
    bottom = top + round(text_px * 2.2)
    pen.rounded_rectangle(
        (left, top, left + length + 2 * text_px, bottom),
        radius=text_px // 2,
        fill=STATE_COLORS[overall],
    )
    middle = (top + bottom) / 2
    pen.text((left + text_px, middle), word, PAPER_RGB, big, anchor="lm")
    pen.text(
        (left + length + 3 * text_px, middle), wording.OVERALL[overall][0], INK, font, anchor="lm"
    )


def _draw_check(
    pen: ImageDraw.ImageDraw, place: tuple[int, int, int], check: Check, text_px: int
) -> None:
    left, top, width = place
    font, radius = ImageFont.load_default(size=text_px), text_px * 0.36
    middle = top + text_px * 0.85
    dot = (left, middle - radius, left + 2 * radius, middle + radius)
    if check.state == "unmeasurable":
        pen.ellipse(dot, outline=STATE_COLORS[check.state], width=2)
    else:
        pen.ellipse(dot, fill=STATE_COLORS[check.state])
    ink = SOFT_INK if check.state == "unmeasurable" else INK
    pen.text((left + text_px * 1.2, middle), check.title, ink, font, anchor="lm")
    value = number(check)
    room_px = width - text_px * 2 - font.getlength(check.title)
    if check.value is None and font.getlength("not measured") <= room_px:
        value = "not measured"
    pen.text((left + width, middle), value, ink, font, anchor="rm")
