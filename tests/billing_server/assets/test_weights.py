"""Customers' own weights: safetensors alone, for the runs of their account alone."""

import hashlib
import io
import json
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")

sys.path.append(str(Path(__file__).parents[1] / "runs"))  # runs_*.py are modules of no package
from runs_given import BASE, graph

pytestmark = pytest.mark.usefixtures("clean")
LORA = "unet.down.0.lora_A.weight"


def weights(tensors=None, body=None, metadata=None):
    """A safetensors file: {name: number of float32}."""
    head, at = {"__metadata__": metadata} if metadata else {}, 0
    for name, count in (tensors or {LORA: 4, LORA.replace("A", "B"): 2}).items():
        head[name] = {"dtype": "F32", "shape": [count], "data_offsets": [at, at + 4 * count]}
        at += 4 * count
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + (body if body is not None else b"\1" * at)


def upload(shop, data=None, name="mine.safetensors", told_name=None, **form):
    told = {"folder": "loras", "license": "apache-2.0"} | form
    told |= {"name": told_name} if told_name else {}
    file = (io.BytesIO(weights() if data is None else data), name)
    return shop("POST", "/models", data={"file": file, **told})


def lora(name="mine.safetensors", **inputs):
    flow = graph()
    flow["3"] = {
        "class_type": "LoraLoader",
        "inputs": {"lora_name": name, "model": ["1", 0], "clip": ["1", 1]} | inputs,
    }
    return flow


