"""The canvas and imaging/scribble.py draw the same document alike."""

import base64
import random
import sys

import cv2
import numpy as np
import pytest
from dressform import install
from dressform.imaging import body, hints, parsing, scribble, strokes

pytestmark = [pytest.mark.comfyui, pytest.mark.browser]

DOCUMENTS = 20
MAX_LEVELS = 32  # of 255: what the eye and a ControlNet do not tell apart at an edge
MAX_SHARE = 0.01  # of the picture's pixels that may differ by more
SAMPLES = ("armless", "dressform", "full", "ghost", "headless", "legs")
THUMBNAIL_PX = 96  # of the shorter side; in smaller pictures most pixels are some stroke's edge
# Width and height.
SIZES = ((300, 400), (96, 128), (768, 1024), (2000, 1500), (128, 96))
SHOW = """([element, text, scale]) => {
  const widget = app.graph.getNodeById(2).widgets.find(one => one.name === 'strokes')
  widget.value = text
  return element.dressform.render(scale).toDataURL('image/png')
}"""


def proposal(name):
    """What Propose Body Hints makes of a sample whose true parts are known."""
    folder = install.PACK / "samples" / name
    photo = cv2.imread(str(folder / "photo.jpg"))
    true = cv2.imread(str(folder / "labels.png"), cv2.IMREAD_GRAYSCALE)
    parsed = parsing.Parsing(true, kind=name, region="dress", confidence=1.0)
    return hints.propose(
        parsed, body.locate(parsed), all_parts=True, photo=strokes.fingerprint(photo)
    )


def scrawl(seed):
    """Strokes of all kinds in a photo of some size, up to its own size outside of it."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    width, height = SIZES[seed % len(SIZES)]
    lines = [_line(rng, width, height) for _ in range(rng.randint(2, 12))]
    return strokes.StrokeDocument(width, height, "", tuple(lines))


def _line(rng, width, height):
    spread = rng.choice([0.05, 0.3, 1.0])
    x, y = rng.uniform(-0.2, 1.2) * width, rng.uniform(-0.2, 1.2) * height
    rows = []
    for _ in range(rng.choice([1, 2, 3, 8, 60])):
        rows.append((x, y, rng.choice([1, 1, 0, rng.random()])))
        x = min(2 * width, max(-width, x + rng.gauss(0, spread * width / 2)))
        y = min(2 * height, max(-height, y + rng.gauss(0, spread * height / 2)))
    radius = rng.choice([0.1, 0.5, 1, 2.5, 8, 0.2 * max(width, height)])
    roles = [role for role in strokes.ROLES if role not in strokes.CORRECTIONS]
    made = strokes.stroke(
        rng.choice(roles), np.array(rows), max(0.1, radius), closed=rng.random() < 0.4
    )
    return strokes.within(made, (height, width))


def documents():
    scrawls = [(f"scrawl-{seed}", scrawl(seed)) for seed in range(DOCUMENTS - len(SAMPLES))]
    return [(f"proposal-{name}", proposal(name)) for name in SAMPLES] + scrawls


def in_browser(drawing, document, scale):
    url = drawing.page.evaluate(SHOW, [drawing.root, strokes.to_json(document), scale])
    data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def difference(drawing, document, scale):
    """The share of pixels that differ by more than MAX_LEVELS."""
    shown = in_browser(drawing, document, scale)
    drawn = scribble.render(document, shown.shape[:2])
    return float((cv2.absdiff(shown, drawn).max(2) > MAX_LEVELS).mean())


@pytest.mark.parametrize("scale", [1, 0.5, 2], ids=["photo-size", "half", "double"])
def test_canvas_and_python_draw_twenty_documents_alike(draw, scale):
    drawing = draw()
    shares = {
        name: difference(drawing, each, scale)
        for name, each in documents()
        if scale * min(each.width, each.height) >= THUMBNAIL_PX
    }
    assert scale < 1 or len(shares) == DOCUMENTS
    worst = sorted(shares.items(), key=lambda pair: -pair[1])[:3]
    listed = ", ".join(f"{100 * share:.3f} % of {name}" for name, share in worst)
    sys.stdout.write(f"worst at scale {scale}: {listed}\n")
    assert {name: share for name, share in shares.items() if share > MAX_SHARE} == {}


def test_the_comparison_sees_a_stroke_that_is_a_pixel_off(draw):
    drawing = draw()
    document = proposal("headless")
    moved = [
        each._replace(points=tuple((x + 2, y, p) for x, y, p in each.points))
        for each in document.strokes
    ]
    shown = in_browser(drawing, document, 1)
    drawn = scribble.render(document._replace(strokes=tuple(moved)), shown.shape[:2])
    assert (cv2.absdiff(shown, drawn).max(2) > MAX_LEVELS).mean() > MAX_SHARE


def test_corrections_of_the_parsing_are_left_out_of_both(draw):
    drawing = draw()
    line = strokes.stroke("garment", np.array([(2, 2, 1), (20, 30, 1)]), 4, closed=True)
    document = strokes.StrokeDocument(24, 40, "", (line,))
    assert in_browser(drawing, document, 1).max() == 0
    assert scribble.render(document, (40, 24)).max() == 0
