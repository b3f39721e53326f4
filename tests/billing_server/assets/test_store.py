"""Files where they are kept: recorded whole or not at all, and gone when nobody has a right."""

import contextlib
import io
import os
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
import sqlalchemy as sa
from blake3 import blake3
from dressform.billing_server.assets.uploads import MAX_AT_ONCE, RESERVE

sys.path.append(str(Path(__file__).parents[1] / "runs"))  # runs_*.py are modules of no package
from runs_given import PNG, graph

pytestmark = pytest.mark.usefixtures("clean")


def upload(shop, data=PNG, name="a.png", **form):
    return shop("POST", "/assets", data={"file": (io.BytesIO(data), name), **form})


def count(engine, table, account):
    sql = f"SELECT count(*) FROM runs.{table} WHERE "
    sql += "account = :a" if table != "garbage" else "key LIKE :a || '/%'"
    with engine.connect() as connection:
        value = {"a": str(account) if table == "garbage" else account}
        return connection.execute(sa.text(sql), value).scalar_one()


def content(shop, asset):
    """Reads a file as clients do: they follow where they are sent."""
    import requests

    answer = shop("GET", f"/assets/{asset}/content")
    if answer.status_code == 302:
        assert "df_" not in answer.headers["Location"]  # no key of ours goes along
        return requests.get(answer.headers["Location"], timeout=10).content
    data = answer.data
    answer.close()
    return data


def test_file_is_read_as_it_was_sent_and_its_bytes_go_with_the_last_name(shop, hosted, engine):
    one, two = upload(shop, name="a.png").json, upload(shop, name="b.png").json
    assert one["id"] != two["id"]
    assert content(shop, one["id"]) == content(shop, two["id"]) == PNG
    assert len(hosted.held()) == 1
    assert shop("DELETE", f"/assets/{one['id']}").status_code == 204
    hosted.due()
    assert len(hosted.held()) == 1
    shop("DELETE", f"/assets/{two['id']}")
    hosted.due()
    assert hosted.held() == []
    assert count(engine, "garbage", shop.account) == 0


def test_expired_file_is_gone_with_its_bytes_and_not_before(shop, hosted, clock):
    asset = upload(shop, expires_in="3600").json
    clock.advance(minutes=59)
    hosted.due()
    assert content(shop, asset["id"]) == PNG
    clock.advance(minutes=2)
    hosted.due()
    assert shop("GET", f"/assets/{asset['id']}/content").status_code == 404
    assert hosted.held() == []


def test_file_that_is_uploaded_again_while_it_is_swept_stays(shop, hosted, clock, monkeypatch):
    asset, forget = upload(shop, expires_in="60").json, hosted.assets._forget
    clock.advance(minutes=2)

    def late(expired, *told):
        if expired.id == asset["id"]:
            assert upload(shop).json["id"] == asset["id"]
        return forget(expired, *told)

    monkeypatch.setattr(hosted.assets, "_forget", late)
    hosted.due()
    assert content(shop, asset["id"]) == PNG


def test_file_that_a_job_begins_to_use_while_it_is_deleted_is_in_use(shop, hosted, meanwhile):
    asset, job = upload(shop).json["id"], shop("POST", "/jobs", {"workflow": graph()}).json["id"]
    used = "INSERT INTO runs.input (run, asset, name) VALUES (:job, :asset, 'a.png')"
    meanwhile("DELETE FROM runs.asset", used, job=job, asset=asset)
    assert refused(shop("DELETE", f"/assets/{asset}")) == (409, "in_use")
    assert content(shop, asset) == PNG


def test_round_goes_on_after_a_file_that_a_job_begins_to_use(shop, hosted, clock, meanwhile):
    asset = upload(shop, expires_in="60").json["id"]
    other = upload(shop, PNG + b"other", expires_in="120").json["id"]
    job = shop("POST", "/jobs", {"workflow": graph()}).json["id"]
    hosted.assets.sweep()
    clock.advance(minutes=3)
    used = "INSERT INTO runs.input (run, asset, name) VALUES (:job, :asset, 'a.png')"
    meanwhile("DELETE FROM runs.asset", used, job=job, asset=asset)
    assert hosted.assets.sweep() == 1
    assert shop("GET", f"/assets/{other}").status_code == 404


def test_sweep_gives_up_its_turn_after_a_while(shop, hosted, monkeypatch):
    hosted.blobs.sweep()
    for name in ("a", "b"):
        asset = upload(shop, PNG + name.encode()).json["id"]
        shop("DELETE", f"/assets/{asset}")
    monkeypatch.setattr("dressform.billing_server.assets.blobs.SWEEP_S", 0)
    assert [hosted.blobs.sweep() for _ in range(3)] == [1, 1, 0]
    assert hosted.held() == []


