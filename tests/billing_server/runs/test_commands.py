"""What reaches a worker and a customer while a run goes on: commands at once, previews, texts."""

import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from dressform.billing_server.runs import events

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package


pytestmark = pytest.mark.usefixtures("clean")
JPEG = b"\xff\xd8\xff\xe0 a picture"


@pytest.fixture
def leased(hosted, machine, paying):
    """A worker's calls for a run that it has; its attributes tell of the run."""

    def make():
        run, one = paying.submit(), machine()
        told = one("POST", "/lease", {"worker": one.id}).json
        one.run, one.token, one.account = run.id, told["token"], paying.account
        one.tell = lambda what, **more: one("POST", f"/runs/{run.id}/{what}", body(one, more))
        one.look = lambda data, **more: one(
            "POST", f"/runs/{run.id}/preview", data=data, token=one.token, **more
        )
        return one

    def body(one, more):
        return {"token": one.token} | more

    return make


def test_a_cancel_reaches_the_worker_at_once(leased, hosted):
    one, heard = leased(), []

    def wait():
        heard.append((one.tell("wait", wait_s=20).json["command"], time.monotonic()))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    assert not heard
    one.tell("heartbeat", gpu_ms=0, phase="loading")  # what is no command wakes nobody for good
    asked = time.monotonic()
    hosted.runs.cancel(one.account, one.run)
    thread.join(timeout=10)
    command, at = heard[0]
    assert command == "cancel"
    assert at - asked < 8  # without a bell it hears after 20 s
    assert one.tell("wait", wait_s=20).json == {"command": "cancel"}  # asked too late is not lost
    one.tell("complete", gpu_ms=0)
    assert hosted.runs.get(one.account, one.run).state == "canceled"


def test_waiting_for_a_command_renews_no_lease(leased, clock):
    one = leased()
    assert one.tell("wait", wait_s=0.1).json == {"command": "go"}
    clock.advance(seconds=30)
    answer = one.tell("wait", wait_s=20)
    assert (answer.status_code, answer.json["code"]) == (409, "stale_token")


def test_waiting_ends_with_the_attempt(leased, hosted):
    one, heard = leased(), []
    thread = threading.Thread(target=lambda: heard.append(one.tell("wait", wait_s=20)))
    thread.start()
    time.sleep(0.3)
    one.tell("complete", gpu_ms=0)
    thread.join(timeout=10)
    assert heard[0].json["code"] == "stale_token"


def following(hosted, one, clock):
    """Yields frames as somebody sees them who looks at the run from now on."""
    from dressform.billing_server.runs import events, jobs_api

    run = hosted.runs.get(one.account, one.run)
    past = events.after(hosted.runs.engine, run.id, 0, 2**62)
    return jobs_api._stream(hosted, run, past[-1].seq, "http://here")


def test_previews_are_shown_once_and_only_the_latest(leased, hosted, clock, monkeypatch):
    monkeypatch.setattr("dressform.billing_server.runs.jobs_api.KEEPALIVE_S", 0.05)
    one = leased()
    assert one.look(JPEG).status_code == 204
    clock.advance(seconds=1)
    first, second = following(hosted, one, clock), following(hosted, one, clock)
    for stream in (first, second):
        assert next(stream) == ": still here\n\n"  # what was shown before is not told again
    clock.advance(seconds=1)
    one.look(JPEG + b"2")
    for stream in (first, second):
        frame = next(one for one in stream if not one.startswith(":"))
        assert frame.startswith("event: preview\ndata: ")  # without an id to come back to
    clock.advance(milliseconds=100)
    one.look(JPEG + b"3")  # too soon
    assert next(first) == ": still here\n\n"
    one.tell("complete", gpu_ms=0)
    assert '"succeeded"' in next(first)
    assert all(event.kind != "preview" for event in events.after(hosted.runs.engine, one.run, 0, 0))


@pytest.mark.parametrize(
    ("data", "status"), [(b"<svg/>", 415), (b"", 415), (JPEG + bytes(128 << 10), 413)]
)
def test_what_is_no_small_picture_is_no_preview(leased, data, status):
    assert leased().look(data).status_code == status


def test_previews_of_others_are_refused(leased, clock):
    one = leased()
    answer = one("POST", f"/runs/{one.run}/preview", data=JPEG, token="1.other")
    assert answer.json["code"] == "stale_token"
    clock.advance(seconds=30)
    assert one.look(JPEG).json["code"] == "stale_token"


def test_texts_are_outputs(leased, hosted):
    one = leased()
    told = {"gpu_ms": 0, "outputs": [{"node": "7", "type": "text", "text": "A red coat. 红色"}]}
    for _ in range(2):
        assert one.tell("complete", **told).status_code == 200
    (made,) = hosted.assets.of_run(one.account, one.run)
    assert (made.node, made.content_type, made.kind) == ("7", "text/plain", "text")
    assert hosted.assets.path(made).read_text(encoding="utf-8") == "A red coat. 红色"


@pytest.mark.parametrize("text", ["x" * 65537, "红" * 65536])
def test_texts_are_bounded(leased, text, hosted):
    one = leased()
    answer = one.tell("complete", gpu_ms=0, outputs=[{"node": "7", "text": text}])
    assert answer.status_code in (413, 422)
    assert hosted.runs.get(one.account, one.run).state == "running"


def test_texts_of_an_attempt_that_is_lost_are_nobodys(leased, hosted, clock):
    one = leased()
    clock.advance(seconds=31)
    answer = one.tell("complete", gpu_ms=0, outputs=[{"node": "7", "text": "late"}])
    assert answer.json["code"] == "stale_token"
    assert hosted.assets.of_run(one.account, one.run) == []


def test_an_output_is_a_file_or_a_text(leased):
    answer = leased().tell("complete", gpu_ms=0, outputs=[{"node": "7"}])
    assert answer.json["code"] == "missing_asset"


def test_a_lost_attempt_is_told(leased, hosted):
    one = leased()
    one.tell("fail", gpu_ms=0, fault="worker", code="x", message="The GPU fell off.")
    (log,) = (e for e in events.after(hosted.runs.engine, one.run, 0, 0) if e.kind == "log")
    assert log.data["message"].startswith("The GPU fell off. The job is tried again")
