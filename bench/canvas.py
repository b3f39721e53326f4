"""Measures the canvas of Draw Hints in headless Chromium, in a ComfyUI started for it.

    python bench/canvas.py [--moves N] [--renderer classic|nodes-2.0]

A drawing of 500 strokes of 100 points is in the node, the most that a document may hold of strokes.
The mouse then draws one more. For each move that the browser delivers, two times are taken inside
the page: that of the event's handler, and that of the frame callbacks which the handler asked for
and which do the drawing. After these the canvases are read back, so that the drawing itself, which
the browser would do later, counts too. Beside it: what a proposal for each sample weighs as a
document, and what becomes of a document of more than 2 MB in both languages.
"""

import argparse
import json
import math
import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from dressform import install
from dressform.comfyui import session
from dressform.imaging import body, hints, parse, pictures, strokes
from playwright import sync_api

ROOT = Path(__file__).parents[1]
PHOTO = "dressform_tee.jpg"
SIZE = (768, 1024)  # width and height of that photo
STROKES, POINTS = 500, 100
MOVE_BAR_MS = 8.0
DOCUMENT_BAR_KB = 40.0
LANGUAGES = ("en", "zh")
RENDERERS = {"classic": False, "nodes-2.0": True}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# The editor opens a workflow of its own at the end, over whatever was loaded before.
READY = (
    "window.app?.extensionManager?.workflow?.activeWorkflow"
    " && 'DressformDrawHints' in LiteGraph.registered_node_types"
)
TIMEOUT_MS = 300_000
WIDGET = "app.graph.getNodeById(2).widgets.find(one => one.name === 'strokes')"

# Wraps what listens to moves on the stage, and the frames that it asks for.
STOPWATCH = """(() => {
  window.moves = []
  let current = null
  const listen = EventTarget.prototype.addEventListener
  EventTarget.prototype.addEventListener = function (type, act, options) {
    if (type !== 'pointermove' || !this.classList?.contains('df-stage')) {
      return listen.call(this, type, act, options)
    }
    return listen.call(this, type, function (event) {
      const start = performance.now()
      current = { handler: 0, drawing: 0, read: 0, stage: this }
      window.moves.push(current)
      act.call(this, event)
      current.handler = performance.now() - start
      current = null
    }, options)
  }
  const frame = window.requestAnimationFrame
  window.requestAnimationFrame = act => {
    const move = current
    if (!move) return frame.call(window, act)
    return frame.call(window, time => {
      const start = performance.now()
      current = move // a frame may ask for another one
      act(time)
      current = null
      const drawn = performance.now()
      for (const canvas of move.stage.querySelectorAll('canvas')) {
        canvas.getContext('2d').getImageData(0, 0, 1, 1)
      }
      move.drawing += drawn - start
      move.read += performance.now() - drawn
    })
  }
})()"""


class Move(NamedTuple):
    """Milliseconds of one move of the pen."""

    handler: float
    drawing: float
    read: float

    @property
    def all(self) -> float:
        """Everything that the move keeps the page from doing."""
        return self.handler + self.drawing + self.read


def full_document() -> str:
    """Returns as many strokes as a document may hold, over the whole photo."""
    rng = np.random.default_rng(0)
    width, height = SIZE
    roles = [role for role in strokes.ROLES if role not in strokes.CORRECTIONS]
    lines = []
    for index in range(STROKES):
        steps = rng.normal(0, 4, (POINTS, 2)).cumsum(0)
        places = rng.uniform((0, 0), SIZE) + steps
        pressure = rng.uniform(0.2, 1, (POINTS, 1)) if index % 2 else np.ones((POINTS, 1))
        rows = np.hstack([places, pressure])
        made = strokes.stroke(roles[index % len(roles)], rows, 4, closed=index % 5 == 0)
        lines.append(strokes.within(made, (height, width)))
    return strokes.to_json(strokes.StrokeDocument(width, height, "", tuple(lines)))


def too_long() -> str:
    """Returns a document that breaks no rule but that of its bytes."""
    document = strokes.from_json(full_document())
    long = [each._replace(points=each.points * 3) for each in document.strokes]
    return strokes.to_json(document._replace(strokes=tuple(long)))