def test_bytes_whose_server_died_before_they_were_recorded_are_swept(
    shop, hosted, clock, engine, monkeypatch
):
    put = hosted.blobs.store.put

    def dies(file, key):
        put(file, key)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(hosted.blobs.store, "put", dies)
        with pytest.raises(KeyboardInterrupt):
            hosted.assets.upload(shop.account, [PNG], "a.png")
    assert len(hosted.held()) == 1
    assert count(engine, "asset", shop.account) == 0
    clock.advance(hours=23)
    hosted.due()
    assert len(hosted.held()) == 1  # somebody may still be sending
    clock.advance(hours=2)
    hosted.due()
    assert hosted.held() == []


def test_upload_slower_than_the_sweep_is_refused_and_not_shown_without_bytes(
    shop, hosted, clock, engine, monkeypatch
):
    put = hosted.blobs.store.put

    def slow(file, key):
        put(file, key)
        clock.advance(days=2)
        hosted.blobs.sweep()

    monkeypatch.setattr(hosted.blobs.store, "put", slow)
    assert upload(shop).status_code == 408
    assert count(engine, "asset", shop.account) == 0


def test_store_that_is_away_is_503_and_nothing_is_half_recorded(shop, hosted, engine, clock):
    kept = upload(shop).json
    hosted.away()
    try:
        answer = upload(shop, PNG + b"new")
        assert (answer.status_code, answer.json["error"]["code"]) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert count(engine, "asset", shop.account) == 1
        assert upload(shop, name="again.png").status_code in (201, 503)  # it is there already
        shop("DELETE", f"/assets/{kept['id']}")
        hosted.due()  # cannot delete now, and says nothing
    finally:
        hosted.back()
    hosted.blobs._rests_until = 0
    clock.advance(days=2)
    hosted.due()
    made = upload(shop, PNG + b"new").json
    assert content(shop, made["id"]) == PNG + b"new"


def test_limits_hold_in_every_store(shop, hosted, monkeypatch, engine):
    monkeypatch.setattr("dressform.billing_server.assets.book.MAX_ACCOUNT_BYTES", len(PNG) + 5)
    assert upload(shop).status_code == 201
    assert upload(shop, PNG + b"more").json["error"]["code"] == "storage_full"
    assert upload(shop, b"PK\x03\x04").json["error"]["code"] == "unsupported_type"
    monkeypatch.setattr("dressform.billing_server.assets.book.MAX_BYTES", len(PNG) - 1)
    assert upload(shop).json["error"]["code"] == "too_large"
    assert len(hosted.held()) == 1


class Unread:
    """A body of which nothing may be read."""

    def read(self, *_):
        raise AssertionError("the body was read")

    readline = readinto = read


def announce(shop, size, path="/assets"):
    """Sends the head of an upload; its body must not be read."""
    told = {"Authorization": f"Bearer {shop.secret}"}
    told["Content-Type"] = "multipart/form-data; boundary=x"
    sent = {"wsgi.input": Unread(), "CONTENT_LENGTH": None if size is None else str(size)}
    return shop.client.post(f"/api/v2{path}", headers=told, environ_overrides=sent)


def refused(answer):
    assert answer.json["what_to_do"]
    return answer.status_code, answer.json["error"]["code"]


@pytest.mark.parametrize(("path", "module"), [("/assets", "book"), ("/models", "weights")])
def test_attack_an_upload_is_not_read_before_there_is_room_for_it(
    shop, hosted, monkeypatch, path, module
):
    assert refused(announce(shop, None, path)) == (411, "length_required")
    assert refused(announce(shop, 25 << 30, path)) == (413, "too_large")
    quota = f"dressform.billing_server.assets.{module}.MAX_ACCOUNT_BYTES"
    with monkeypatch.context() as patch:
        patch.setattr(quota, 1000)
        assert refused(announce(shop, 100_000, path)) == (413, "storage_full")
    disk = SimpleNamespace(free=RESERVE + 1000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: disk)
    answer = announce(shop, 501, path)
    assert refused(answer) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    with hosted.blobs.uploads.admitted(shop.account + 1, 400):  # what others send counts too
        assert refused(announce(shop, 101, path)) == (503, "unavailable")
    assert hosted.held() == []


def test_attack_an_account_sends_few_files_at_once(shop, hosted, monkeypatch):
    uploads, put, seen = hosted.blobs.uploads, hosted.blobs.store.put, []

    def watched(file, key):
        seen.extend(account for account, _ in uploads._running)
        put(file, key)

    monkeypatch.setattr(hosted.blobs.store, "put", watched)
    with contextlib.ExitStack() as others:
        for _ in range(MAX_AT_ONCE):
            others.enter_context(uploads.admitted(shop.account, 1))
        answer = announce(shop, 100_000)
        assert refused(answer) == (429, "rate_limited")
        assert int(answer.headers["Retry-After"]) > 0
        with uploads.admitted(shop.account + 1, 1):  # another's are not counted
            pass
    assert upload(shop).status_code == 201
    assert upload(shop, b"").status_code == 415
    assert seen == [shop.account]
    assert uploads._running == []


