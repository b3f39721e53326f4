"""The picture of a report: the photo with the places marked, and all findings below."""

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...imaging import masks
from ..overlay import INK, PAPER_RGB, SOFT_INK, STATE_COLORS
from . import inspection, wording

GRADE_COLORS = {
    "A": STATE_COLORS["pass"],
    "B": STATE_COLORS["pass"],
    "C": STATE_COLORS["warn"],
    "D": STATE_COLORS["fail"],
    "E": STATE_COLORS["fail"],
}
# The place of a finding is hatched, so that the photo stays to be seen.
HATCH_SHARE = 1 / 90  # of the long side
# Lines along an outline, too thin to be hatched.
SOLID = ("mannequin_contrast", "backdrop_contrast", "cropping")
COVER = 0.6
TEXT_SHARE, TEXT_PX = 1 / 42, (11, 40)  # of the width, and its bounds
LABEL_LINES = 1.4  # of a text's height
ROW_LINES = 1.7
HEAD_LINES = 4.2
WIDE_TEXTS = 28  # width in texts from which there is room for two columns


def annotate(image: np.ndarray, report: inspection.Report) -> np.ndarray:
    """Marks what a report objects to and writes all findings under the photo.

    Args:
        image: (H, W, 3) uint8 sRGB, the photo of the report.
        report: Of this photo.

    Returns:
        (H + strip, W, 3) uint8; the strip's height depends on the width alone.
    """
    height, width = image.shape[:2]
    text_px = int(np.clip(width * TEXT_SHARE, *TEXT_PX))
    columns = 2 if width >= WIDE_TEXTS * text_px else 1
    rows = -(-len(report.findings) // columns)
    strip_px = round(text_px * (HEAD_LINES + rows * ROW_LINES + 1))
    canvas = Image.new("RGB", (width, height + strip_px), PAPER_RGB)
    canvas.paste(Image.fromarray(_hatched(image, report)), (0, 0))
    pen = ImageDraw.Draw(canvas)
    _name_places(pen, report, image.shape[:2], text_px)
    _draw_head(pen, height + text_px, report, text_px)
    cell_px = (width - text_px) // columns
    for index, finding in enumerate(report.findings):
        left = text_px + (index // rows) * cell_px
        top = height + round(text_px * (HEAD_LINES + index % rows * ROW_LINES))
        _draw_row(pen, (left, top, cell_px - text_px), finding, text_px)
    return np.asarray(canvas).copy()


def _hatched(image: np.ndarray, report: inspection.Report) -> np.ndarray:
    """Returns the photo with every place hatched in the colour of its state."""
    height, width = image.shape[:2]
    period = max(4, round(max(height, width) * HATCH_SHARE))
    rows, columns = np.ogrid[:height, :width]
    painted = image.copy()
    for turn, finding in enumerate(one for one in report.remarks if one.name in report.places):
        place = _full_size(report.places[finding.name], (height, width))
        # Places of several findings overlap: their stripes cross.
        stripes = (rows + (columns if turn % 2 else -columns)) % period < max(2, period // 4)
        marked = place if finding.name in SOLID else place & stripes
        tint = np.array(STATE_COLORS[finding.state])
        painted[marked] = np.rint(COVER * tint + (1 - COVER) * image[marked]).astype(np.uint8)
    return painted


def _name_places(
    pen: ImageDraw.ImageDraw, report: inspection.Report, size: tuple[int, int], text_px: int
) -> None:
    font, pad = ImageFont.load_default(size=text_px), text_px // 3
    line_px = round(LABEL_LINES * text_px)
    taken: list[int] = []
    for finding in report.remarks:
        if finding.name not in report.places:
            continue
        place = report.places[finding.name]
        box = masks.bounds(masks.largest(place))
        if box is None:
            continue
        scale = size[0] / place.shape[0]
        length = pen.textlength(finding.title, font=font) + 2 * pad
        left = int(np.clip(round(box.left * scale), 0, max(0, size[1] - length)))
        top = int(np.clip(round(box.top * scale), 0, max(0, size[0] - line_px)))
        while any(abs(top - other) < line_px for other in taken):
            top += line_px
        taken.append(top)
        corners = (left, top, left + length, top + line_px - 2)
        pen.rounded_rectangle(corners, radius=pad, fill=STATE_COLORS[finding.state])
        middle = top + line_px / 2
        pen.text((left + pad, middle), finding.title, PAPER_RGB, font, anchor="lm")


def _draw_head(pen: ImageDraw.ImageDraw, top: int, report: inspection.Report, text_px: int) -> None:
    big, font = ImageFont.load_default(size=round(text_px * 1.5)), ImageFont.load_default(text_px)
    side = round(text_px * 2.4)
    corners = (text_px, top, text_px + side, top + side)
    pen.rounded_rectangle(corners, radius=text_px // 2, fill=GRADE_COLORS[report.grade])
    middle = top + side / 2
    pen.text((text_px + side / 2, middle), report.grade, PAPER_RGB, big, anchor="mm")
    summary = wording.GRADES[report.grade][0]
    pen.text((2 * text_px + side, middle), summary, INK, font, anchor="lm")


def _draw_row(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int, int],
    finding: inspection.Finding,
    text_px: int,
) -> None:
    left, top, width = place
    font, radius = ImageFont.load_default(size=text_px), text_px * 0.36
    middle = top + text_px * 0.85
    dot = (left, middle - radius, left + 2 * radius, middle + radius)
    measured = finding.value is not None
    tint = STATE_COLORS[finding.state]
    pen.ellipse(dot, fill=tint if measured else None, outline=tint, width=2)
    ink = INK if measured else SOFT_INK
    pen.text((left + text_px * 1.2, middle), finding.title, ink, font, anchor="lm")
    value = inspection.number(finding) if measured else "not measured"
    pen.text((left + width, middle), value, ink, font, anchor="rm")


def _full_size(place: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if place.shape == size:
        return place
    resized = cv2.resize(place.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    return resized > 0
