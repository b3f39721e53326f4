"""Comfy API v2 without the SDK: streams, quotes, odd calls, and the attacks that reach them."""

import json
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
from runs_given import BASE, CLASSES, CREDIT, PNG, graph

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def shop(caller, machine, parts, hosted):
    """A customer with 400 credits; calls Comfy API v2."""
    machine("idle")
    made = caller("run", "read")
    parts.ledger.grant(made.account, 400 * CREDIT, "paid", key="g")

    def call(method, path, body=None, **more):
        headers = more.pop("headers", {})
        sent = {"Authorization": f"Bearer {made.secret}"} | headers
        if body is not None:
            more["json"] = body
        answer = made.client.open(f"/api/v2{path}", method=method, headers=sent, **more)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400 and method != "HEAD":
            assert answer.json["error"]["code"]
            assert answer.json["error"]["message"].endswith(".")
        return answer

    call.account, call.secret = made.account, made.secret
    return call


def upload(shop, data=PNG, name="photo.png", **form):
    from io import BytesIO

    form |= {"file": (BytesIO(data), name), "file_path": name}
    return shop("POST", "/assets", data=form)


def finish(machine, job, clock):
    one = machine("busy")
    lease = one("POST", "/lease", {"worker": one.id}).json
    clock.advance(seconds=3)
    told = {"token": lease["token"], "gpu_ms": 2000, "phase": "executing"}
    one("POST", f"/runs/{job}/heartbeat", told)
    one("POST", f"/runs/{job}/complete", told)


def frames(answer):
    """Reads (id, event, data) of a stream that has ended."""
    found = []
    for frame in answer.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in frame.split("\n") if line and line[0] != ":")
        if lines:
            found.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found


def test_stream_tells_all_and_goes_on_after_last_event_id(shop, machine, clock):
    job = shop("POST", "/jobs", {"workflow": graph()}).json["id"]
    finish(machine, job, clock)
    answer = shop("GET", f"/jobs/{job}/events")
    assert answer.mimetype == "text/event-stream"
    all_ = frames(answer)
    kinds = [kind for _, kind, _ in all_]
    assert kinds == ["status", "status", "progress", "status"]
    assert [seq for seq, _, _ in all_] == [1, 2, 3, 4]
    for last in (1, 3, 4):
        rest = shop("GET", f"/jobs/{job}/events", headers={"Last-Event-ID": str(last)})
        assert frames(rest) == all_[last:]
    for odd in ("x", "-1", "1" * 30):
        assert frames(shop("GET", f"/jobs/{job}/events", headers={"Last-Event-ID": odd})) == all_


def test_stream_is_told_at_once(shop, machine, clock):
    job = shop("POST", "/jobs", {"workflow": graph()}).json["id"]
    answer, seen = shop("GET", f"/jobs/{job}/events"), []
    thread = threading.Thread(target=lambda: seen.extend(frames(answer)))
    thread.start()
    shop("POST", f"/jobs/{job}/cancel")
    thread.join(timeout=10)
    assert [data["status"] for _, _, data in seen] == ["queued", "canceled"]


def test_attack_31_streams_of_an_account_are_bounded(shop, monkeypatch):
    monkeypatch.setattr("dressform.billing_server.runs.jobs_api.MAX_STREAMS", 2)
    job = shop("POST", "/jobs", {"workflow": graph()}).json["id"]
    open_ = [shop("GET", f"/jobs/{job}/events", buffered=False) for _ in range(2)]
    refused = shop("GET", f"/jobs/{job}/events")
    assert (refused.status_code, refused.json["error"]["code"]) == (429, "too_many_streams")
    assert refused.headers["Retry-After"]
    open_[0].close()
    again = shop("GET", f"/jobs/{job}/events", buffered=False)
    assert again.status_code == 200
    again.close()
    open_[1].close()


def test_attack_31_streams_leave_threads_for_others(shop, monkeypatch):
    monkeypatch.setattr("dressform.billing_server.runs.jobs_api.MAX_STREAMS_OF_ALL", 0)
    job = shop("POST", "/jobs", {"workflow": graph()}).json["id"]
    assert shop("GET", f"/jobs/{job}/events").status_code == 429
    assert shop("GET", f"/jobs/{job}").status_code == 200