def test_attack_an_account_names_so_many_files_and_no_more(shop, hosted, monkeypatch):
    monkeypatch.setattr("dressform.billing_server.assets.book.MAX_FILES", 2)
    told = {"hash": upload(shop).json["hash"]}
    again = lambda name: shop("POST", "/assets/from-hash", told | {"file_path": name})  # noqa: E731
    assert again("b.png").status_code == 201
    assert again("c.png").json["error"]["code"] == "storage_full"
    assert upload(shop, PNG + b"more").json["error"]["code"] == "storage_full"


def test_outputs_are_kept_until_they_expire(shop, hosted, machine, clock):
    job = shop("POST", "/jobs", {"workflow": graph()}).json["id"]
    one = machine("busy")
    lease = one("POST", "/lease", {"worker": one.id}).json
    token, digest = {"token": lease["token"]}, blake3(PNG).hexdigest()
    query = {"node": "2", "name": "a.png", "type": "output"}
    place = f"/runs/{job}/outputs/{digest}"
    sent = one("PUT", place, query_string=query, data=PNG, **token).json
    clock.advance(seconds=2)
    one("POST", f"/runs/{job}/complete", token | {"gpu_ms": 1000, "outputs": [sent]})
    (output,) = shop("GET", f"/jobs/{job}").json["outputs"]
    clock.advance(days=6, hours=23)
    hosted.due()
    assert content(shop, output["id"]) == PNG
    clock.now += timedelta(hours=2)
    hosted.due()
    hosted.due()
    assert shop("GET", f"/assets/{output['id']}").status_code == 404
    assert hosted.held() == []


def test_attack_14_same_bytes_of_two_accounts_share_nothing(shop, caller, hosted):
    mine = upload(shop).json
    stranger = caller("run", "read")
    told = {"hash": mine["hash"]}
    assert stranger("POST", "/api/v2/assets/from-hash", told).status_code == 404
    proof = {"Authorization": f"Bearer {stranger.secret}"}
    path = f"/api/v2/assets/by-hash/{mine['hash']}"
    assert stranger.client.head(path, headers=proof).status_code == 404
    file = {"file": (io.BytesIO(PNG), "a.png")}
    theirs = stranger("POST", "/api/v2/assets", data=file).json
    assert theirs["created_new"] is True
    assert len(hosted.held()) == 2
    stranger("DELETE", f"/api/v2/assets/{theirs['id']}")
    hosted.due()
    assert content(shop, mine["id"]) == PNG


@pytest.mark.parametrize("address", ["bucket", "http://bucket", "s3://", "s3://bucket?x=1"])
def test_address_of_a_store_that_is_none_is_refused_at_the_start(make_app, settings, address):
    pytest.importorskip("boto3", reason="Run: pip install boto3")
    with pytest.raises(ValueError, match="ASSET_STORE must be like s3://bucket/prefix"):
        make_app(settings._replace(asset_store=address))


def test_store_without_what_speaks_to_it_is_refused_at_the_start(make_app, settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "dressform.billing_server.assets.s3", raising=False)
    with pytest.raises(ValueError, match="Run: pip install boto3"):
        make_app(settings._replace(asset_store="s3://bucket"))


@pytest.mark.skipif(os.name == "nt", reason="Windows syncs no folders")
def test_name_of_a_file_is_on_the_disk_before_it_is_recorded(tmp_path, monkeypatch):
    from dressform.billing_server.assets.store import Folder

    synced = {}

    def watched(file):
        for folder in (one for one in (tmp_path, *tmp_path.rglob("*")) if one.is_dir()):
            if folder.stat().st_ino == os.fstat(file).st_ino:
                synced[folder.name] = {one.name for one in folder.iterdir()}

    monkeypatch.setattr(os, "fsync", watched)
    store = Folder(tmp_path / "data" / "assets")
    with store.writing() as file:
        file.write(PNG)
        store.put(file, "12/abcd")
    assert (synced[tmp_path.name], synced["data"]) == ({"data"}, {"assets"})
    assert "12" in synced["assets"]
    assert (synced["12"], synced["ab"]) == ({"ab"}, {"abcd"})


def test_settings_name_the_store(tmp_path):
    from dressform.billing_server.settings import Settings

    told = {"ASSET_STORE": "s3://bucket/prefix", "ASSET_STORE_ENDPOINT": "https://s3.example"}
    read = Settings.read(told, tmp_path)
    assert (read.asset_store, read.asset_store_endpoint) == tuple(told.values())
    assert Settings.read({}, tmp_path).asset_store is None
