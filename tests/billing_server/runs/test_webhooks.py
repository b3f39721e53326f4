"""Webhooks over real HTTP: signed, told again until somebody hears, nobody held up by others."""

import base64
import itertools
import json
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")

pytest.importorskip("standardwebhooks", reason="Run: pip install standardwebhooks")
from dressform.billing_server.runs import outbound

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
from runs_given import CREDIT
from runs_receiver import Receiver, drip, hang, huge, verify

pytestmark = pytest.mark.usefixtures("clean")
ALL = [f"run.{one}" for one in ("succeeded", "failed", "canceled", "expired")]


@pytest.fixture
def settings(settings):
    """Of a trial on this machine, where it may be told, too."""
    return settings._replace(public_url="http://127.0.0.1:8000")


@pytest.fixture
def receiver():
    made = []

    def make(*answers):
        made.append(Receiver(*answers))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def told(hosted, app, machine, caller, parts, clock, engine):
    """A customer with webhooks; ends runs, and has them told."""
    import sqlalchemy as sa
    from dressform.billing_server.app import _job
    from dressform.billing_server.runs.deliverer import Deliverer

    class Told:
        def __init__(self):
            self.call = caller()
            self.account = self.call.account
            parts.ledger.grant(self.account, 1000 * CREDIT, "paid", key="g")
            self.worker = machine("busy")
            with engine.begin() as connection:  # of other tests
                connection.execute(sa.text("UPDATE runs.delivery SET due_at = NULL"))

        def hook(self, url, *events, **more):
            body = {"url": url, "events": list(events or ALL)}
            answer = self.call("POST", "/api/v2/webhooks", body, **more)
            assert answer.status_code == 201, answer.text
            return answer.json

        def submit(self):
            from runs_given import graph

            answer = self.call("POST", "/api/v2/jobs", {"workflow": graph()})
            return answer.json["id"]

        def run(self, end="complete", **more):
            id_ = self.submit()
            lease = self.worker("POST", "/lease", {"worker": self.worker.id}).json
            body = {"token": lease["token"], "gpu_ms": 0} | more
            self.worker("POST", f"/runs/{lease['run']}/{end}", body)
            return id_

        def deliverer(self):
            return Deliverer(hosted.webhooks, hosted.runs.bells, lambda *of: _job(app, *of))

        def send(self, times=1):
            """Sends what is due, one after another."""
            for _ in range(times):
                one = hosted.webhooks.claim(healthy=False)
                if one is None:
                    return
                hosted.webhooks.sent(one, *self.deliverer().post(one))

        def list(self, hook):
            return self.call("GET", f"/api/v2/webhooks/{hook['id']}/deliveries").json["deliveries"]

        def look(self, hook):
            found = self.call("GET", "/api/v2/webhooks").json["webhooks"]
            return next(one for one in found if one["id"] == hook["id"])

    return Told()


@pytest.fixture
def delivering(told):
    """Lets the threads of a server send."""
    made = told.deliverer()
    made.start()
    yield made
    made.stop()


def test_an_end_is_told_with_the_job_and_signed(told, receiver):
    heard = receiver()
    hook = told.hook(heard.url)
    run = told.run()
    told.send()
    (got,) = heard.got
    assert got[0] == "/told?by=us"
    body = verify(hook["secret"], got)
    assert body == json.loads(got[2])
    assert body["type"] == "run.succeeded"
    assert body["data"] == told.call("GET", f"/api/v2/jobs/{run}").json
    assert told.call.secret not in str(got)
    (one,) = told.list(hook)
    assert (one["run"], one["status"], one["error"], one["due_at"]) == (run, 204, None, None)
    assert one["id"] == got[1]["webhook-id"]
    told.send()
    assert len(heard.got) == 1


def test_each_end_has_its_event_and_only_what_was_asked_for_is_told(told, receiver, clock, hosted):
    heard, few = receiver(), receiver()
    told.hook(heard.url)
    told.hook(few.url, "run.failed")
    told.run()
    told.run("fail", fault="workflow", code="x", message="It broke.")
    told.call("POST", f"/api/v2/jobs/{told.submit()}/cancel")
    told.submit()
    clock.advance(hours=6)
    hosted.attempts.sweep()
    told.send(9)
    assert sorted(json.loads(got[2])["type"] for got in heard.got) == sorted(ALL)
    assert [json.loads(got[2])["type"] for got in few.got] == ["run.failed"]


