"""Draws the whole way for many photos on one sheet, to be looked at.

    python bench/contact_sheet.py [PHOTO ...] [--person PHOTO] [--out SHEET.jpg]
    python bench/contact_sheet.py --parsings FOLDER [--out SHEET.jpg]

Without photos, the shipped samples. A row: photo, parsing with the located body, cleaned picture,
hints, on-model picture, verdict. A column that could not be made shows why. With --parsings, only
the parsings of all photos in a folder, each with its kind and confidence.
"""

import argparse
import textwrap
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from dressform.imaging import body, ghost, hints, overlay, parse, pictures, scribble
from dressform.inference import engine, request
from dressform.quality import overlay as quality_overlay
from dressform.quality import verdict
from PIL import Image, ImageDraw, ImageFont

SAMPLES = Path(__file__).parents[1] / "samples"
CELL_HEIGHT, CELL_WIDTH = 480, 360
WHITE = 255
# Of a sheet of parsings.
SMALL, COLUMNS, CAPTION_PX = 0.5, 10, 24


def cell(picture: np.ndarray) -> np.ndarray:
    """Returns the (H, W, 3) picture, scaled to fit and centred on white."""
    height, width = picture.shape[:2]
    scale = min(CELL_HEIGHT / height, CELL_WIDTH / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    canvas = np.full((CELL_HEIGHT, CELL_WIDTH, 3), WHITE, np.uint8)
    top, left = (CELL_HEIGHT - size[1]) // 2, (CELL_WIDTH - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas


def note(text: str) -> np.ndarray:
    """Returns a cell with a sentence."""
    page = Image.new("RGB", (CELL_WIDTH, CELL_HEIGHT), "white")
    font = ImageFont.load_default(size=16)
    ImageDraw.Draw(page).multiline_text(
        (16, 16), "\n".join(textwrap.wrap(text, 38)), fill=(160, 30, 30), font=font
    )
    return np.asarray(page)


def attempt(make: Callable[[], np.ndarray]) -> np.ndarray:
    """Returns the cell of a picture, or of the sentence that it failed with."""
    try:
        return cell(make())
    except ValueError as error:
        return note(str(error))


def row(photo: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Returns the cells of one photo, side by side."""
    parsing = parse.parse(photo)

    def located() -> np.ndarray:
        shown = overlay.labels_on_photo(photo, parsing.label_map)
        bones = scribble.skeleton(body.locate(parsing), photo.shape[:2])
        return np.where(bones.max(axis=2, keepdims=True) > 0, bones, shown)

    def hinted() -> np.ndarray:
        return scribble.draw_on(photo, hints.propose(parsing, body.locate(parsing)))

    def worn() -> engine.TryOnResult:
        cleaned = ghost.complete(photo, parsing).image
        mask = parsing.garment.astype(np.float32)
        wanted = request.prepare(person, cleaned, mask, garment_parsing=parsing)
        return engine.load("warp").run(wanted, lambda done, total: None)

    def judged() -> np.ndarray:
        result = worn()
        found = verdict.check(
            result.image,
            photo,
            parsing,
            garment_mask=result.garment > 0.5,
            person=person,
            repaint_mask=result.repainted > 0,
        )
        return quality_overlay.annotate(result.image, found)

    makers = (
        lambda: photo,
        located,
        lambda: ghost.complete(photo, parsing).image,
        hinted,
        lambda: worn().image,
        judged,
    )
    return np.hstack([attempt(make) for make in makers])


def parsed(path: Path) -> np.ndarray:
    """Returns a small cell with the parsing of a photo, its kind and confidence below."""
    photo = pictures.open_picture(path)
    parsing = parse.parse(photo)
    shown = cell(overlay.labels_on_photo(photo, parsing.label_map))
    small = cv2.resize(shown, None, fx=SMALL, fy=SMALL, interpolation=cv2.INTER_AREA)
    page = Image.new("RGB", (small.shape[1], small.shape[0] + CAPTION_PX), "white")
    page.paste(Image.fromarray(small), (0, 0))
    caption = f"{parsing.kind} {parsing.confidence:.2f}"
    place = page.width / 2, small.shape[0] + CAPTION_PX / 2
    font = ImageFont.load_default(size=16)
    ImageDraw.Draw(page).text(place, caption, (30, 30, 30), font, anchor="mm")
    return np.asarray(page)


def sheet_of_parsings(folder: Path) -> np.ndarray:
    """Returns the parsings of all photos in a folder, COLUMNS side by side."""
    suffixes = pictures.SUFFIXES
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    if not photos:
        raise SystemExit(f"no photos found: --parsings must be a folder of photos, got {folder}")
    cells = [parsed(photo) for photo in photos]
    cells += [np.full_like(cells[0], WHITE)] * (-len(cells) % min(COLUMNS, len(cells)))
    rows = range(0, len(cells), COLUMNS)
    return np.vstack([np.hstack(cells[first : first + COLUMNS]) for first in rows])


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("photos", nargs="*", type=Path, metavar="PHOTO")
    options.add_argument("--person", type=Path, default=SAMPLES / "person.jpg")
    options.add_argument("--out", type=Path, default=Path("out/contact_sheet.jpg"))
    options.add_argument("--parsings", type=Path, metavar="FOLDER", help="parsings only, of all")
    chosen = options.parse_args()
    if chosen.parsings:
        save(chosen.out, sheet_of_parsings(chosen.parsings))
        return
    person = pictures.open_picture(chosen.person)
    photos = chosen.photos or sorted(SAMPLES.glob("*/photo.jpg"))
    sheet = np.vstack([row(pictures.open_picture(photo), person) for photo in photos])
    save(chosen.out, sheet)


def save(path: Path, sheet: np.ndarray) -> None:
    """Writes the sheet and says where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures.save_picture(path, sheet)
    print(path)


if __name__ == "__main__":
    main()
