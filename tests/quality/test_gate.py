import json

import pytest
from dressform.quality import gate


def scores(overall, *checks):
    return json.dumps({"overall": overall, "checks": list(checks)})


def check(state, value):
    return {"state": state, "value": value, "thresholds": {"warn": 8, "fail": 10}}


def read(text, count=1):
    return gate.read(text, count, "verdict")


def test_a_word_is_the_verdict_of_every_picture():
    assert [one.verdict for one in read("warn", 3)] == ["warn"] * 3


def test_scores_tell_about_each_picture():
    text = f"[{scores('pass')}, {scores('fail', check('fail', 30))}]"
    assert [one.verdict for one in read(text, 2)] == ["pass", "fail"]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (scores("pass"), scores("warn", check("warn", 9))),
        (scores("warn", check("warn", 9)), scores("unmeasurable")),
        (scores("unmeasurable"), scores("fail", check("fail", 10))),
        (
            scores("fail", check("fail", 12)),
            scores("fail", check("fail", 11), check("fail", 11)),
        ),
        (
            scores("warn", check("warn", 9)),
            scores("warn", check("warn", 9), check("warn", 8)),
        ),
        (scores("pass", check("pass", 1)), scores("pass", check("pass", 5))),
        (scores("fail", check("fail", 20)), scores("fail", check("fail", 40))),
        (scores("pass", check("pass", 1)), "fail"),
    ],
    ids=["verdict", "unknown", "failure", "fails", "warnings", "severity", "beyond", "word"],
)
def test_less_harm_is_better(better, worse):
    for tries, best in (((better, worse), 0), ((worse, better), 1)):
        [choice] = gate.choose([read(text) for text in tries], "pass or warn")
        assert choice.best == best


@pytest.mark.parametrize(
    ("verdicts", "accept", "route", "best"),
    [
        (["pass"], "pass", "pass", 0),
        (["warn"], "pass or warn", "pass", 0),
        (["warn"], "pass", "review", 0),
        (["fail", "pass"], "pass", "retry", 1),
        (["fail", "fail"], "pass or warn", "review", 0),
        (["unmeasurable"], "pass or warn", "review", 0),
    ],
)
def test_the_route_follows_from_the_best_try(verdicts, accept, route, best):
    tries = [read(verdict) for verdict in verdicts]
    [choice] = gate.choose(tries, accept)
    assert (choice.route, choice.best) == (route, best)
    assert gate.enough(tries, accept) == (route != "review")


def test_a_batch_has_enough_when_each_picture_has():
    first = (gate.Score(0), gate.Score(3))
    assert not gate.enough([first], "pass")
    assert gate.enough([first, (gate.Score(3), gate.Score(0))], "pass")


@pytest.mark.parametrize("text", ["", "good", "{}", '{"overall": "fine", "checks": []}', "[1]"])
def test_what_is_no_verdict_is_refused(text):
    with pytest.raises(ValueError, match="verdict must be verdict or scores of Check Quality"):
        read(text)


def test_another_number_of_pictures_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match="must tell about 3 pictures, got 2"):
        read(f"[{scores('pass')}, {scores('pass')}]", 3)


def test_tries_of_different_batches_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match="as many pictures as image, got 2, 1"):
        gate.choose([read("pass", 2), read("pass", 1)], "pass")
