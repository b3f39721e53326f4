"""Hosted runs as their customer sees them in the pages."""

import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # runs_shown.py is a module of no package
import runs_shown


@pytest.fixture
def visitor(site):
    return site.visit(site.person(name="Mei"))


@pytest.fixture
def runs(site, visitor):
    return runs_shown.make(site, visitor.person.account)


def test_a_newcomer_is_told_what_to_do(visitor):
    assert "No runs yet." in visitor.text("/runs")


def test_runs_are_listed_with_state_and_price(visitor, runs):
    text = visitor.text("/runs")
    for word in ("Waiting", "Running", "Done", "Cancelled", "Failed", "mannequin to model"):
        assert word in text
    for id_ in runs.values():
        assert f'href="/runs/{id_}"' in visitor.get("/runs").text
    assert "held" in text
    assert "hx-get" in visitor.get("/runs").text  # some go on


def test_a_run_tells_phases_price_and_results(visitor, runs):
    page = visitor.get(f"/runs/{runs['succeeded']}").text
    text = visitor.text(f"/runs/{runs['succeeded']}")
    assert "loading models 9.8 s" in text
    assert "computing 12.345 s (what is paid for)" in text
    assert "on test-gpu at 0.001 credits a second" in text
    assert "hx-get" not in page
    places = re.findall(r'href="(/runs/[^"]+/outputs/[^"?]+)"', page)
    picture = visitor.get(places[0])
    assert picture.data == runs_shown.picture()
    assert picture.headers["Content-Disposition"].startswith("inline")
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    (file,) = re.findall(r'href="([^"]+\?file)" download>text.txt', page)
    answer = visitor.get(file)
    assert answer.data == b"A red coat."
    assert answer.headers["Content-Disposition"].startswith("attachment")
    picture.close()
    answer.close()


def test_a_run_that_failed_says_why_and_was_free(visitor, runs):
    text = visitor.text(f"/runs/{runs['failed']}")
    assert "The mask is empty." in text
    assert "Not charged" in text
    assert "no results" in text


def test_runs_that_go_on_tell_how_far_they_are(visitor, runs):
    assert "Number 1 in the queue." in visitor.text(f"/runs/{runs['queued']}")
    assert "0 of 2 nodes done, 0%." in visitor.text(f"/runs/{runs['running']}")


@pytest.mark.parametrize(("state", "then"), [("queued", "Cancelled"), ("running", "Being cancel")])
def test_a_run_is_cancelled(visitor, runs, state, then):
    path = f"/runs/{runs[state]}"
    answer = visitor.post(f"{path}/cancel")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{path}?done=done.cancel")
    assert then in visitor.text(path)
    assert "/cancel" not in visitor.get(path).text
    assert visitor.post(f"{path}/cancel").status_code == 303  # again changes nothing


def test_attack_19_and_29_of_others_runs_nothing_is_seen(site, visitor, runs):
    other = site.visit(site.person())
    page = visitor.get(f"/runs/{runs['succeeded']}").text
    output = re.search(r'href="(/runs/[^"]+/outputs/[^"?]+)"', page)[1]
    for path in (f"/runs/{runs['running']}", output, f"/runs?before={runs['running']}"):
        assert other.get(path).status_code == 404, path
    assert other.post(f"/runs/{runs['running']}/cancel").status_code == 404
    assert "No runs yet." in other.text("/runs")
    assert visitor.post(f"/runs/{runs['running']}/cancel", csrf_token="x").status_code >= 400
    assert "Running" in visitor.text(f"/runs/{runs['running']}")


def test_names_of_workflows_are_text(site, visitor):
    runs = runs_shown.make(site, visitor.person.account, label="<script>alert(1)</script>")
    for path in ("/runs", f"/runs/{runs['failed']}"):
        assert "<script>alert" not in visitor.get(path).text


def test_older_runs_are_on_the_next_page(visitor, runs, monkeypatch):
    monkeypatch.setattr("dressform.billing_server.dashboard.runs.ROWS", 2)
    seen, path = [], "/runs"
    while path:
        page = visitor.get(path).text
        seen += re.findall(r'<a href="/runs/([\w-]+)"', page)
        more = re.search(r'href="(/runs\?before=[\w-]+)" hx-get', page)
        path = more and more[1]
    assert sorted(seen) == sorted(runs.values())


def test_runs_are_told_in_chinese(site):
    who = site.visit(site.person(language="zh"))
    runs = runs_shown.make(site, who.person.account)
    assert "排队中" in who.text("/runs")
    assert "计费部分" in who.text(f"/runs/{runs['succeeded']}")
