"""The worker protocol over HTTP: what a worker says, what it is told, and who is let in."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from blake3 import blake3

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
from runs_given import CREDIT, PNG, graph

pytestmark = pytest.mark.usefixtures("clean")


def loader(asset):
    reference = {"__type": "core/ASSET", "info": {"id": asset}}
    flow = graph()
    flow["1"] = {"class_type": "LoadImage", "inputs": {"image": reference}}
    return flow


def test_a_run_from_upload_to_output(hosted, machine, paying, clock):
    asset, new = hosted.assets.upload(paying.account, [PNG], "photo.png")
    assert new
    run = paying.submit(loader(asset.id))
    one = machine()
    lease = one("POST", "/lease", {"worker": one.id, "wait_s": 0}).json
    assert (lease["run"], lease["attempt"], lease["lease_s"]) == (run.id, 1, 30)
    assert lease["tenant"] == str(paying.account)
    (given,) = lease["inputs"]
    assert (given["blake3"], given["bytes"]) == (blake3(PNG).hexdigest(), len(PNG))
    assert given["name"] == f"{asset.id}.png"
    assert lease["workflow"]["1"]["inputs"]["image"] == given["name"]
    token = {"token": lease["token"]}
    got = one("GET", given["url"], **token)
    assert got.data == PNG
    got.close()
    clock.advance(seconds=5)
    told = {**token, "gpu_ms": 2000, "phase": "executing", "phases": {"loading": 900}}
    told["progress"] = [{"node": "1", "value": 1, "max": 1}, {"node": "2", "value": 1, "max": 4}]
    beat = one("POST", f"/runs/{run.id}/heartbeat", told).json
    assert beat == {"command": "go", "max_gpu_ms": 60_000, "lease_s": 30}
    progress = hosted.runs.get(paying.account, run.id).progress
    assert (progress["value"], progress["current_node"], progress["step"]) == (0.625, "2", 1)
    digest = blake3(PNG + b"!").hexdigest()
    place = f"/runs/{run.id}/outputs/{digest}"
    query = {"node": "2", "name": "sub/a_0001_.png", "type": "output"}
    sent = [one("PUT", place, query_string=query, data=PNG + b"!", **token).json for _ in range(2)]
    assert sent[0] == sent[1]
    with pytest.raises(Exception, match="asset of this account"):
        hosted.assets.get(paying.account, sent[0]["asset"])
    done = {**token, "gpu_ms": 3000, "phases": {"executing": 3000}}
    done["outputs"] = [{"node": "2", "asset": sent[0]["asset"], "name": "a", "type": "output"}]
    for _ in range(2):
        assert one("POST", f"/runs/{run.id}/complete", done).status_code == 200
    run = hosted.runs.get(paying.account, run.id)
    assert (run.state, run.charged, run.phases) == ("succeeded", 3 * CREDIT, {"executing": 3000})
    (made,) = hosted.assets.of_run(paying.account, run.id)
    assert hosted.assets.path(made).read_bytes() == PNG + b"!"
    assert (made.file_path, made.content_type, made.node) == ("a_0001_.png", "image/png", "2")
    assert one("POST", "/lease", {"worker": one.id}).status_code == 204


def test_the_worker_of_this_project_reads_the_answers(hosted, machine, paying):
    protocol = pytest.importorskip("dressform.worker.protocol")
    asset, _ = hosted.assets.upload(paying.account, [PNG], "photo.png")
    paying.submit(loader(asset.id))
    one = machine()
    lease = protocol.lease(one("POST", "/lease", {"worker": one.id}).json)
    assert (lease.attempt, lease.lease_s, lease.tenant) == (1, 30, str(paying.account))
    assert [given.asset for given in lease.inputs] == [asset.id]
    told = {"token": lease.token, "gpu_ms": 0, "phase": "loading", "phases": {}}
    answer = protocol.answer(one("POST", f"/runs/{lease.run}/heartbeat", told).json)
    assert answer == ("go", lease.max_gpu_ms, 30)


def test_outputs_of_a_failed_run_are_nobody_s(hosted, machine, paying, clock):
    run, one = paying.submit(), machine()
    lease = one("POST", "/lease", {"worker": one.id}).json
    query = {"node": "2", "name": "a.png", "type": "output"}
    digest = blake3(PNG).hexdigest()
    asset = one(
        "PUT",
        f"/runs/{run.id}/outputs/{digest}",
        query_string=query,
        data=PNG,
        token=lease["token"],
    ).json
    told = {"token": lease["token"], "gpu_ms": 0, "fault": "workflow"}
    told |= {"code": "node_error", "message": "x" * 5000, "node": "2"}
    assert one("POST", f"/runs/{run.id}/fail", told).status_code == 200
    assert hosted.assets.of_run(paying.account, run.id) == []
    with pytest.raises(Exception, match="asset of this account"):
        hosted.assets.get(paying.account, asset["asset"])
    (path,) = (one for one in hosted.root.rglob("*") if one.is_file())
    hosted.assets.sweep()
    hosted.blobs.sweep()
    assert not path.exists()


def test_attack_27_stale_tokens_move_no_file_and_no_credit(hosted, machine, paying, clock):
    asset, _ = hosted.assets.upload(paying.account, [PNG], "photo.png")
    run, one = paying.submit(loader(asset.id)), machine()
    lease = one("POST", "/lease", {"worker": one.id}).json
    clock.advance(seconds=31)
    token, told = {"token": lease["token"]}, {"gpu_ms": 1, "phase": "executing"}
    digest, place = blake3(PNG).hexdigest(), f"/runs/{run.id}"
    failure = {"gpu_ms": 1, "fault": "workflow", "code": "x", "message": ""}
    for method, path, body, more in (
        ("POST", f"{place}/heartbeat", token | told, {}),
        ("POST", f"{place}/complete", token | {"gpu_ms": 1}, {}),
        ("POST", f"{place}/fail", token | failure, {}),
        ("PUT", f"{place}/outputs/{digest}", None, {**token, "data": PNG}),
        ("GET", lease["inputs"][0]["url"], None, token),
    ):
        answer = one(method, path, body, **more)
        assert (answer.status_code, answer.json["code"]) == (409, "stale_token"), path
    assert hosted.runs.get(paying.account, run.id).charged is None


def test_output_that_is_not_what_it_is_called_is_refused(machine, paying):
    run, one = paying.submit(), machine()
    lease = one("POST", "/lease", {"worker": one.id}).json
    query = {"node": "2", "name": "a.png", "type": "output"}
    answer = one(
        "PUT",
        f"/runs/{run.id}/outputs/{'0' * 64}",
        query_string=query,
        data=PNG,
        token=lease["token"],
    )
    assert (answer.status_code, answer.json["code"]) == (409, "hash_mismatch")


def test_output_of_another_run_is_refused(machine, paying):
    one, two = machine("one"), machine("two")
    paying.submit(), paying.submit()
    first, second = (m("POST", "/lease", {"worker": m.id}).json for m in (one, two))
    query = {"node": "2", "name": "a.png", "type": "output"}
    digest = blake3(PNG).hexdigest()
    asset = one(
        "PUT",
        f"/runs/{first['run']}/outputs/{digest}",
        query_string=query,
        data=PNG,
        token=first["token"],
    ).json
    told = {"token": second["token"], "gpu_ms": 0, "outputs": [asset]}
    answer = two("POST", f"/runs/{second['run']}/complete", told)
    assert (answer.status_code, answer.json["code"]) == (422, "missing_asset")


@pytest.mark.parametrize("scopes", [("run", "read"), ("meter", "admin")])
def test_attack_19_only_the_key_of_a_worker_is_let_in(caller, scopes):
    one = caller(*scopes)
    for path in ("/hello", "/lease", "/goodbye", "/runs/x/heartbeat", "/runs/x/complete"):
        answer = one("POST", f"/api/worker/v1{path}", {})
        assert (answer.status_code, answer.json["code"]) == (403, "scope")
    assert one("GET", "/api/worker/v1/runs/x/inputs/y").status_code == 403
    assert one.client.post("/api/worker/v1/lease", json={}).status_code == 401


def test_another_key_s_worker_cannot_be_taken_over(machine, caller):
    one, other = machine(), caller("worker")
    answer = other("POST", "/api/worker/v1/lease", {"worker": one.id})
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_worker")


@pytest.mark.parametrize(
    "wrong",
    [
        {"gpu_ms": "many"},
        {"gpu_ms": 1.5},
        {"gpu_ms": True},
        {"phase": "resting"},
        {"phases": {"resting": 1}},
        {"progress": [{"node": "1", "value": 1, "max": 0}]},
        {"progress": [{"node": "1", "value": float("nan"), "max": 1}]},
    ],
    ids=str,
)
def test_attack_27_what_is_no_report_is_refused(machine, paying, wrong):
    run, one = paying.submit(), machine()
    lease = one("POST", "/lease", {"worker": one.id}).json
    told = {"token": lease["token"], "gpu_ms": 1, "phase": "executing"} | wrong
    answer = one("POST", f"/runs/{run.id}/heartbeat", told)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")


def test_nul_is_refused_wherever_it_stands(machine, paying):
    one = machine()
    assert one("POST", "/lease", {"worker": "a\0"}).status_code == 422
    assert one("GET", "/runs/%00/inputs/%00").status_code in (409, 422)


def test_worker_of_a_class_without_a_price_is_told_so(machine):
    with pytest.raises(AssertionError, match="Add a rate"):
        machine(gpu_class="unheard of")
