"""Sessions of votes: what is drawn and kept, what the page's address gives, what comes out."""

# ruff: noqa: S310 (the addresses are those of the command's own page)

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
from dressform import cli, vote_command, vote_server
from dressform.quality import thresholds
from dressform.quality.votes import journal

TIMEOUT_S = 60  # the command starts in a second; busy machines take longer


@pytest.fixture
def arms(tmp_path):
    """Two folders of eight pictures; the eighth differs most."""
    folders = [tmp_path / "old", tmp_path / "new"]
    for arm, folder in enumerate(folders):
        (folder / "coat").mkdir(parents=True)
        for number in range(8):
            level = 60 + 10 * number + arm * (90 if number == 7 else 2)
            picture = np.full((48, 32, 3), level, np.uint8)
            cv2.imwrite(str(folder / "coat" / f"{number}.png"), picture)
    return folders


def prepare(arms, tmp_path, **options):
    return vote_command.prepare(arms, tmp_path / "out", **options)


def vote_all(session, choose):
    with_room = vote_server.Room(
        vote_server.Shown(session.pairs, session.seed, session.pictures, session.photos),
        journal.Journal(session.out / "votes.jsonl"),
    )
    while (asked := with_room.next("ann"))["ticket"]:
        ticket = with_room.of("ann")[asked["ticket"]["id"]]
        with_room.vote("ann", {"ticket": ticket.id, "choice": choose(ticket), "seconds": 1})


def test_half_of_the_pairs_are_those_that_look_most_different(arms, tmp_path):
    session = prepare(arms, tmp_path, count=4)
    worst = {pair.picture for pair in session.pairs if pair.drawn == "worst"}
    assert "coat/7" in worst
    assert len(worst) == 2
    assert sum(pair.weight for pair in session.pairs) == pytest.approx(8)
    schema = Path(__file__).parents[1] / "docs" / "voting.schema.json"
    kept = json.loads((tmp_path / "out" / "session.json").read_text(encoding="utf-8"))
    jsonschema.validate(kept, json.loads(schema.read_text(encoding="utf-8")))


def test_a_session_goes_on_with_what_it_began_with(arms, tmp_path):
    first = prepare(arms, tmp_path, count=4, seed=3)
    again = prepare(arms, tmp_path, count=8, seed=9)
    assert (again.pairs, again.seed) == (first.pairs, 3)


def test_a_changed_or_missing_picture_is_told(arms, tmp_path):
    prepare(arms, tmp_path)
    picture = arms[1] / "coat" / "3.png"
    kept = picture.read_bytes()
    cv2.imwrite(str(picture), np.zeros((48, 32, 3), np.uint8))
    with pytest.raises(ValueError, match="coat/3 of new has changed"):
        prepare(arms, tmp_path)
    picture.unlink()
    with pytest.raises(ValueError, match="coat/3 of new is not there"):
        prepare(arms, tmp_path)
    picture.write_bytes(kept)
    assert prepare(arms, tmp_path)


def test_folders_that_do_not_fit_are_told(arms, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="pictures of the same name"):
        prepare([arms[0], tmp_path / "empty"], tmp_path)
    with pytest.raises(FileNotFoundError, match="a folder of pictures is required"):
        prepare([arms[0], tmp_path / "none"], tmp_path)
    with pytest.raises(ValueError, match="different names, got old twice"):
        prepare([arms[0], arms[0]], tmp_path)
    with pytest.raises(ValueError, match="at least two folders"):
        prepare(arms[:1], tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "dressform.voting/9"}'])
def test_a_session_of_something_else_is_told(arms, tmp_path, text):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "session.json").write_text(text)
    with pytest.raises(ValueError, match=r"must be a session of dressform\.voting/1"):
        prepare(arms, tmp_path)


def test_votes_become_results(arms, tmp_path):
    session = prepare(arms, tmp_path, count=8)
    vote_all(session, lambda ticket: "left" if ticket.left == "new" else "right")
    document = vote_command.conclude(session)
    [found] = document["preferences"]
    assert (found["first"], found["second"], found["all"]["value"]) == ("old", "new", 1.0)
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == document
    assert "new over old: 100% of all pairs" in vote_command.table(document)


def table_of_scores(path, arms):
    rows = [
        {
            "scene": "coat",
            "arm": role,
            "seed": n,
            "scores": {"veil": 3.0 * n * (role == "baseline")},
        }
        for role in ("baseline", "candidate")
        for n in range(8)
    ]
    path.write_text(json.dumps(rows))
    return path


def test_scores_choose_the_pairs_and_are_held_against_people(arms, tmp_path):
    scores = table_of_scores(tmp_path / "scores.json", arms)
    session = prepare(arms, tmp_path, count=4, scores=scores)
    assert {p.picture for p in session.pairs if p.drawn == "worst"} == {"coat/6", "coat/7"}
    vote_all(session, lambda ticket: "left" if ticket.left == "new" else "right")
    veil = vote_command.conclude(session)["agreement"]["metrics"]["veil"]
    assert veil["value"] >= 0.75


def test_scores_tell_which_pictures_are_one_scene(arms, tmp_path):
    for folder in arms:
        for path in (folder / "coat").iterdir():
            path.rename(folder / f"coat_{path.name}")
    scores = table_of_scores(tmp_path / "scores.json", arms)
    session = prepare(arms, tmp_path, scores=scores)
    assert {pair.scene for pair in session.pairs} == {"coat"}
    assert len(session.scores) == 16


