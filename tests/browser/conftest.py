"""The real frontends in headless Chromium, and one Draw Hints node in them."""

import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
from dressform import install
from dressform.comfyui import session, source
from dressform.comfyui.server import Server

ARGUMENTS = [
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The editor opens a workflow of its own at the end, over whatever was loaded before.
READY = (
    "window.app?.extensionManager?.workflow?.activeWorkflow"
    " && 'DressformTryOn' in LiteGraph.registered_node_types"
)
START_TIMEOUT_MS = 300_000  # 8 s seen; machines that also compute take far longer
RUN_TIMEOUT_MS = 180_000  # 10 s seen, with the parser's first start in it
STEP_TIMEOUT_MS = 45_000  # anything else; 3 s seen for a proposal
PACKAGE = "comfyui-frontend-package"
PIP_TIMEOUT_S = 300  # 30 MB
PICTURES = Path(__file__).parents[2] / "out" / "browser"  # where a person looks at screenshots
LOADER, DRAWER = 1, 2  # node ids of the small workflow


def pytest_collection_modifyitems(items):
    """Puts tests of the same settings side by side: opening a page is what takes the time."""
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    if here:
        first = items.index(here[0])
        modules = list(dict.fromkeys(item.path for item in here))
        here.sort(key=lambda item: (modules.index(item.path), *_page_of(item)))
        items[:] = [item for item in items if item not in here]
        items[first:first] = here


def _page_of(item):
    given = item.callspec.params if hasattr(item, "callspec") else {}
    usual = {"frontend": "pinned", "vue_nodes": False, "language": "en", "theme": "dark"}
    return [(given.get(name, value) != value) for name, value in usual.items()]


# Not for the whole session: while Playwright runs, no other test can call asyncio.run.
@pytest.fixture(scope="module")
def chromium(need):
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        need("Chromium", "Install it with your system's packages: apt-get install chromium.")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def newest_comfyui(comfyui_folder, need, tmp_path_factory):
    """A running ComfyUI with the newest frontend there is instead of the one it asks for."""
    folder = _newest_frontend()
    if folder is None:
        need(f"the newest {PACKAGE}", "Connect to a network where pip finds packages.")
    static = folder / "comfyui_frontend_package" / "static"
    base = tmp_path_factory.mktemp("newest")
    arguments = ["--front-end-root", str(static)]
    server = Server(comfyui_folder, packs=[session.PACK], base=base, arguments=arguments)
    with server.start():
        yield server


def _newest_frontend():
    """The folder of the newest version that pip finds, else of the newest fetched before."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-deps", PACKAGE]
    version = _newest_version([*pip, "--dry-run", "--ignore-installed", "--report", "-"])
    kept = sorted(source.CACHE.glob("frontend-*"), key=lambda path: path.stat().st_mtime)
    if version is None:
        return kept[-1] if kept else None
    folder = source.CACHE / f"frontend-{version}"
    if not folder.is_dir():
        half = folder.with_name(f"half-{folder.name}")  # an interrupted fetch is not taken for one
        done = subprocess.run([*pip, "--target", str(half), "--upgrade"], timeout=PIP_TIMEOUT_S)
        if done.returncode != 0:
            return kept[-1] if kept else None
        half.rename(folder)
    return folder


def _newest_version(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S)
    if done.returncode != 0:
        return None
    return json.loads(done.stdout)["install"][0]["metadata"]["version"]


@pytest.fixture(scope="module")
def editor(chromium, request):
    """Returns a function: the editor of a running ComfyUI with some settings.

    The page stays open for the next test of the same settings, and only that: the editor draws all
    the time, in every page.
    """
    pages = {}

    def open_page(frontend="pinned", fresh=False, **settings):
        server = request.getfixturevalue("comfyui" if frontend == "pinned" else "newest_comfyui")
        wanted = {
            "TutorialCompleted": True,
            "Locale": "en",
            "VueNodes_Enabled": False,
            "ColorPalette": "dark",
            **settings,
        }
        key = (frontend, fresh, *sorted(wanted.items()))
        for other in [each for each in pages if each != key and not fresh]:
            pages.pop(other).close()
        if key not in pages:
            pages[key] = _page(chromium, server, wanted)
        return pages[key]

    yield open_page
    for page in pages.values():
        page.close()


def _page(chromium, server, settings):
    _set(server.url, settings)
    _lend_photos(server.base / "input")
    # A context is a browser profile of its own.
    page = chromium.new_page(viewport={"width": 1700, "height": 1100})
    page.set_default_timeout(START_TIMEOUT_MS)
    page.server, page.errors = server, []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(server.url)
    page.wait_for_function(READY)
    page.set_default_timeout(STEP_TIMEOUT_MS)
    return page


def _set(url, settings):
    """The server keeps the settings; a page reads them when it opens."""
    for name, value in settings.items():
        request = urllib.request.Request(  # noqa: S310 (loopback)
            f"{url}/api/settings/Comfy.{name.replace('_', '.')}",
            data=json.dumps(value).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()  # noqa: S310 (loopback)


@pytest.fixture
def draw(editor):
    """Returns a function: Load Image and Draw Hints in the editor, ready to draw on."""
    used = []

    def open_drawing(photo="plain.png", strokes="", size=(480, 760), **where):
        page = editor(**where)
        used.append(page)
        page.errors.clear()
        page.evaluate("workflow => app.loadGraphData(workflow)", workflow(photo, strokes, size))
        return Drawing(page)

    yield open_drawing
    for page in used:
        assert page.errors == []


def _lend_photos(folder):
    """Photos that differ in what a fingerprint sees, and the samples with a body on them."""
    install.lend_samples(folder)
    for name, (height, width), hue in (
        ("plain.png", (400, 300), 30),
        ("other.png", (400, 300), 200),
        ("wide.png", (300, 500), 90),
    ):
        if not (folder / name).exists():
            picture = np.full((height, width, 3), (hue, 180, 230 - hue), np.uint8)
            cv2.ellipse(picture, (width // 2, height // 2), (60, 90), 0, 0, 360, (90, hue, 60), -1)
            cv2.imwrite(str(folder / name), picture)


def workflow(photo="plain.png", strokes="", size=(480, 760)):
    """Load Image and Draw Hints as a workflow file holds them."""
    return {
        "version": 0.4,
        "last_node_id": DRAWER,
        "last_link_id": 1,
        "nodes": [
            {
                "id": LOADER,
                "type": "LoadImage",
                "pos": [60, 120],
                "size": [300, 400],
                "outputs": [
                    {"name": "IMAGE", "type": "IMAGE", "links": [1]},
                    {"name": "MASK", "type": "MASK", "links": None},
                ],
                "widgets_values": [photo, "image"],
            },
            {
                "id": DRAWER,
                "type": "DressformDrawHints",
                "pos": [420, 120],
                "size": list(size),
                "inputs": [{"name": "image", "type": "IMAGE", "link": 1}],
                "outputs": [{"name": "hints", "type": "STRING", "links": None}],
                "widgets_values": [strokes, "stop"],
            },
        ],
        "links": [[1, LOADER, 0, DRAWER, 0, "IMAGE"]],
        "extra": {"ds": {"scale": 1, "offset": [0, 0]}},
    }


class Drawing:
    """One Draw Hints node in a page, used as a person does: by pointer, keys and buttons."""

    def __init__(self, page, node=f"app.graph.getNodeById({DRAWER})", *, has_photo=True):
        self.page = page
        self.node = node
        self.widget = f"{node}.widgets.find(one => one.name === 'strokes')"
        page.wait_for_function(f"{node} && {self.widget}.element.isConnected")
        self.root = page.evaluate_handle(f"{self.widget}.element").as_element()
        if has_photo:
            self.wait("element.dressform.photo?.fingerprint")
        self.settle()

    def settle(self):
        """Until the stage has stayed where it is for a few frames."""
        self.page.evaluate(
            """async element => {
              const frame = () => new Promise(requestAnimationFrame)
              const place = () => JSON.stringify([
                element.getBoundingClientRect(), element.dressform.viewport])
              let last = ''
              for (let same = 0, frames = 0; same < 4; frames += 1, await frame()) {
                if (frames > 600) throw new Error('the drawing must come to rest')
                same = place() === last ? same + 1 : 0
                last = place()
              }
            }""",
            self.root,
        )

    def tell(self, expression, *values):
        """What the page says about `element` and `values`."""
        code = f"([element, ...values]) => {expression}"
        return self.page.evaluate(code, [self.root, *values])

    def wait(self, expression, *values):
        code = f"([element, ...values]) => {expression}"
        self.page.wait_for_function(code, arg=[self.root, *values])

    @property
    def document(self):
        return self.tell("element.dressform.document")

    @property
    def strokes(self):
        return (self.document or {"strokes": []})["strokes"]

    @property
    def text(self):
        """The value that ComfyUI saves and queues."""
        return self.page.evaluate(f"{self.widget}.value")

    @text.setter
    def text(self, value):
        self.page.evaluate(f"value => {{ {self.widget}.value = value }}", value)

    @property
    def notice(self):
        """Code and sentence of the notice; empty where there is none."""
        return self.tell(
            """(notice => notice.hidden ? ['', ''] :
               [notice.dataset.notice, notice.querySelector('.df-sentence').textContent])
               (element.querySelector('[data-notice]'))"""
        )

    def press(self, name):
        """Clicks a button by its tool or action."""
        self.find(name).click()

    def find(self, name):
        return self.root.query_selector(f'[data-tool="{name}"], [data-action="{name}"]')

    def places(self, points):
        """Photo pixels to places in the window."""
        code = "values[0].map(([x, y]) => { const p = element.dressform.toClient(x, y);"
        return self.tell(f"{code} return [p.x, p.y] }})", [list(point)[:2] for point in points])

    def drag(self, *points, release=True):
        """Drags the mouse along a line in photo pixels."""
        first, *others = self.places(points)
        mouse = self.page.mouse
        mouse.move(*first)
        mouse.down()
        for place in others:
            mouse.move(*place)
        if release:
            mouse.up()

    def focus(self):
        self.tell("element.querySelector('textarea').focus()")

    def leave(self):
        """Clicks where the graph is empty."""
        self.page.mouse.click(1200, 1000)

    def keys(self, *names):
        for name in names:
            self.page.keyboard.press(name)

    def load_photo(self, name):
        """Chooses another photo in Load Image."""
        self.page.evaluate(
            """([id, name]) => {
              const widget = app.graph.getNodeById(id).widgets.find(one => one.name === 'image')
              widget.value = name
              widget.callback?.(name)
            }""",
            [LOADER, name],
        )

    def run(self):
        """Queues the workflow; returns 'success', or what went wrong."""
        self.page.evaluate("""() => {
          window.ended = null
          const end = name => event => {
            window.ended ??= name === 'success' ? name : JSON.stringify(event.detail)
          }
          app.api.addEventListener('execution_success', end('success'), { once: true })
          app.api.addEventListener('execution_error', end('error'), { once: true })
          return app.queuePrompt(0, 1)
        }""")
        self.page.wait_for_function("window.ended", timeout=RUN_TIMEOUT_MS)
        return self.page.evaluate("window.ended")

    def picture(self, name):
        """Keeps a screenshot for people."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(PICTURES / f"{name}.png"))
