"""The real frontend in headless Chromium."""

import json
import shutil
import urllib.request

import pytest

ARGUMENTS = [
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY = "window.app?.extensionManager && 'DressformTryOn' in LiteGraph.registered_node_types"
START_TIMEOUT_MS = 120_000


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


@pytest.fixture(scope="module")
def editor(chromium, comfyui):
    """Returns a function: the editor of the running ComfyUI, one page for each set of settings."""
    pages = {}

    def open_page(**settings):
        wanted = {"TutorialCompleted": True, "Locale": "en", "VueNodes_Enabled": False, **settings}
        key = tuple(sorted(wanted.items()))
        if key not in pages:
            _set(comfyui.url, wanted)
            page = pages[key] = chromium.new_page(viewport={"width": 1700, "height": 1100})
            page.errors = []
            page.on("pageerror", lambda error: page.errors.append(str(error)))
            page.goto(comfyui.url)
            page.wait_for_function(READY, timeout=START_TIMEOUT_MS)
        return pages[key]

    yield open_page
    for page in pages.values():
        page.close()


def _set(url, settings):
    """The server keeps the settings; a page reads them when it opens."""
    for name, value in settings.items():
        request = urllib.request.Request(  # noqa: S310 (loopback)
            f"{url}/api/settings/Comfy.{name.replace('_', '.')}",
            data=json.dumps(value).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()  # noqa: S310 (loopback)