def test_what_fails_is_tried_again_for_three_days_then_given_up(told, receiver, clock):
    heard = receiver(500)
    hook = told.hook(heard.url)
    told.run()
    waits, since = [], clock.now
    while not waits or told.list(hook)[0]["due_at"]:
        told.send()
        tried = clock.now
        while told.list(hook)[0]["due_at"] and len(heard.got) == len(waits) + 1:
            clock.advance(seconds=max(1, 0.05 * (clock.now - since).total_seconds()))
            told.send()
        waits.append((clock.now - tried).total_seconds())
    assert 4 <= waits[0] <= 8
    assert all(7 * 3600 > two > one * 1.2 for one, two in itertools.pairwise(waits[:9]))
    assert 15 < len(heard.got) < 30
    assert timedelta(days=2.5) < clock.now - since < timedelta(days=3.2)
    ids = {got[1]["webhook-id"] for got in heard.got}
    assert len(ids) == 1
    assert told.look(hook)["disabled_at"]
    told.run()
    told.send()
    assert len(told.list(hook)) == 1  # who is gone is told nothing new


def test_one_who_is_given_up_is_told_again_when_asked_and_comes_back(told, receiver, clock):
    heard = receiver(410, 204)
    hook = told.hook(heard.url)
    told.run()
    told.run()
    told.send()
    assert told.look(hook)["disabled_at"]  # 410 Gone means it
    clock.advance(days=1)
    told.send()
    assert len(heard.got) == 1
    first = told.list(hook)[-1]
    path = f"/api/v2/webhooks/{hook['id']}/deliveries/{first['id']}/resend"
    assert told.call("POST", path).json["due_at"]
    told.send()
    assert told.look(hook)["disabled_at"] is None
    assert told.list(hook)[-1]["delivered_at"]
    told.run()
    told.send()
    assert len(heard.got) == 3


def test_a_secret_that_is_replaced_signs_for_another_day(told, receiver, clock):
    heard = receiver()
    hook = told.hook(heard.url)
    new = told.call("POST", f"/api/v2/webhooks/{hook['id']}/rotate").json["secret"]
    assert new != hook["secret"]
    told.run()
    told.send()
    assert verify(new, heard.got[0]) == verify(hook["secret"], heard.got[0])
    clock.advance(days=1)
    told.run()
    told.send()
    verify(new, heard.got[1])
    with pytest.raises(Exception, match="signature"):
        verify(hook["secret"], heard.got[1])


def test_secrets_are_shown_once_and_kept_nowhere(told, receiver, engine):
    import sqlalchemy as sa

    hook = told.hook(receiver().url, key="same")
    assert told.hook(hook["url"], key="same") == hook  # the call again is answered the same
    assert "secret" not in told.look(hook)
    assert len(base64.b64decode(hook["secret"].removeprefix("whsec_"))) == 32
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM runs.webhook")).all()
    assert hook["secret"].removeprefix("whsec_") not in str(rows)


def test_a_server_killed_in_the_middle_tells_again_under_the_same_id(told, receiver, clock, hosted):
    heard = receiver()
    hook = told.hook(heard.url)
    told.run()
    dead = hosted.webhooks.claim(healthy=False)
    told.deliverer().post(dead)  # and then it is killed: nobody writes down that it was heard
    told.send()
    assert len(heard.got) == 1  # somebody may be at it
    clock.advance(minutes=2)
    told.send()
    assert [got[1]["webhook-id"] for got in heard.got] == [dead.id] * 2
    hosted.webhooks.sent(dead, None, "It comes back late.")
    (one,) = told.list(hook)
    assert (one["attempts"], one["status"], one["error"]) == (2, 204, None)


def test_several_servers_tell_each_end_once_and_all_of_them(told, receiver, eventually):
    heard = receiver()
    told.hook(heard.url)
    servers = [told.deliverer() for _ in range(3)]
    for one in servers:
        one.start()
    runs = {told.run() for _ in range(20)}
    eventually(lambda: len(heard.got) >= 20)
    for one in servers:
        one.stop()
    assert {json.loads(got[2])["data"]["id"] for got in heard.got} == runs
    assert len(heard.got) == 20
    assert heard.most <= 12


