"""The sidebar Dressform Cloud in a page, used as a person does, and a workflow to run."""

import urllib.error
import urllib.request
from pathlib import Path

PICTURES = Path(__file__).parents[2] / "out" / "browser"  # where a person looks at screenshots
RUN_TIMEOUT_MS = 180_000


def small(loads=None):
    """A picture made or loaded, inverted, saved: as a workflow file holds them."""
    first = {
        "id": 1,
        "type": "LoadImage" if loads else "EmptyImage",
        "pos": [560, 120],
        "size": [300, 300],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}],
        "widgets_values": [loads, "image"] if loads else [64, 64, 1, 255],
    }
    second = {
        "id": 2,
        "type": "ImageInvert",
        "pos": [900, 120],
        "size": [240, 60],
        "inputs": [{"name": "image", "type": "IMAGE", "link": 1}],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [2]}],
        "title": "Negative",
    }
    third = {
        "id": 3,
        "type": "SaveImage",
        "pos": [1180, 120],
        "size": [320, 420],
        "inputs": [{"name": "images", "type": "IMAGE", "link": 2}],
        "widgets_values": ["hosted"],
    }
    return {
        "version": 0.4,
        "last_node_id": 3,
        "last_link_id": 2,
        "nodes": [first, second, third],
        "links": [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]],
        "extra": {"ds": {"scale": 1, "offset": [0, 0]}},
    }


class Panel:
    """The sidebar of a page whose ComfyUI asks a hosted server."""

    def __init__(self, page, hosted):
        self.page, self.hosted = page, hosted

    def open(self):
        """Shows the sidebar, whatever it showed before; nothing may be connected."""
        if self.page.locator(".dfc-root").count() == 0:
            self.toggle()
        elif self.find("[data-action=refresh]").count():
            self.press("refresh")
        self.find("form").wait_for()

    def toggle(self):
        """Presses the sidebar's button."""
        self.page.evaluate("app.extensionManager.sidebarTab.toggleSidebarTab('dressform-cloud')")

    def find(self, selector):
        return self.page.locator(f".dfc-root {selector}")

    def press(self, action):
        self.find(f"[data-action={action}]").first.click()

    def connect(self, server=None, key=None):
        self.find("[name=server]").fill(server or self.hosted.url)
        self.find("[name=key]").fill(key or self.hosted.key)
        self.find("[type=submit]").click()
        self.page.wait_for_function(
            "document.querySelector('.dfc-root').ariaBusy === 'false'"
            " && document.querySelector('.dfc-root :is(.dfc-balance, [role=alert])')"
        )

    def run(self):
        """From the button to the confirmation, until the run is on the list."""
        self.press("ask")
        self.confirm()

    def confirm(self):
        """Presses the price; the newest run is then this one, and none of an earlier test."""
        newest = "document.querySelector('.dfc-run')?.dataset.key"
        before = self.page.evaluate(newest)
        self.find("[data-action=confirm]:not([aria-disabled])").click()
        self.page.wait_for_function(f"before => {newest} !== before", arg=before)

    def until(self, state):
        """Waits until the newest run is in a state."""
        self.page.wait_for_function(
            "state => document.querySelector('.dfc-run')?.dataset.state === state", arg=state
        )

    @property
    def text(self):
        return self.page.locator(".dfc-root").inner_text()

    def wait_for_text(self, text):
        self.page.wait_for_function(
            "text => document.querySelector('.dfc-root')?.innerText.includes(text)", arg=text
        )

    def set_widget(self, node, name, value):
        self.page.evaluate(
            """([node, name, value]) => {
              const widgets = app.graph.getNodeById(node).widgets
              widgets.find(one => one.name === name).value = value
            }""",
            [node, name, value],
        )

    def workflow(self):
        return self.page.evaluate("app.graphToPrompt().then(made => made.output)")

    def ask(self, route, **body):
        """Calls one of the pack's routes as the page does."""
        return self.page.evaluate(
            """([route, body]) => app.api.fetchApi(`/dressform/cloud/${route}`, {
              method: 'POST', headers: { 'Content-Type': 'application/json' },
              body: JSON.stringify(body) }).then(answer => answer.json())""",
            [route, body],
        )

    def asked_by_another(self, headers):
        """The status that a program gets which asks as no page of ComfyUI's does."""
        url = f"{self.page.server.url}/dressform/cloud/state"
        request = urllib.request.Request(url, data=b"{}", headers=headers)  # noqa: S310 (loopback)
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310 (loopback)
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def get(self, path):
        code = "path => fetch(path).then(async one => [one.status, await one.text()])"
        return self.page.evaluate(code, path)

    def images_of(self, node):
        """What a node of the graph shows."""
        code = "node => app.nodeOutputs[String(node)]?.images ?? []"
        self.page.wait_for_function(f"node => ({code})(node).length > 0", arg=node)
        return self.page.evaluate(code, node)

    def said_by(self, node):
        """What a node says under itself."""
        code = "node => (app.nodeOutputs[String(node)]?.text ?? []).join(' ')"
        return self.page.evaluate(code, node)

    def run_locally(self):
        """Queues the workflow here; returns 'success', or what went wrong."""
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

    def widened(self, width_px, name):
        """Pictures the sidebar at a width; returns what does not fit in it."""
        root = self.page.locator(".dfc-root")
        root.evaluate("(element, width) => { element.style.width = `${width}px` }", width_px)
        PICTURES.mkdir(parents=True, exist_ok=True)
        root.screenshot(path=str(PICTURES / f"cloud-{name}-{width_px}.png"))
        found = root.evaluate(
            """element => [...element.querySelectorAll('*')]
              .filter(one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0
                && getComputedStyle(one).display !== 'inline')
              .map(one => one.outerHTML.slice(0, 120))"""
        )
        root.evaluate("element => { element.style.width = '' }")
        return found

    def picture(self, name):
        """Keeps a screenshot for people."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(PICTURES / f"{name}.png"))
