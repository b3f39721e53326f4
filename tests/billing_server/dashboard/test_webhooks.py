"""Webhooks as their customer sees them in the pages."""

import re
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

sys.path.append(str(Path(__file__).parent))  # runs_shown.py is a module of no package
import runs_shown

URL = "http://127.0.0.1:9/hook"
EVENTS = ["run.succeeded", "run.failed", "run.canceled"]
SECRET = r"whsec_[\w+/=]{40,}"


@pytest.fixture
def visitor(site):
    return site.visit(site.person(name="Mei"))


@pytest.fixture
def hooks(site):
    with site.parts.engine.begin() as connection:  # of other tests
        connection.execute(sa.text("UPDATE runs.delivery SET due_at = NULL"))
    return site.parts.hosting.webhooks


@pytest.fixture
def hook(visitor, hooks):
    return hooks.create(visitor.person.account, URL, EVENTS)[1]


def test_secret_of_a_new_one_is_shown_once(visitor, hooks):
    assert "Nobody is told yet." in visitor.text("/hooks")
    answer = visitor.post("/hooks", url=f" {URL} ", events=EVENTS)
    assert len(re.findall(SECRET, answer.text)) == 1
    (made,) = hooks.of(visitor.person.account)
    assert (made.url, set(made.events)) == (URL, set(EVENTS))
    assert not re.search(SECRET, visitor.get("/hooks").text)
    assert "Nothing has been told yet." in visitor.text("/hooks")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"url": "ftp://shop.example/x", "events": EVENTS}, "url is not right"),
        ({"url": "http://169.254.169.254/x", "events": EVENTS}, "url is not right"),
        ({"url": "x" * 501, "events": EVENTS}, "url is not right"),
        ({"events": EVENTS}, "url is not right"),
        ({"url": URL}, "events that can be told are required"),
        ({"url": URL, "events": ["run.nothing"]}, "events that can be told are required"),
    ],
)
def test_what_cannot_be_told_is_refused_and_the_form_kept(visitor, hooks, words, form, said):
    answer = visitor.post("/hooks", **form)
    assert answer.status_code == 422
    assert said in words(answer)
    assert f'value="{form.get("url", "")}"' in answer.text
    assert hooks.of(visitor.person.account) == []


def test_what_was_told_is_listed_and_told_again(site, visitor, hooks, hook):
    made = runs_shown.make(site, visitor.person.account)
    text = visitor.text("/hooks")
    assert text.count("On its way") == 3
    assert made["succeeded"][:8] in text
    statuses = iter((204, 500, None))
    while (task := hooks.claim(healthy=False)) is not None:
        status = next(statuses)
        hooks.sent(task, status, None if status else "No answer.")
    text = visitor.text("/hooks")
    for said in ("Delivered", "Tried again", "status 204", "status 500", "No answer.", "Tries: 1"):
        assert said in text, said
    assert "Does not answer" in text
    done = next(one for one in hooks.deliveries(*of(hook, visitor), None, 9) if one.delivered_at)
    assert visitor.post(f"/hooks/{hook.id}/{done.id}/resend").status_code == 303
    assert hooks.claim(healthy=False).id == done.id


def test_one_that_was_given_up_says_what_helps(site, visitor, hooks, hook):
    runs_shown.make(site, visitor.person.account)
    hooks.sent(hooks.claim(healthy=False), 410, None)
    text = visitor.text("/hooks")
    assert text.count("Given up") == 4  # the webhook, and each of its deliveries
    assert "Nothing new is told since" in text


def test_secret_is_made_anew_and_a_webhook_deleted(visitor, hooks, hook):
    answer = visitor.post(f"/hooks/{hook.id}/rotate")
    assert re.search(SECRET, answer.text)
    assert "The secret before signs too" in visitor.text("/hooks")
    assert visitor.post(f"/hooks/{hook.id}/delete").status_code == 303
    assert hooks.of(visitor.person.account) == []


def test_attack_19_webhooks_of_others_are_out_of_reach(site, visitor, hooks, hook):
    runs_shown.make(site, visitor.person.account)
    (first, *_) = hooks.deliveries(*of(hook, visitor), None, 9)
    other = site.visit(site.person())
    for path in ("rotate", "delete", f"{first.id}/resend"):
        assert other.post(f"/hooks/{hook.id}/{path}").status_code == 404
    assert URL not in other.text("/hooks")
    assert hooks.of(visitor.person.account) == [hook]


def test_attack_29_what_an_address_says_is_never_markup(site, visitor, hooks):
    hooks.create(visitor.person.account, f"{URL}?<script>alert(1)</script>", EVENTS)
    runs_shown.make(site, visitor.person.account)
    hooks.sent(hooks.claim(healthy=False), None, "<script>alert(2)</script>")
    assert "<script>alert" not in visitor.get("/hooks").text


def of(hook, visitor):
    return visitor.person.account, hook.id