def workflow(text: str) -> dict:
    """Returns Load Image and Draw Hints with these strokes, as a workflow file holds them."""
    loader = {"id": 1, "type": "LoadImage", "pos": [60, 120], "size": [300, 400]}
    loader |= {"outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}]}
    drawer = {"id": 2, "type": "DressformDrawHints", "pos": [420, 120], "size": [480, 760]}
    drawer |= {"inputs": [{"name": "image", "type": "IMAGE", "link": 1}]}
    return {
        "version": 0.4,
        "last_node_id": 2,
        "last_link_id": 1,
        "nodes": [
            loader | {"widgets_values": [PHOTO, "image"]},
            drawer | {"widgets_values": [text, "stop"]},
        ],
        "links": [[1, 1, 0, 2, 0, "IMAGE"]],
        "extra": {"ds": {"scale": 1, "offset": [0, 0]}},
    }


@contextmanager
def editor(browser: Any, url: str, **settings: Any) -> Iterator[Any]:
    """Opens ComfyUI's editor with these settings and a stopwatch, without any node in it."""
    page = browser.new_page(viewport={"width": 1700, "height": 1100})
    for name, value in {"TutorialCompleted": True, **settings}.items():
        # The server keeps the settings; the page reads them when it opens.
        page.request.post(
            f"{url}/api/settings/Comfy.{name.replace('_', '.')}",
            data=json.dumps(value),
            headers={"Content-Type": "application/json"},
        )
    page.set_default_timeout(TIMEOUT_MS)
    page.add_init_script(STOPWATCH)
    page.goto(url)
    page.wait_for_function(READY)
    yield page
    page.close()


def opened(page: Any, text: str) -> Any:
    """Returns the widget's element once the photo and these strokes are in it."""
    page.evaluate("workflow => app.loadGraphData(workflow)", workflow(text))
    page.wait_for_function(f"{WIDGET}?.element.isConnected")
    root = page.evaluate_handle(f"{WIDGET}.element")
    page.wait_for_function("element => element.dressform.photo?.fingerprint", arg=root)
    page.wait_for_timeout(1000)  # the node may still be laid out
    return root


def pen_moves(page: Any, count: int) -> list[Move]:
    """Draws one long stroke over the full drawing and returns the time of each move."""
    document = full_document()
    root = opened(page, document)
    turns = np.linspace(0, 8 * math.pi, count)
    places = np.stack([384 + 20 * turns * np.cos(turns) / 2, 512 + 18 * turns * np.sin(turns)], 1)
    client = page.evaluate(
        "([element, all]) => all.map(([x, y]) => element.dressform.toClient(x, y))",
        [root, places.tolist()],
    )
    page.mouse.move(client[0]["x"], client[0]["y"])
    page.mouse.down()
    page.evaluate("window.moves.length = 0")
    for place in client[1:]:
        page.mouse.move(place["x"], place["y"])
        page.evaluate("new Promise(requestAnimationFrame)")  # one frame for each, none shared
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    told = page.evaluate("moves.map(one => [one.handler, one.drawing, one.read])")
    page.mouse.up()
    said = page.evaluate("element => element.querySelector('[data-notice]').dataset.notice", root)
    if said != "too-many-strokes":  # the 501st: the full drawing was there
        raise RuntimeError(f"the canvas must hold {STROKES} strokes, got the notice {said!r}.")
    return [Move(*one) for one in told]


def refusal(page: Any) -> str:
    """Returns the sentence with which the canvas refuses 2 MB, "" where it takes them."""
    root = opened(page, too_long())
    return page.evaluate(
        """element => {
          const notice = element.querySelector('[data-notice]')
          const isRefused = notice.dataset.notice === 'too-long' && !element.dressform.document
          return isRefused && !notice.hidden ? notice.querySelector('.df-sentence').textContent : ''
        }""",
        root,
    )


def document_kilobytes() -> dict[str, float]:
    """Returns the weight of a proposal for each sample, all parts of the body included."""
    weights = {}
    for photo in sorted((ROOT / "samples").glob("*/photo.jpg")):
        parsing = parse.parse(pictures.open_picture(photo))
        document = hints.propose(parsing, body.locate(parsing), all_parts=True)
        weights[photo.parent.name] = len(strokes.to_json(document).encode()) / 1000
    return weights


def percentile(values: list[float], share: float) -> float:
    return float(np.percentile(values, 100 * share))


def report(moves: list[Move], weights: dict[str, float], refusals: dict[str, str]) -> None:
    """Prints the tables and the line of bars."""
    print(f"{len(moves)} moves over {STROKES} strokes of {POINTS} points, in ms")
    print(f"{'':10}{'median':>10}{'p95':>10}{'most':>10}")
    for part in ("handler", "drawing", "read", "all"):
        spent = [getattr(move, part) for move in moves]
        print(
            f"{part:10}{statistics.median(spent):10.2f}{percentile(spent, 0.95):10.2f}"
            f"{max(spent):10.2f}"
        )
    print(f"\n{'document':12}{'kB':>8}")
    for name, weight in weights.items():
        print(f"{name:12}{weight:8.1f}")
    print(f"\nmore than {strokes.MAX_BYTES} bytes")
    for language, sentence in refusals.items():
        print(f"{language}: {sentence or 'not refused'}")
    slow = percentile([move.all for move in moves], 0.95)
    heavy, refused = max(weights.values()), sum(map(bool, refusals.values()))
    bars = {
        "pen_move_p95_ms": {
            "value": round(slow, 3),
            "bar": MOVE_BAR_MS,
            "ok": slow <= MOVE_BAR_MS,
        },
        "document_kb": {
            "value": round(heavy, 1),
            "bar": DOCUMENT_BAR_KB,
            "ok": heavy < DOCUMENT_BAR_KB,
        },
        "refused": {"value": refused, "bar": len(LANGUAGES), "ok": refused == len(LANGUAGES)},
    }
    print(json.dumps({"bench": "canvas", "bars": bars}))


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--moves", type=int, default=400)
    options.add_argument("--renderer", choices=list(RENDERERS), default="classic")
    given = options.parse_args()
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        options.error("Chromium is missing. Install it: apt-get install chromium.")
    weights = document_kilobytes()
    vue = RENDERERS[given.renderer]
    refusals: dict[str, str] = {}
    moves: list[Move] = []
    with session.started() as server, sync_api.sync_playwright() as playwright:
        install.lend_samples(server.base / "input")
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for language in LANGUAGES:
            with editor(browser, server.url, VueNodes_Enabled=vue, Locale=language) as page:
                refusals[language] = refusal(page)
                if language == LANGUAGES[0]:
                    moves = pen_moves(page, given.moves)
        browser.close()
    report(moves, weights, refusals)


if __name__ == "__main__":
    main()