def test_quiet_stream_says_that_it_lives(shop, monkeypatch):
    monkeypatch.setattr("dressform.billing_server.runs.jobs_api.KEEPALIVE_S", 0.05)
    monkeypatch.setattr("dressform.billing_server.runs.jobs_api.MAX_STREAM_S", 3.0)
    job = shop("POST", "/jobs", {"workflow": graph()}).json["id"]
    assert ": still here\n\n" in shop("GET", f"/jobs/{job}/events").text


def test_quote_tells_price_and_what_is_missing_and_holds_nothing(shop, parts):
    flow = graph(ckpt_name="other.safetensors") | {"3": {"class_type": "Lost", "inputs": {}}}
    reference = {"__type": "core/ASSET", "info": {"id": "nowhere"}}
    flow["4"] = {"class_type": "LoadImage", "inputs": {"image": reference}}
    told = shop("POST", "/quote", {"workflow": flow}).json
    assert told["runnable"] is False
    assert told["missing"] == {
        "nodes": ["Lost"],
        "models": ["checkpoints/other.safetensors"],
        "assets": ["nowhere"],
    }
    good = shop("POST", "/quote", {"workflow": graph()}).json
    assert (good["runnable"], good["cost"], good["held"]) == (True, "30", "60")
    assert good["queue"] == {"ahead": 0, "eta_s": 30}
    assert parts.ledger.balance(shop.account).held == 0
    shop("POST", "/jobs", {"workflow": graph()})
    assert shop("POST", "/quote", {"workflow": graph()}).json["queue"] == {"ahead": 1, "eta_s": 60}


def test_job_tells_its_place_and_when_it_will_be_done(shop, clock):
    first = shop("POST", "/jobs", {"workflow": graph()}).json
    clock.advance(seconds=1)
    second = shop("POST", "/jobs", {"workflow": graph()}).json
    assert (first["queue_position"], second["queue_position"]) == (1, 2)
    assert (first["eta_s"], second["eta_s"]) == (30, 60)
    assert second["billing"]["held_micro"] == 60 * CREDIT


def test_same_call_has_the_same_answer(shop):
    key = {"Idempotency-Key": "same"}
    first = shop("POST", "/jobs", {"workflow": graph()}, headers=key)
    again = shop("POST", "/jobs", {"workflow": graph()}, headers=key)
    assert first.status_code == again.status_code == 201
    assert first.json == again.json
    assert again.headers["Idempotency-Replayed"] == "true"


def test_another_gpu_class_can_be_asked_for(shop, machine, references, ledger, clock):
    name = next(references)
    ledger.card.add(name, 5, valid_from=clock.now)
    assert shop("POST", "/jobs", {"workflow": graph(), "gpu_class": name}).status_code == 429
    machine("cheap", gpu_class=name)
    job = shop("POST", "/jobs", {"workflow": graph(), "gpu_class": name}).json
    assert job["gpu_class"] == name
    assert shop("POST", "/jobs", {"workflow": graph()}).json["gpu_class"] == name  # the cheapest


def test_without_a_worker_it_is_not_ready(shop, engine):
    import sqlalchemy as sa

    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE runs.worker SET seen_at = '-infinity'"))
    answer = shop("POST", "/jobs", {"workflow": graph()})
    assert (answer.status_code, answer.json["error"]["code"]) == (429, "deployment_not_ready")
    assert answer.headers["Retry-After"] == "30"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"workflow": graph(), "webhook_url": "https://a"}, 422, "invalid"),
        ({"workflow": graph(), "inputs": {}}, 422, "invalid"),
        ({}, 422, "invalid_workflow"),
        ([], 422, "invalid_workflow"),
        ({"workflow": graph(), "gpu_class": 7}, 422, "invalid"),
        ({"workflow": graph(), "gpu_class": "none"}, 429, "deployment_not_ready"),
        *(
            ({"workflow": graph(), "max_micro": one}, 422, "invalid")
            for one in (0, -1, 1.5, True, "9", 10**15 + 1)
        ),
        ({"workflow": graph(), "max_micro": 1}, 422, "max_cost"),
        ({"workflow": graph(), "metadata": {"a": 1}}, 422, "metadata_invalid"),
        ({"workflow": graph(), "metadata": "a"}, 422, "metadata_invalid"),
    ],
    ids=range(15),
)
def test_odd_calls_are_refused(shop, parts, body, status, code):
    answer = shop("POST", "/jobs", body)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert parts.ledger.balance(shop.account).held == 0


