"""Files past this server: addresses that a bucket takes or gives bytes at, for a short while."""

import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
import requests
from blake3 import blake3

sys.path.append(str(Path(__file__).parents[1] / "runs"))  # runs_*.py are modules of no package
from runs_given import CREDIT, PNG, graph

pytestmark = pytest.mark.usefixtures("clean")
SECOND = CREDIT


@pytest.fixture
def kind():
    return "s3"


@pytest.fixture
def begun(shop, machine, clock):
    """A run that a worker has; calls for it with its token."""
    job = shop("POST", "/jobs", {"workflow": graph()}).json["id"]
    one = machine("busy")
    lease = one("POST", "/lease", {"worker": one.id}).json
    clock.advance(seconds=5)

    def call(path, body=None, method="POST", **more):
        if path in ("complete", "fail"):
            told = {"token": lease["token"], "gpu_ms": 2000} | (body or {})
            return one("POST", f"/runs/{job}/{path}", told)
        return one(method, f"/runs/{job}/{path}", body, token=lease["token"], **more)

    def ask(data=PNG, name="a.png", hash_=None, size=None):
        told = {"blake3": hash_ or blake3(data).hexdigest(), "bytes": size or len(data)}
        return call("outputs/url", told | {"node": "2", "name": name, "type": "output"})

    call.job, call.ask, call.lease = job, ask, lease
    return call


def send(place, data=PNG):
    answer = requests.put(place["url"], data=data, headers=place["headers"], timeout=10)
    return answer.status_code


def outputs(shop, job):
    return shop("GET", f"/jobs/{job}").json["outputs"]


def test_output_sent_to_the_store_is_shown_and_charged_once(shop, begun, parts, hosted):
    place = begun.ask().json
    assert place["method"] == "PUT"
    assert send(place) == 200
    assert outputs(shop, begun.job) == []
    assert shop("GET", f"/assets/{place['asset']}").status_code == 404
    for _ in range(2):
        assert begun("complete", {"outputs": [{"asset": place["asset"]}]}).status_code == 200
    (made,) = outputs(shop, begun.job)
    assert (made["name"], made["content_type"], made["size_bytes"]) == (
        "a.png",
        "image/png",
        len(PNG),
    )
    answer = shop("GET", f"/assets/{made['id']}/content")
    assert requests.get(answer.headers["Location"], timeout=10).content == PNG
    assert 400 * CREDIT - parts.ledger.balance(shop.account).available == 2 * SECOND
    hosted.due()
    assert len(hosted.held()) == 1


def test_the_same_again_is_asked_and_sent_without_harm(shop, begun, hosted):
    first, second = begun.ask().json, begun.ask().json
    assert first["asset"] == second["asset"]
    assert (send(first), send(second)) == (200, 412)
    begun("complete", {"outputs": [{"asset": first["asset"]}]})
    assert len(outputs(shop, begun.job)) == 1
    assert len(hosted.held()) == 1


def test_bytes_that_the_account_has_are_not_sent_again(shop, begun, hosted):
    hosted.assets.upload(shop.account, [PNG], "mine.png")
    place = begun.ask().json
    assert place["url"] is None
    begun("complete", {"outputs": [{"asset": place["asset"]}]})
    (made,) = outputs(shop, begun.job)
    assert made["content_type"] == "image/png"
    assert len(hosted.held()) == 1


@pytest.mark.parametrize("sent", [None, PNG[:-1] + b"x"], ids=["nothing", "others"])
def test_nothing_but_what_was_told_is_shown(shop, begun, hosted, clock, sent):
    place = begun.ask().json
    assert sent is None or send(place, sent) == 200
    answer = begun("complete", {"outputs": [{"asset": place["asset"]}]})
    assert answer.status_code == 422
    assert answer.json["code"] == ("hash_mismatch" if sent else "missing_asset")
    told = shop("GET", f"/jobs/{begun.job}").json
    assert (told["status"], told["outputs"], told["billing"]["charged"]) == ("running", [], None)
    clock.advance(seconds=31)  # the lease ends, another worker tries
    hosted.due()
    assert shop("GET", f"/jobs/{begun.job}").json["status"] == "queued"
    assert shop("GET", f"/assets/{place['asset']}").status_code == 404
    clock.advance(days=1)
    hosted.due()
    assert hosted.held() == []