def bad_files():
    """Everything that has been sold as weights and is none, by what a person would call it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"a": 1}))
    good = weights()
    span = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}

    def headed(head, body=b"1234"):
        text = head if isinstance(head, bytes) else json.dumps(head).encode()
        return struct.pack("<Q", len(text)) + text + body

    yield "pickle", pickle.dumps({"weight": [1.0]})
    yield "renamed .ckpt", packed.getvalue()
    yield "gguf", b"GGUF\x03\0\0\0" + b"\0" * 64
    yield "page", b"<!doctype html><script>alert(1)</script>"
    yield "empty", b""
    yield "short", good[:7]
    yield "cut", good[:-1]
    yield "appended", good + pickle.dumps("evil")
    yield "no tensors", headed({}, b"")
    yield "gap", headed({"a": span | {"data_offsets": [4, 8]}}, b"12345678")
    yield "overlap", headed({"a": span, "b": span})
    yield "size", headed({"a": span | {"shape": [2]}})
    yield "kind", headed({"a": span | {"dtype": "PY"}})
    yield "negative", headed({"a": span | {"shape": [-1]}})
    yield "twice", headed(b'{"a": 1, "a": 2}')
    yield "list", headed([])
    yield "deep", headed(b'{"a":' * 5000 + b"1" + b"}" * 5000)
    yield "metadata", headed({"__metadata__": {"a": [1]}, "b": span})
    yield "more", headed({"a": span | {"code": "print()"}})


BAD = dict(bad_files())


@pytest.mark.parametrize("what", BAD)
def test_attack_7_what_is_no_safetensors_is_refused_with_a_sentence(shop, hosted, what):
    answer = upload(shop, BAD[what])
    assert (answer.status_code, answer.json["error"]["code"]) == (415, "unsupported_type")
    assert "safetensors" in answer.json["what_to_do"]
    assert hosted.held() == []
    assert shop("GET", "/models").json == {"models": []}


@pytest.mark.parametrize("what", [name for name in BAD if name != "no tensors"])
def test_attack_7_worker_holds_the_same_rule(tmp_path, what):
    """Two programs that share no code: what one refuses must not pass the other."""
    scan = pytest.importorskip("dressform.worker.weights").scan
    protocol = pytest.importorskip("dressform.worker.protocol")
    (tmp_path / "a").write_bytes(BAD[what])
    with pytest.raises(protocol.WorkflowError, match="safetensors"):
        scan(tmp_path / "a")
    (tmp_path / "good").write_bytes(weights())
    assert LORA in scan(tmp_path / "good")


@pytest.mark.parametrize(
    "name", ["a.ckpt", "a.pt", "b.safetensors.exe", "../a.safetensors", "a/b.safetensors", "a\nb"]
)
def test_attack_7_name_of_something_else_is_refused(shop, name):
    answer = upload(shop, told_name=name)
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    "form",
    [{"license": ""}, {"license": " "}, {"license": "x" * 201}, {"folder": "custom_nodes"}],
    ids=["none", "blank", "long", "folder"],
)
def test_folder_and_licence_are_required(shop, form, hosted):
    answer = upload(shop, **form)
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "invalid")
    assert hosted.held() == []


def test_weights_are_listed_and_deleted_with_their_bytes(shop, hosted):
    made = upload(shop).json
    assert made["created_new"] is True
    assert made["sha256"] == hashlib.sha256(weights()).hexdigest()
    assert (made["folder"], made["license"], made["tensors"]) == ("loras", "apache-2.0", 2)
    assert "key" not in made
    again = upload(shop).json
    assert (again["id"], again["created_new"]) == (made["id"], False)
    other = upload(shop, name="other.safetensors").json
    assert len(hosted.held()) == 1  # the same content in the account is kept once
    assert [one["name"] for one in shop("GET", "/models").json["models"]] == [
        "mine.safetensors",
        "other.safetensors",
    ]
    for one in (made, other):
        assert shop("DELETE", f"/models/{one['id']}").status_code == 204
        assert shop("DELETE", f"/models/{one['id']}").status_code == 404
    hosted.due()
    assert hosted.held() == []


def test_name_that_has_other_content_is_refused(shop):
    upload(shop)
    answer = upload(shop, weights({LORA: 8}))
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "exists")


def test_quotas_of_an_account_hold(shop, monkeypatch, hosted):
    place, size = "dressform.billing_server.assets.weights", len(weights())
    monkeypatch.setattr(f"{place}.MAX_ACCOUNT_BYTES", 2 * size - 1)
    upload(shop)
    answer = upload(shop, weights({LORA: 500}), name="b.safetensors")
    assert (answer.status_code, answer.json["error"]["code"]) == (413, "storage_full")
    monkeypatch.setattr(f"{place}.MAX_ACCOUNT_BYTES", 1 << 30)
    monkeypatch.setattr(f"{place}.MAX_FILES", 1)
    assert upload(shop, name="b.safetensors").json["error"]["code"] == "storage_full"
    monkeypatch.setattr(f"{place}.MAX_BYTES", size - 1)
    assert upload(shop).json["error"]["code"] == "too_large"
    assert len(hosted.held()) == 1


def test_workflow_that_names_them_gets_them(shop, machine, hosted):
    made = upload(shop).json
    quote = shop("POST", "/quote", {"workflow": lora()}).json
    assert (quote["runnable"], quote["missing"]["models"]) == (True, [])
    job = shop("POST", "/jobs", {"workflow": lora()}).json["id"]
    one = machine("busy")
    lease = one("POST", "/lease", {"worker": one.id}).json
    (model,) = lease["models"]
    assert (model["folder"], model["sha256"]) == ("loras", made["sha256"])
    assert lease["workflow"]["3"]["inputs"]["lora_name"] == model["name"]
    assert model["name"] == f"{made['sha256'][:12]}-mine.safetensors"
    assert lease["workflow"]["1"]["inputs"]["ckpt_name"] == "base.safetensors"
    kept = shop("GET", f"/jobs/{job}/workflow").json["workflow"]
    assert kept["3"]["inputs"]["lora_name"] == "mine.safetensors"
    if model["url"].startswith("http"):
        import requests

        assert requests.get(model["url"], timeout=10).content == weights()
    got = one("GET", f"/runs/{job}/models/{made['sha256']}", token=lease["token"])
    assert got.status_code == 302 or got.data == weights()
    got.close()
    told = one("GET", f"/runs/{job}/models/{'0' * 64}", token=lease["token"])
    assert told.json["code"] == "not_found"
    told = one("GET", f"/runs/{job}/models/{made['sha256']}", token="1.other")
    assert told.json["code"] == "stale_token"


def test_own_weights_come_before_the_catalogue_s(shop, machine):
    flow = graph()
    assert shop("POST", "/quote", {"workflow": flow}).json["runnable"]
    made = upload(shop, name=BASE.partition("/")[2], folder="checkpoints").json
    shop("POST", "/jobs", {"workflow": flow})
    one = machine("busy")
    lease = one("POST", "/lease", {"worker": one.id}).json
    assert [model["sha256"] for model in lease["models"]] == [made["sha256"]]
    assert lease["workflow"]["1"]["inputs"]["ckpt_name"] == lease["models"][0]["name"]


def test_weights_of_another_folder_are_not_meant(shop):
    upload(shop, folder="vae")
    quote = shop("POST", "/quote", {"workflow": lora()}).json
    assert quote["missing"]["models"] == ["loras/mine.safetensors"]
    flow = lora()
    flow["3"]["inputs"]["model_name"] = flow["3"]["inputs"].pop("lora_name")
    assert shop("POST", "/quote", {"workflow": flow}).json["runnable"]  # the input names no folder


def test_weights_in_use_stay_until_the_run_has_ended(shop):
    made = upload(shop).json
    job = shop("POST", "/jobs", {"workflow": lora()}).json["id"]
    answer = shop("DELETE", f"/models/{made['id']}")
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "in_use")
    shop("POST", f"/jobs/{job}/cancel")
    assert shop("DELETE", f"/models/{made['id']}").status_code == 204
    assert shop("POST", "/quote", {"workflow": lora()}).json["runnable"] is False


def test_weights_that_a_job_begins_to_use_while_they_are_deleted_are_in_use(shop, meanwhile):
    made, job = upload(shop).json["id"], shop("POST", "/jobs", {"workflow": graph()}).json["id"]
    used = "INSERT INTO runs.run_weights VALUES (:job, :weights, 'loras')"
    meanwhile("DELETE FROM runs.weights", used, job=job, weights=made)
    answer = shop("DELETE", f"/models/{made}")
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "in_use")
    assert [one["id"] for one in shop("GET", "/models").json["models"]] == [made]


def test_attack_14_weights_of_another_account_are_as_if_absent(shop, caller, hosted, parts):
    made = upload(shop).json
    stranger = caller("run", "read")
    parts.ledger.grant(stranger.account, 400_000_000, "paid", key="g")

    def theirs(method, path, body=None, **more):
        return stranger(method, f"/api/v2{path}", body, **more)

    assert theirs("GET", "/models").json == {"models": []}
    assert theirs("DELETE", f"/models/{made['id']}").json["error"]["code"] == "not_found"
    absent = theirs("POST", "/quote", {"workflow": lora("none.safetensors")}).json
    quote = theirs("POST", "/quote", {"workflow": lora()}).json
    absent["missing"]["models"] = ["loras/mine.safetensors"]
    assert quote == absent
    answer = theirs("POST", "/jobs", {"workflow": lora()})
    assert answer.json["error"]["details"]["missing_models"] == ["loras/mine.safetensors"]
    mine = upload(theirs).json
    assert mine["created_new"] is True  # no word of somebody having the same
    assert len(hosted.held()) == 2
    theirs("DELETE", f"/models/{mine['id']}")
    hosted.due()
    assert shop("POST", "/quote", {"workflow": lora()}).json["runnable"]
    assert len(hosted.held()) == 1


def test_key_that_may_not_run_uploads_nothing(caller):
    key = caller("read")
    assert key("POST", "/api/v2/models", data={}).status_code == 403
    assert key("GET", "/api/v2/models").status_code == 200


def test_store_that_is_away_takes_no_weights(shop, hosted):
    hosted.away()
    try:
        assert upload(shop).status_code == 503
        assert shop("GET", "/models").json == {"models": []}
    finally:
        hosted.back()
    assert upload(shop).status_code == 201