@pytest.mark.parametrize("key", ["", "a" * 256, "ä"])
def test_odd_keys_are_refused(shop, key):
    answer = shop("POST", "/jobs", {"workflow": graph()}, headers={"Idempotency-Key": key})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=YQ==", "limit=0", "limit=x", "limit=-1", "other=1", "cursor=%00"]
)
def test_odd_pages_are_refused(shop, query):
    assert shop("GET", f"/jobs?{query}").status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/%00"),
        ("POST", "/jobs/%00/cancel"),
        ("GET", "/jobs/%00/events"),
        ("GET", "/assets/%00"),
        ("DELETE", "/assets/%00"),
        ("GET", "/jobs?metadata[a]=%00"),
        ("GET", "/jobs?metadata[%00]=a"),
    ],
)
def test_nul_is_refused_wherever_it_stands(shop, method, path):
    assert shop(method, path).status_code in (404, 422)


@pytest.mark.parametrize("text", [r"\u0000", r"\ud800"])
def test_texts_that_are_none_are_refused(shop, text):
    for body in (
        '{"workflow": {}, "metadata": {"a": "%s"}}',
        '{"workflow": {}, "metadata": {"%s": "a"}}',
        '{"workflow": {"1": {"class_type": "CLIPTextEncode", "inputs": {"text": "%s"}}}}',
    ):
        answer = shop("POST", "/jobs", data=body % text)
        assert answer.json["error"]["code"] == "invalid_workflow"


def test_attack_10_huge_body_is_refused(shop):
    for size in (2 << 20, 50 << 20):
        answer = shop("POST", "/jobs", data=b"[" + b" " * size)
        assert (answer.status_code, answer.json["error"]["code"]) == (413, "too_large")


def test_attack_2_class_that_a_worker_gives_to_another_pack_is_refused(shop, machine):
    machine("rogue", classes=CLASSES | {"LoadLora": "evil"})
    flow = graph() | {"3": {"class_type": "LoadLora", "inputs": {}}}
    answer = shop("POST", "/jobs", {"workflow": flow})
    assert answer.json["error"]["details"]["missing_nodes"] == ["LoadLora"]


def test_attack_2_run_goes_to_no_worker_whose_pack_differs(shop, machine):
    rogue = machine("rogue", classes=CLASSES | {"SaveImage": "evil"})
    shop("POST", "/jobs", {"workflow": graph()})
    assert rogue("POST", "/lease", {"worker": rogue.id}).status_code == 204


def test_attack_7_model_outside_the_catalogue_is_refused(shop, parts):
    for name in ("other.safetensors", "loras/base.safetensors", "base.safetensors "):
        answer = shop("POST", "/jobs", {"workflow": graph(ckpt_name=name)})
        assert answer.json["error"]["code"] == "invalid_workflow"
    lora = {"class_type": "LoraLoader", "inputs": {"lora_name": "base.safetensors"}}
    answer = shop("POST", "/jobs", {"workflow": graph() | {"3": lora}})
    assert answer.json["error"]["details"]["missing_models"] == ["loras/base.safetensors"]
    assert parts.ledger.balance(shop.account).held == 0


SECRET = "partner-secret-0123456789"


def test_attack_12_key_of_a_partner_is_kept_nowhere(shop, engine, hosted, machine, capfd):
    import sqlalchemy as sa

    body = {"workflow": graph(), "extra_data": {"api_key_comfy_org": SECRET}}
    job = shop("POST", "/jobs", body).json["id"]
    one = machine("busy")
    assert SECRET not in one("POST", "/lease", {"worker": one.id}).text
    assert SECRET not in shop("GET", f"/jobs/{job}").text
    with engine.connect() as connection:
        names = "SELECT tablename FROM pg_tables WHERE schemaname = 'runs'"
        for (table,) in connection.execute(sa.text(names)).all():
            found = f"SELECT count(*) FROM runs.{table} t WHERE CAST(t AS text) LIKE :s"
            assert connection.execute(sa.text(found), {"s": f"%{SECRET}%"}).scalar_one() == 0
    assert SECRET not in "".join(capfd.readouterr())


def test_attack_13_prompts_are_not_logged(shop, capfd):
    flow = graph() | {"3": {"class_type": "CLIPTextEncode", "inputs": {"text": SECRET}}}
    shop("POST", "/jobs", {"workflow": flow})
    shop("POST", "/jobs", {"workflow": flow | {"4": {"class_type": "Lost", "inputs": {}}}})
    assert SECRET not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        b"<!doctype html><script>1</script>",
        b"PK\3\4zip",
        b"\x80\x04\x95pickle",
        b"#!/bin/sh",
        b"",
    ],
)
def test_attack_11_files_of_other_kinds_are_refused(shop, data):
    answer = upload(shop, data)
    assert (answer.status_code, answer.json["error"]["code"]) == (415, "unsupported_type")


