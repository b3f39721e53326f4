"""The official comfy-sdk, unchanged, against this server: submit, follow, download, cancel."""

import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
pytest.importorskip("comfy_sdk", reason="Run: pip install comfy-sdk")
import comfy_sdk
from blake3 import blake3
from comfy_sdk import exceptions

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
from runs_given import CREDIT, PNG, graph

pytestmark = pytest.mark.usefixtures("clean")
MADE = PNG + b"made"


@pytest.fixture
def client(live, caller, machine, parts, monkeypatch, hosted):
    """The SDK of a customer with 400 credits."""
    machine("idle")
    made = caller("run", "read")
    parts.ledger.grant(made.account, 400 * CREDIT, "paid", key="g")
    monkeypatch.setenv("COMFY_BASE_URL", live)
    with comfy_sdk.Comfy(api_key=made.secret) as sdk:
        sdk.account, sdk.low = made.account, sdk._low
        yield sdk


@pytest.fixture
def work(machine, clock):
    """Does one run as a worker would, in a thread; what it was given is in the result."""
    threads, seen = [], []

    def start(gpu_ms=2000, outputs=(MADE,)):
        one = machine("busy")

        def run():
            lease = one("POST", "/lease", {"worker": one.id, "wait_s": 20}).json
            seen.append(lease)
            clock.advance(seconds=5)
            token = {"token": lease["token"]}
            told = token | {"gpu_ms": gpu_ms // 2, "phase": "executing"}
            told["progress"] = [{"node": "1", "value": 1, "max": 1}]
            one("POST", f"/runs/{lease['run']}/heartbeat", told)
            sent = []
            for data in outputs:
                place = f"/runs/{lease['run']}/outputs/{blake3(data).hexdigest()}"
                query = {"node": "2", "name": "a_1.png", "type": "output"}
                sent.append(one("PUT", place, query_string=query, data=data, **token).json)
            done = token | {"gpu_ms": gpu_ms, "outputs": sent}
            one("POST", f"/runs/{lease['run']}/complete", done)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return seen

    yield start
    for one in threads:
        one.join(timeout=30)


def loader(client, data=PNG, name="photo.png"):
    flow = client.workflows.from_json(graph())
    flow.json["1"] = {"class_type": "LoadImage", "inputs": {}}
    flow.set_input("1", "image", client.assets.from_bytes(data, filename=name))
    return flow


def test_submit_follow_and_download(client, work, parts, tmp_path):
    seen = work()
    job = client.submit(loader(client), metadata={"shop": "one"})
    happened = list(job.events())
    assert [one.status for one in happened if isinstance(one, comfy_sdk.StatusChange)] == [
        "queued",
        "running",
        "succeeded",
    ]
    (progress,) = (one for one in happened if isinstance(one, comfy_sdk.Progress))
    assert (progress.value, progress.nodes_total) == (0.5, 2)
    (ready,) = (one for one in happened if isinstance(one, comfy_sdk.OutputReady))
    assert ready.output.name == "a_1.png"
    job.result()
    (output,) = job.get_outputs("2")
    assert output.to_bytes() == MADE
    assert output.to_bytes(range=(1, 3)) == MADE[1:4]
    assert output.to_file(tmp_path / "a.png").read_bytes() == MADE
    assert job.metadata == {"shop": "one"}
    assert job.get_workflow().graph["1"]["class_type"] == "LoadImage"
    (given,) = seen[0]["inputs"]
    assert given["blake3"] == blake3(PNG).hexdigest()
    charged = 400 * CREDIT - parts.ledger.balance(client.account).available
    answer = client.low.raw_request("GET", f"/jobs/{job.id}")
    assert charged == answer.json()["billing"]["charged_micro"] == 2 * CREDIT
    assert answer.headers["X-Comfy-Credits-Used"] == "2"
    assert answer.json()["billing"]["explanation"].startswith("2.000 s of")


def test_previews_logs_and_texts_are_what_the_sdk_knows(client, machine, clock):
    job, one = client.submit(client.workflows.from_json(graph())), machine("busy")
    stream = job.events()
    assert next(stream).status == "queued"
    lease = one("POST", "/lease", {"worker": one.id}).json
    told = {"token": lease["token"], "gpu_ms": 0, "code": "x", "fault": "worker"}
    one("POST", f"/runs/{job.id}/fail", told | {"message": "The worker was restarted."})
    lease = one("POST", "/lease", {"worker": one.id}).json
    seen = [next(stream) for _ in range(4)]
    assert [type(event).__name__ for event in seen] == ["StatusChange", "Log"] + [
        "StatusChange"
    ] * 2
    assert seen[1].message == "The worker was restarted. The job is tried again, free of charge."
    clock.advance(seconds=2)
    sent = {"X-Attempt-Token": lease["token"], "X-Node": "2"}
    one("POST", f"/runs/{job.id}/preview", data=PNG, headers=sent)
    preview = next(stream)
    assert isinstance(preview, comfy_sdk.Preview)
    assert (preview.node_id, preview.content_type, preview.data) == ("2", "image/png", PNG)
    text = {"node": "2", "type": "text", "text": "A red coat."}
    one("POST", f"/runs/{job.id}/complete", told | {"token": lease["token"], "outputs": [text]})
    ready = next(stream)
    assert (ready.output.type, ready.output.to_bytes()) == ("text", b"A red coat.")
    assert next(stream).status == "succeeded"
    assert job.result().get_outputs("2")[0].name == "text.txt"


def test_run_returns_when_it_is_done(client, work):
    work()
    assert client.run(client.workflows.from_json(graph())).status == "succeeded"


def test_inputs_are_uploaded_once(client):
    first = client.assets.from_bytes(PNG, filename="photo.png")
    first.commit()
    assert first.created_new is True
    second = client.assets.from_bytes(PNG, filename="other.png")
    second.commit()
    assert (second.created_new, second.hash) == (False, first.hash)
    again = client.assets.get(first.id)
    assert again.hash == first.hash
    assert again.expires_at is not None
    first.delete()
    with pytest.raises(exceptions.NotFound):
        client.assets.get(again.id)
    second.delete()
    assert client.low.head_asset_by_hash(second.hash) is False


def test_hash_that_is_not_of_the_bytes_is_refused(client):
    from io import BytesIO

    with pytest.raises(Exception, match="hash") as caught:
        client.low.post_assets(
            BytesIO(PNG), "image/png", "a.png", expected_hash=f"blake3:{'0' * 64}"
        )
    assert caught.value.code == "hash_mismatch"


def test_cancel_in_the_queue_and_midway(client, machine, clock, hosted):
    waiting = client.submit(client.workflows.from_json(graph()))
    assert waiting.cancel().status == "canceled"
    running, one = client.submit(client.workflows.from_json(graph())), machine("busy")
    lease = one("POST", "/lease", {"worker": one.id}).json
    clock.advance(seconds=3)
    assert running.cancel().status == "canceling"
    told = {"token": lease["token"], "gpu_ms": 3000, "phase": "executing"}
    assert one("POST", f"/runs/{running.id}/heartbeat", told).json["command"] == "cancel"
    one("POST", f"/runs/{running.id}/complete", told)
    assert running.wait(timeout=5).status == "canceled"
    assert hosted.runs.get(client.account, running.id).charged == 3 * CREDIT
    with pytest.raises(exceptions.JobFailed, match="canceled"):
        running.result()


def test_failure_tells_the_node(client, machine):
    job, one = client.submit(client.workflows.from_json(graph())), machine("busy")
    lease = one("POST", "/lease", {"worker": one.id}).json
    told = {"token": lease["token"], "gpu_ms": 0, "fault": "workflow", "node": "1"}
    told |= {"code": "node_execution_error", "message": "It broke."}
    one("POST", f"/runs/{job.id}/fail", told)
    with pytest.raises(exceptions.JobFailed) as caught:
        job.result()
    error = caught.value.error
    assert (error.code, error.node_id) == ("node_execution_error", "1")


def test_insufficient_credits_is_402(client, parts):
    parts.ledger.hold(client.account, 399 * CREDIT, parts.clock().replace(year=2027), key="h")
    with pytest.raises(exceptions.InsufficientCredits) as caught:
        client.submit(client.workflows.from_json(graph()))
    assert caught.value.http_status == 402


def test_full_queue_is_429_with_retry_after(client, monkeypatch):
    monkeypatch.setattr("dressform.billing_server.runs.limits.MAX_ACTIVE", 0)
    monkeypatch.setattr("comfy_sdk.client._QUEUE_RETRY_BUDGET", 0.0)
    with pytest.raises(exceptions.QueueFull) as caught:
        client.submit(client.workflows.from_json(graph()))
    assert caught.value.retry_after == 5


@pytest.mark.parametrize(
    ("flow", "error"),
    [
        ({"1": {"class_type": "Nothing", "inputs": {}}}, exceptions.InvalidWorkflow),
        ({"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}}, exceptions.MissingAsset),
        ({"nodes": [], "links": []}, exceptions.WorkflowFormatUi),
    ],
    ids=["unknown", "no asset", "editor"],
)
def test_what_cannot_run_is_422(client, flow, error, parts):
    with pytest.raises(error) as caught:
        client.submit(client.workflows.from_json(flow))
    assert caught.value.http_status == 422
    assert parts.ledger.balance(client.account).held == 0


def test_missing_classes_are_named(client):
    flow = graph() | {"3": {"class_type": "SomethingElse", "inputs": {}}}
    with pytest.raises(exceptions.InvalidWorkflow, match="SomethingElse") as caught:
        client.submit(client.workflows.from_json(flow))
    assert caught.value.details["missing_nodes"] == ["SomethingElse"]


def test_key_used_again_for_another_job_is_refused(client):
    first = client.submit(client.workflows.from_json(graph()), idempotency_key="same")
    again = client.submit(client.workflows.from_json(graph()), idempotency_key="same")
    assert again.id == first.id
    with pytest.raises(exceptions.IdempotencyKeyReuse):
        client.submit(client.workflows.from_json(graph(seed=1)), idempotency_key="same")


def test_jobs_are_listed_in_pages_by_their_labels(client, clock):
    made = []
    for number in range(5):
        clock.advance(seconds=1)
        flow = client.workflows.from_json(graph())
        made.append(client.submit(flow, metadata={"odd": str(number % 2)}).id)
    assert [one.id for one in client.list_jobs(limit=2)] == made[::-1]
    assert [one.id for one in client.list_jobs(metadata={"odd": "1"}, limit=1)] == made[3::-2]
    found = client.jobs.get(made[0])
    assert (found.status, found.metadata) == ("queued", {"odd": "0"})


def test_bad_labels_are_refused(client):
    with pytest.raises(exceptions.ComfyError) as caught:
        client.submit(client.workflows.from_json(graph()), metadata={"a": "x" * 300})
    assert caught.value.code == "metadata_invalid"


def test_attack_19_and_14_of_others_nothing_is_seen(client, caller, machine, live, monkeypatch):
    asset = client.assets.from_bytes(PNG, filename="photo.png")
    asset.commit()
    job = client.submit(client.workflows.from_json(graph()))
    stranger = caller("run", "read")
    with comfy_sdk.Comfy(api_key=stranger.secret) as other:
        assert other._low.head_asset_by_hash(asset.hash) is False
        for seen in (
            lambda: other.assets.get(asset.id),
            lambda: other.assets.delete(asset.id),
            lambda: other._low.asset_from_hash(asset.hash),
            lambda: other.jobs.get(job.id),
            lambda: other._low.cancel_job(job.id),
            lambda: other._low.get_job_workflow(job.id),
            lambda: list(other._low.get_job_events(job.id)),
        ):
            with pytest.raises(Exception, match="account") as caught:
                seen()
            assert caught.value.http_status == 404
        assert list(other.list_jobs()) == []
        mine = other.assets.from_bytes(PNG, filename="photo.png")
        mine.commit()
        assert mine.created_new is True  # although somebody has the same bytes
        flow = other.workflows.from_json(graph())
        reference = {"__type": "core/ASSET", "info": {"id": asset.id}}
        flow.json["1"] = {"class_type": "LoadImage", "inputs": {"image": reference}}
        with pytest.raises(exceptions.MissingAsset):
            other.submit(flow)
    assert client.assets.get(asset.id).id == asset.id


@pytest.mark.parametrize(("scopes", "error"), [(("read",), "Forbidden"), ((), "Unauthorized")])
def test_key_that_may_not_run_jobs_is_refused(client, caller, scopes, error):
    secret = caller(*scopes).secret if scopes else "df_none"
    with (
        comfy_sdk.Comfy(api_key=secret) as other,
        pytest.raises(getattr(exceptions, error)),
    ):
        other.submit(other.workflows.from_json(graph()))
