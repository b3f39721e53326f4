"""Pictures side by side under labels."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

CELL_PX = 384  # longer side of a picture
MOST_PX = 8192  # of the sheet; larger ones are scaled down, and few viewers open them
TEXT_PX, PAD_PX = 20, 10
PAPER, INK, EMPTY = (236, 236, 236), (32, 34, 38), (214, 214, 214)  # white pictures need a border


def draw(
    pictures: Mapping[tuple[int, int], np.ndarray], rows: Sequence[str], columns: Sequence[str]
) -> np.ndarray:
    """Draws a table of pictures.

    Args:
        pictures: (H, W, 3) uint8 sRGB by row and column; places without one stay grey.
        rows, columns: Labels; rows may have empty ones.

    Returns:
        (H, W, 3) uint8 sRGB.
    """
    cells = {place: _fitted(picture) for place, picture in pictures.items()}
    height = max((cell.shape[0] for cell in cells.values()), default=CELL_PX)
    width = max((cell.shape[1] for cell in cells.values()), default=CELL_PX)
    font = ImageFont.load_default(size=TEXT_PX)
    tops = [_wrapped(label, width, font) for label in columns]
    sides = [_wrapped(label, width, font) for label in rows]
    top = PAD_PX + _tall(tops)
    left = PAD_PX + int(max((font.getlength(line) for side in sides for line in side), default=0))
    if any(sides):
        left += PAD_PX
    size = (left + len(columns) * (width + PAD_PX), top + len(rows) * (height + PAD_PX))
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, lines in enumerate(tops):
        _write(pen, (left + column * (width + PAD_PX), PAD_PX // 2), lines, font)
    for row, lines in enumerate(sides):
        _write(pen, (PAD_PX, top + row * (height + PAD_PX)), lines, font)
        for column in range(len(columns)):
            x, y = left + column * (width + PAD_PX), top + row * (height + PAD_PX)
            cell = cells.get((row, column))
            if cell is None:
                pen.rectangle((x, y, x + width - 1, y + height - 1), fill=EMPTY)
            else:
                sheet.paste(Image.fromarray(cell), (x, y))
    return _bounded(np.asarray(sheet), MOST_PX)


def _fitted(picture: np.ndarray) -> np.ndarray:
    return _bounded(picture, CELL_PX)


def _bounded(picture: np.ndarray, side_px: int) -> np.ndarray:
    scale = side_px / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _wrapped(label: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont):
    """Breaks a label between words, and words where they are too long for a line."""
    lines: list[str] = []
    for word in label.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        while font.getlength(word) > width and len(word) > 1:
            fits = next(
                n for n in range(len(word), 0, -1) if n == 1 or font.getlength(word[:n]) <= width
            )
            lines.append(word[:fits])
            word = word[fits:]
        lines.append(word)
    return lines


def _tall(labels: Sequence[Sequence[str]]) -> int:
    return round(1.3 * TEXT_PX) * max((len(lines) for lines in labels), default=0)


def _write(pen: ImageDraw.ImageDraw, at: tuple[int, int], lines: Sequence[str], font) -> None:
    for number, line in enumerate(lines):
        pen.text((at[0], at[1] + number * round(1.3 * TEXT_PX)), line, INK, font=font)