def head(kind, width, height):
    big, little = (lambda n: n.to_bytes(4, "big")), (lambda n, size: n.to_bytes(size, "little"))
    return {
        "png": PNG[:16] + big(width) + big(height) + PNG[24:],
        "gif": b"GIF89a" + little(width, 2) + little(height, 2),
        "jpeg": b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08"
        + height.to_bytes(2, "big")
        + width.to_bytes(2, "big"),
        "webp": b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0"
        + little(width - 1, 3)
        + little(height - 1, 3),
    }[kind]


@pytest.mark.parametrize("kind", ["png", "gif", "jpeg", "webp"])
def test_attack_11_pictures_that_unpack_to_too_much_are_refused(shop, kind):
    assert upload(shop, head(kind, 60_000, 60_000)).json["error"]["code"] == "too_large"
    assert upload(shop, head(kind, 1024, 768)).status_code == 201
    assert upload(shop, head(kind, 1024, 768)[:9]).status_code in (413, 415)


def test_attack_4_names_of_uploads_are_names(shop):
    for name in ("../../a.png", "/etc/a.png", "..\\a.png", "C:\\a.png"):
        assert upload(shop, name=name).json["file_path"] == "a.png"
    for name in ("a" * 201 + ".png", "a\nb.png", ".."):
        answer = upload(shop, name=name)
        assert answer.status_code == 422 or ".." in answer.json["file_path"]


def test_content_is_never_a_page(shop):
    asset = upload(shop, name='"><script>.png').json
    answer = shop("GET", f"/assets/{asset['id']}/content")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.data == PNG
    answer.close()


def test_storage_of_an_account_is_bounded(shop, monkeypatch):
    monkeypatch.setattr("dressform.billing_server.assets.book.MAX_ACCOUNT_BYTES", len(PNG) + 5)
    assert upload(shop).status_code == 201
    answer = upload(shop, PNG + b"more")
    assert (answer.status_code, answer.json["error"]["code"]) == (413, "storage_full")


def test_file_that_is_too_large_is_refused(shop, monkeypatch, hosted):
    monkeypatch.setattr("dressform.billing_server.assets.book.MAX_BYTES", len(PNG) - 1)
    assert upload(shop).json["error"]["code"] == "too_large"
    assert not list(hosted.root.rglob("*.new*"))


def test_asset_in_use_stays_until_its_job_has_ended(shop, clock, hosted):
    asset = upload(shop, expires_in="60").json
    reference = {"__type": "core/ASSET", "info": {"id": asset["id"]}}
    flow = graph()
    flow["1"] = {"class_type": "LoadImage", "inputs": {"image": reference}}
    job = shop("POST", "/jobs", {"workflow": flow}).json["id"]
    assert shop("DELETE", f"/assets/{asset['id']}").json["error"]["code"] == "in_use"
    clock.advance(minutes=5)
    hosted.assets.sweep()
    assert shop("GET", f"/assets/{asset['id']}").status_code == 200
    shop("POST", f"/jobs/{job}/cancel")
    assert shop("DELETE", f"/assets/{asset['id']}").status_code == 204


def test_what_expired_is_forgotten(shop, clock, hosted, machine):
    asset = upload(shop, expires_in="60").json
    job = shop("POST", "/jobs", {"workflow": graph()}).json["id"]
    finish(machine, job, clock)
    clock.advance(seconds=61)
    hosted.assets.sweep()
    hosted.blobs.sweep()
    assert shop("GET", f"/assets/{asset['id']}").status_code == 404
    assert not [one for one in hosted.root.rglob("*") if one.is_file()]
    clock.advance(days=8)
    hosted.assets.sweep()
    assert shop("GET", f"/jobs/{job}").status_code == 404


def test_attack_32_token_of_a_worker_is_in_no_log(shop, machine, capfd):
    job = shop("POST", "/jobs", {"workflow": graph()}).json["id"]
    one = machine("busy")
    token = one("POST", "/lease", {"worker": one.id}).json["token"]
    one("GET", f"/runs/{job}/inputs/x", token=token)
    assert token not in "".join(capfd.readouterr())


def test_model_of_the_base_is_told_to_the_worker(machine):
    assert machine(models=(BASE,)).id