def test_what_was_looked_at_cannot_be_replaced(shop, begun):
    place = begun.ask().json
    send(place)
    begun("complete", {"outputs": [{"asset": place["asset"]}]})
    assert send(place, PNG[::-1]) == 412
    (made,) = outputs(shop, begun.job)
    answer = shop("GET", f"/assets/{made['id']}/content")
    assert requests.get(answer.headers["Location"], timeout=10).content == PNG


def test_address_is_for_one_file_of_one_size_and_a_quarter_of_an_hour(begun):
    told = parse_qs(urlsplit(begun.ask().json["url"]).query)
    signed = set(told["X-Amz-SignedHeaders"][0].split(";"))
    assert signed >= {"content-length", "content-type", "host", "if-none-match"}
    assert int(told["X-Amz-Expires"][0]) <= 900


def test_file_that_comes_after_its_run_was_lost_is_swept(shop, begun, hosted, clock):
    place = begun.ask().json
    fault = {"fault": "worker", "code": "x", "message": "It broke."}
    begun("fail", fault)
    hosted.due()
    assert send(place) == 200  # the worker hangs on
    clock.advance(minutes=14)
    hosted.due()
    assert len(hosted.held()) == 1  # the address still works
    clock.advance(days=1)
    hosted.due()
    assert hosted.held() == []


def test_file_that_was_deleted_is_not_brought_back_by_its_address(shop, begun, hosted, clock):
    place = begun.ask().json
    send(place)
    begun("complete", {"outputs": [{"asset": place["asset"]}]})
    shop("DELETE", f"/assets/{place['asset']}")
    hosted.due()
    assert send(place) in (200, 412)
    clock.advance(minutes=31)
    hosted.due()
    assert hosted.held() == []


def test_output_that_was_announced_may_come_through_the_server_after_all(
    shop, begun, hosted, clock
):
    place = begun.ask().json
    query = {"node": "2", "name": "a.png", "type": "output"}
    path = f"outputs/{blake3(PNG).hexdigest()}"
    sent = begun(path, method="PUT", query_string=query, data=PNG).json
    assert sent["asset"] == place["asset"]
    begun("complete", {"outputs": [sent]})
    (made,) = outputs(shop, begun.job)
    assert made["content_type"] == "image/png"
    clock.advance(days=2)
    hosted.due()
    assert len(hosted.held()) == 1


def test_output_that_was_announced_need_not_come_if_it_is_there_by_now(shop, begun, hosted):
    begun.ask()
    hosted.assets.upload(shop.account, [PNG], "mine.png")
    place = begun.ask().json
    assert place["url"] is None
    assert begun("complete", {"outputs": [{"asset": place["asset"]}]}).status_code == 200
    assert len(outputs(shop, begun.job)) == 1


def test_output_looked_at_too_late_is_not_shown_without_its_bytes(shop, begun, hosted, clock):
    place = begun.ask().json
    send(place)
    with hosted.blobs.engine.begin() as connection:
        import sqlalchemy as sa

        connection.execute(sa.text("UPDATE runs.garbage SET taken = true"))
    answer = begun("complete", {"outputs": [{"asset": place["asset"]}]})
    assert answer.status_code == 408
    assert shop("GET", f"/jobs/{begun.job}").json["outputs"] == []


def test_store_that_is_away_at_the_end_delays_it(shop, begun, hosted, parts):
    place = begun.ask().json
    send(place)
    told = {"outputs": [{"asset": place["asset"]}]}
    hosted.away()
    try:
        answer = begun("complete", told)
        assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
        assert shop("GET", f"/jobs/{begun.job}").json["status"] == "running"
    finally:
        hosted.back()
    assert begun("complete", told).status_code == 200
    assert shop("GET", f"/jobs/{begun.job}").json["status"] == "succeeded"
    assert parts.ledger.balance(shop.account).held == 0


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ({"size": 1 << 40}, "invalid"),
        ({"size": 400 << 20}, "storage_full"),
        ({"hash_": "x" * 64}, "invalid"),
        ({"name": "a\nb"}, "invalid"),
    ],
    ids=["huge", "quota", "hash", "name"],
)
def test_limits_hold_for_addresses_too(begun, what, code, monkeypatch):
    monkeypatch.setattr("dressform.billing_server.assets.book.MAX_ACCOUNT_BYTES", 300 << 20)
    answer = begun.ask(**what)
    assert (answer.status_code, answer.json["code"]) in ((422, code), (413, code))