@pytest.mark.parametrize("answer", [hang, drip, huge, 500], ids=["hangs", "drips", "huge", "500"])
def test_who_is_slow_holds_up_nobody(told, receiver, delivering, eventually, monkeypatch, answer):
    monkeypatch.setattr(outbound, "ANSWER_S", 2.0)
    slow, quick = receiver(answer), receiver()
    hook = told.hook(slow.url)
    for _ in range(8):
        told.run()
    time.sleep(0.3)
    told.hook(quick.url)
    begun = time.monotonic()
    told.run()
    eventually(lambda: quick.got)
    assert time.monotonic() - begun < 6  # one after another they take 16 s
    eventually(lambda: slow.most)
    assert slow.most <= 8  # of which those that hang count on while nobody waits for them
    eventually(lambda: any(one["status"] or one["error"] for one in told.list(hook)))
    (one, *_) = (one for one in told.list(hook) if one["status"] or one["error"])
    if answer in (hang, drip):
        assert (one["status"], one["error"]) == (None, "No answer came within 2 s.")
        eventually(lambda: told.look(hook)["failing_since"])
    else:
        assert one["status"] == (200 if answer is huge else 500)


def test_addresses_that_fail_have_few_of_the_threads(told, receiver, hosted):
    away = [told.hook(receiver(500).url) for _ in range(2)]
    told.run()
    told.send(2)
    assert all(told.look(one)["failing_since"] for one in away)
    told.run()
    assert hosted.webhooks.claim(healthy=True) is None
    first, second = (hosted.webhooks.claim(healthy=False) for _ in range(2))
    assert {first.webhook, second.webhook} == {one["id"] for one in away}  # one to each
    assert hosted.webhooks.claim(healthy=False) is None


def test_address_under_several_names_has_few_of_the_threads(told, receiver, hosted):
    there = receiver()
    for _ in range(4):
        told.hook(there.url)
    for _ in range(3):
        told.run()
    claimed = [hosted.webhooks.claim(healthy=True) for _ in range(12)]
    assert sum(one is not None for one in claimed) == 8


def test_attack_19_of_others_webhooks_nothing_is_seen(told, receiver, caller):
    hook = told.hook(receiver().url)
    told.run()
    (one,) = told.list(hook)
    other, path = caller(), f"/api/v2/webhooks/{hook['id']}"
    assert other("GET", "/api/v2/webhooks").json == {"webhooks": []}
    for method, rest in (
        ("DELETE", ""),
        ("POST", "/rotate"),
        ("GET", "/deliveries"),
        ("POST", f"/deliveries/{one['id']}/resend"),
    ):
        assert other(method, path + rest).status_code == 404
    mine = told.hook(receiver().url)
    other_path = f"/api/v2/webhooks/{mine['id']}/deliveries/{one['id']}/resend"
    assert told.call("POST", other_path).status_code == 404
    assert caller("read")("DELETE", path).status_code == 403
    assert told.call("DELETE", path).status_code == 200
    assert told.call("DELETE", path).status_code == 404


def test_webhooks_of_an_account_are_few(told, receiver, monkeypatch):
    monkeypatch.setattr("dressform.billing_server.runs.webhooks.MAX_WEBHOOKS", 1)
    url = receiver().url
    told.hook(url)
    body = {"url": url, "events": ALL}
    assert told.call("POST", "/api/v2/webhooks", body).status_code == 422
    for wrong in ({"url": url, "events": []}, {"url": url, "events": ["run.other"]}, {"url": url}):
        assert told.call("POST", "/api/v2/webhooks", wrong).status_code == 422


def test_deliveries_come_in_pages(told, receiver, clock):
    hook = told.hook(receiver().url)
    runs = []
    for _ in range(5):
        clock.advance(seconds=1)
        runs.append(told.run())
    path, seen = f"/api/v2/webhooks/{hook['id']}/deliveries?limit=2", []
    while page := told.call("GET", path + (f"&before={seen[-1]['id']}" if seen else "")).json[
        "deliveries"
    ]:
        seen += page
    assert [one["run"] for one in seen] == runs[::-1]


def test_a_webhook_that_goes_while_a_run_ends_harms_nobody(told, receiver, hosted):
    urls = [receiver().url] * 6
    hooks = [told.hook(url) for url in urls]
    threads = [
        threading.Thread(target=hosted.webhooks.delete, args=(told.account, one["id"]))
        for one in hooks
    ]
    for one in threads:
        one.start()
    runs = [told.run() for _ in range(6)]
    for one in threads:
        one.join()
    assert {hosted.runs.get(told.account, one).state for one in runs} == {"succeeded"}