def test_a_profile_needs_scores_and_a_new_file(arms, tmp_path):
    new = tmp_path / "mine.toml"
    with pytest.raises(ValueError, match="scores of the pictures are required"):
        vote_command.recalibrate(prepare(arms, tmp_path), "default", new)
    scores = table_of_scores(tmp_path / "scores.json", arms)
    session = prepare(arms, tmp_path, scores=scores)
    [told] = vote_command.recalibrate(session, "default", new)
    assert "at least 30 votes" in told
    assert thresholds.load(new).limits == thresholds.load("default").limits
    with pytest.raises(ValueError, match="does not exist yet"):
        vote_command.recalibrate(session, "default", new)


@pytest.mark.parametrize("text", ["", "[]", "[{}]", '{"rows": []}'])
def test_a_report_of_something_else_is_told(arms, tmp_path, text):
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(ValueError, match=r"--scores must be|the scores must be of"):
        prepare(arms, tmp_path, scores=tmp_path / "scores.json")


def test_the_command_prints_results_without_asking(arms, tmp_path, capsys):
    command = ["vote", *map(str, arms), "--out", str(tmp_path / "out"), "--results"]
    assert cli.main(command) == 0
    assert "0 votes of 0 people" in capsys.readouterr().out


class Page:
    """The command in a process of its own, and what its page would ask."""

    def __init__(self, arms, out):
        command = [sys.executable, "-m", "dressform.cli", "vote", *arms, "--out", out]
        self.process = subprocess.Popen(
            [*map(str, command), "--no-browser"], stdout=subprocess.PIPE, text=True
        )
        self.address = re.search(r"http\S+", self.process.stdout.readline())[0]

    def get(self, path="", **headers):
        request = urllib.request.Request(self.address + path, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return answer.read(), answer.headers

    def ask(self, action, **document):
        body = json.dumps({"rater": "ann", **document}).encode()
        request = urllib.request.Request(f"{self.address}api/{action}", data=body)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return json.loads(answer.read())

    def end(self, how):
        self.process.send_signal(how)
        text = self.process.stdout.read()
        return self.process.wait(TIMEOUT_S), text


@pytest.fixture
def page(arms, tmp_path):
    started = []

    def start():
        started.append(Page(arms, tmp_path / "out"))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        one.process.stdout.close()


def status(call):
    with pytest.raises(urllib.error.HTTPError) as error:
        call()
    with error.value as answer:
        return answer.code


def test_votes_survive_a_kill_and_are_gone_on_with(page, tmp_path):
    first = page()
    asked = first.ask("next")
    for _ in range(3):
        asked = first.ask("vote", ticket=asked["ticket"]["id"], choice="left", seconds=1.5)
    assert asked["done"] == 3
    first.end(getattr(signal, "SIGKILL", signal.SIGTERM))
    second = page()
    assert second.address != first.address  # another secret
    assert second.ask("next") == asked
    assert second.ask("next", rater="bo")["done"] == 0
    if os.name != "nt":
        code, text = second.end(signal.SIGINT)
        assert code == 0
        assert "3 votes of 1 people" in text
        assert (tmp_path / "out" / "results.json").is_file()


def test_the_page_says_nothing_of_which_picture_is_which(page, arms):
    open_ = page()
    asked = open_.ask("next")
    seen = json.dumps(asked) + "".join(
        open_.get(name)[0].decode() for name in ("", "vote.js", "texts.js", "vote.css")
    )
    ticket = asked["ticket"]["id"]
    picture, headers = open_.get(f"picture/{ticket}/left")
    assert any(picture == path.read_bytes() for folder in arms for path in folder.rglob("*.png"))
    for word in ("coat", "worst", "random", str(arms[0]), '"old"', '"new"'):
        assert word not in seen + str(headers)


def test_only_the_secret_address_on_this_machine_answers(page):
    open_ = page()
    ticket = open_.ask("next")["ticket"]["id"]
    root = re.match(r"http://[^/]+/", open_.address)[0]
    assert open_.address.startswith("http://127.0.0.1:")
    for path in ("", "wrong/", f"wrong/picture/{ticket}/left"):
        assert status(lambda p=path: urllib.request.urlopen(root + p)) == 404
    assert status(lambda: open_.get(Host="evil.example:80")) == 403
    for path in ("../session.json", "votes.jsonl", f"picture/{ticket}/middle", "picture/0/left"):
        assert status(lambda p=path: open_.get(p)) == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"ticket": "0" * 20},
        {"ticket": None},
        {"choice": "best"},
        {"seconds": "long"},
        {"rater": ""},
        {"rater": "x" * 60},
        {"rater": "bo"},
    ],
    ids=["ticket", "missing", "choice", "time", "nobody", "long", "another person"],
)
def test_an_answer_that_is_none_is_refused_and_not_written(page, tmp_path, wrong):
    open_ = page()
    answer = {"ticket": open_.ask("next")["ticket"]["id"], "choice": "left", **wrong}
    assert status(lambda: open_.ask("vote", **answer)) == 400
    assert (tmp_path / "out" / "votes.jsonl").read_text() == ""


def test_a_second_submit_counts_once_and_back_corrects(page, tmp_path):
    open_ = page()
    ticket = open_.ask("next")["ticket"]["id"]
    for choice in ("left", "left", "right"):
        assert open_.ask("vote", ticket=ticket, choice=choice)["done"] == 1
    back = open_.ask("back")
    assert (back["ticket"]["id"], back["before"]) == (ticket, "left")
    open_.ask("vote", ticket=ticket, choice="same", revise=True)
    [kept] = {v.ticket: v for v in journal.read(tmp_path / "out" / "votes.jsonl")}.values()
    assert kept.choice == "same"
    assert not Path(tmp_path / "out" / "results.json").exists()