def test_attack_27_address_is_given_for_a_current_token_alone(begun, clock):
    clock.advance(seconds=31)
    assert begun.ask().json["code"] == "stale_token"


def test_attack_16_output_of_one_account_is_never_taken_for_another_s(shop, begun, hosted, caller):
    """A run that makes what somebody else has made is told so by nothing, and keeps its own."""
    other = caller("run", "read")
    hosted.assets.upload(other.account, [PNG], "theirs.png")
    place = begun.ask().json
    assert place["url"]
    assert send(place) == 200
    begun("complete", {"outputs": [{"asset": place["asset"]}]})
    (made,) = outputs(shop, begun.job)
    assert len(hosted.held()) == 2
    assert other("GET", f"/api/v2/assets/{made['id']}").status_code == 404


def test_attack_15_output_is_of_its_run_s_account_whatever_it_is_called(shop, begun, hosted):
    place = begun.ask(name="../../1/other/a.png").json
    key = urlsplit(place["url"]).path.rsplit("/", 2)
    assert key[1] == str(shop.account)
    send(place)
    begun("complete", {"outputs": [{"asset": place["asset"]}]})
    (made,) = outputs(shop, begun.job)
    assert made["name"] == "a.png"


def test_attack_11_what_a_browser_would_run_is_saved_and_never_shown(shop, begun):
    page = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    place = begun.ask(page, name="a.svg").json
    send(place, page)
    begun("complete", {"outputs": [{"asset": place["asset"]}]})
    (made,) = outputs(shop, begun.job)
    answer = shop("GET", f"/assets/{made['id']}/content")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    got = requests.get(answer.headers["Location"], timeout=10)
    assert got.content == page
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Disposition"].startswith("attachment;")


def test_worker_is_sent_to_the_store_for_inputs(shop, machine, hosted):
    asset, _ = hosted.assets.upload(shop.account, [PNG], "photo.png")
    flow = graph()
    reference = {"__type": "core/ASSET", "info": {"id": asset.id}}
    flow["1"] = {"class_type": "LoadImage", "inputs": {"image": reference}}
    shop("POST", "/jobs", {"workflow": flow})
    one = machine("busy")
    (given,) = one("POST", "/lease", {"worker": one.id}).json["inputs"]
    assert requests.get(given["url"], timeout=10).content == PNG


def test_sdk_downloads_from_the_store(shop, begun, live, monkeypatch, tmp_path):
    comfy_sdk = pytest.importorskip("comfy_sdk", reason="Run: pip install comfy-sdk")
    place = begun.ask(name='a "ф".png').json
    send(place)
    begun("complete", {"outputs": [{"asset": place["asset"]}]})
    monkeypatch.setenv("COMFY_BASE_URL", live)
    with comfy_sdk.Comfy(api_key=shop.secret) as sdk:
        (output,) = sdk.jobs.get(begun.job).get_outputs("2")
        assert output.to_bytes() == PNG
        assert output.to_bytes(range=(1, 3)) == PNG[1:4]
        assert output.to_file(tmp_path / "a.png").read_bytes() == PNG
        url = output.get_download_url().url
        got = requests.get(url, timeout=10)  # without any key
        assert got.content == PNG
        assert "filename*=UTF-8''a%20%22%D1%84%22.png" in got.headers["Content-Disposition"]
        asset = sdk.assets.from_bytes(PNG + b"2", filename="b.png")
        asset.commit()
        assert requests.get(asset.get_download_url().url, timeout=10).content == PNG + b"2"
