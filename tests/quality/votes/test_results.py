import json
import math
from pathlib import Path
from random import Random

import jsonschema
import pytest
from dressform.quality.votes import journal, pairing, recalibration, results

ROOT = Path(__file__).parents[3]
ARMS = ("old", "new")


def pair(scene, drawn="random", weight=1.0, arms=ARMS):
    return pairing.Pair(f"p{scene}", scene, scene, arms, drawn, weight)


def vote(scene, winner, rater="ann", asked=1, arms=ARMS):
    choice = {arms[0]: "left", arms[1]: "right"}.get(winner, winner)
    ticket = f"{rater}{scene}{asked}{winner}"
    return journal.Vote(ticket, rater, f"p{scene}", scene, *arms, choice, asked, 1.0, "")


def by_id(pairs):
    return {one.id: one for one in pairs}


def test_the_preference_is_the_share_of_votes_and_ties_are_halves():
    winners = ["new"] * 6 + ["old"] * 2 + ["same"] * 2 + ["skip"] * 5
    scenes = [str(n) for n in range(len(winners))]
    votes = [vote(s, w) for s, w in zip(scenes, winners, strict=True)]
    found = results.preference(votes, by_id(pair(s) for s in scenes), ARMS, None)
    assert found.value == pytest.approx(0.7)
    assert (found.counted, found.scenes) == (10, 10)
    assert 0.3 < found.low < 0.6 < 0.8 < found.high < 1


def test_weights_bring_the_worst_pairs_back_to_their_share():
    """100 pairs: the 10 worst all prefer old; of the 90 others 9 were drawn, all prefer new."""
    pairs = [pair(f"w{n}", "worst") for n in range(10)]
    pairs += [pair(f"r{n}", "random", 10.0) for n in range(9)]
    votes = [vote(one.scene, "old" if one.drawn == "worst" else "new") for one in pairs]
    known = by_id(pairs)
    assert results.preference(votes, known, ARMS, None).value == pytest.approx(0.9)
    assert results.preference(votes, known, ARMS, "worst").value == 0
    assert results.preference(votes, known, ARMS, "random").value == 1


def test_many_votes_on_one_scene_are_one_scene():
    pairs = by_id([pair("a"), pair("b")])
    votes = [vote("a", "new", rater=f"r{n}") for n in range(50)] + [vote("b", "old")]
    found = results.preference(votes, pairs, ARMS, None)
    assert found.scenes == 2
    assert found.low is None  # no interval from two scenes, however many voted


def test_the_interval_is_of_scenes_and_not_of_votes():
    """Raters who all say the same of a scene add nothing: the interval is that of 20 scenes."""
    scenes = [str(n) for n in range(20)]
    winner = {s: "new" if int(s) < 12 else "old" for s in scenes}
    pairs = by_id(pair(s) for s in scenes)

    def width(raters):
        votes = [vote(s, winner[s], rater=f"r{n}") for s in scenes for n in range(raters)]
        found = results.preference(votes, pairs, ARMS, None)
        return found.high - found.low

    assert width(8) == pytest.approx(width(1))


def test_strengths_of_two_arms_are_the_log_odds():
    votes = [vote(str(n), "new" if n % 4 else "old") for n in range(400)]
    found = results.strengths(votes, by_id(pair(str(n)) for n in range(400)), ARMS)
    gap = found["new"][0] - found["old"][0]
    assert gap == pytest.approx(math.log(3), abs=0.02)
    assert found["new"][1] < found["new"][0] < found["new"][2]
    assert 2 * found["new"][1] < math.log(3) < 2 * found["new"][2]


def test_an_arm_that_never_lost_has_a_finite_strength_and_one_without_votes_none():
    votes = [vote(str(n), "new") for n in range(30)]
    found = results.strengths(votes, by_id(pair(str(n)) for n in range(30)), (*ARMS, "other"))
    assert 1 < found["new"][0] < 10
    assert found["other"] is None
    assert results.strengths([], {}, ARMS) == {"old": None, "new": None}


def test_three_arms_are_ranked_through_common_opponents():
    rng = Random(5)  # noqa: S311 (no secret)
    true = {"a": 0.0, "b": 1.0, "c": 2.0}
    pairs, votes = [], []
    for n in range(900):
        arms = [("a", "b"), ("b", "c")][n % 2]  # a and c never met
        better = rng.random() < 1 / (1 + math.exp(true[arms[0]] - true[arms[1]]))
        pairs.append(pair(str(n), arms=arms))
        votes.append(vote(str(n), arms[better], arms=arms))
    found = results.strengths(votes, by_id(pairs), ("a", "b", "c"))
    assert found["c"][0] - found["a"][0] == pytest.approx(2, abs=0.4)


def test_people_agree_with_each_other_and_with_themselves():
    votes = []
    for n in range(20):
        votes += [vote(str(n), "new", "ann"), vote(str(n), "new" if n % 4 else "old", "bo")]
        votes.append(vote(str(n), "new" if n % 2 else "old", "ann", asked=2))
    assert results.between_raters(votes).value == pytest.approx(0.75)
    assert results.between_raters(votes).counted == 20
    assert results.with_oneself(votes).value == pytest.approx(0.5)
    assert results.between_raters(votes[:1]).value is None


def test_a_metric_agrees_when_it_prefers_what_people_prefer():
    scenes = [str(n) for n in range(10)]
    votes = [vote(s, "new") for s in scenes] + [vote("0", "same", "bo")]
    scores = {}
    for n, s in enumerate(scenes):
        scores["old", s] = {"veil": 5.0, "edge": 1.0, "flat": 2.0, "gap": None}
        scores["new", s] = {"veil": 1.0, "edge": 2.0 if n < 8 else 0.0, "flat": 2.0, "gap": 1.0}
    found = results.metric_agreement(votes, scores, by_id(pair(s) for s in scenes))
    assert {name: one.value for name, one in found.items()} == pytest.approx(
        {"veil": 1.0, "edge": 0.2, "flat": 0.5}
    )


def test_the_summary_is_finite_json_that_the_schema_knows():
    pairs = [pair(str(n), "worst" if n < 3 else "random", 1 if n < 3 else 4) for n in range(12)]
    votes = [vote(str(n), "new") for n in range(10)] + [vote("11", "skip")]
    votes.append(vote("5", "old", "bo"))
    scores = {(arm, str(n)): {"veil": 1.0} for arm in ARMS for n in range(12)}
    document = json.loads(json.dumps(results.summary(votes, pairs, ARMS, scores), allow_nan=False))
    path = ROOT / "docs" / "vote_results.schema.json"
    jsonschema.validate(document, json.loads(path.read_text(encoding="utf-8")))
    assert document["votes"] == 12
    assert document["drawn"]["worst"] == {"pairs": 3, "voted": 3, "weight": 1}
    assert document["drawn"]["random"]["weight"] == 4
    empty = results.summary([], pairs, ARMS, {})
    jsonschema.validate(empty, json.loads(path.read_text(encoding="utf-8")))


def simulated(step, count=400, seed=3):
    """Votes of people who prefer less veil, the more surely the farther apart two pictures are."""
    rng = Random(seed)  # noqa: S311 (no secret)
    pairs, votes, scores = [], [], {}
    for n in range(count):
        scene, gap = str(n), rng.uniform(0, 20)
        first, second = (gap, 0.0) if rng.random() < 0.5 else (0.0, gap)
        scores["old", scene], scores["new", scene] = {"veil": first}, {"veil": second}
        better, worse = ("new", "old") if first > second else ("old", "new")
        seen = rng.random() < 1 / (1 + math.exp(-step * gap))
        pairs.append(pair(scene))
        votes.append(vote(scene, better if seen else worse))
    return votes, by_id(pairs), scores


def test_thresholds_lie_where_three_and_nine_in_ten_see_it():
    fit = recalibration.fit(*simulated(0.25), "veil")
    assert fit.warn == pytest.approx(math.log(3) / 0.25, rel=0.2)
    assert fit.fail == pytest.approx(math.log(9) / 0.25, rel=0.2)
    assert fit.reason == ""


@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        (simulated(0.0), "people do not see it"),
        (simulated(0.25, count=20), "at least 30 votes"),
        (simulated(0.035, count=2000), "far enough apart"),
    ],
    ids=["blind", "few", "near"],
)
def test_what_the_votes_cannot_tell_stays(votes, reason):
    fit = recalibration.fit(*votes, "veil")
    assert (fit.warn, fit.fail) == (None, None)
    assert reason in fit.reason


def test_votes_without_any_exception_still_give_a_threshold():
    fit = recalibration.fit(*simulated(50.0), "veil")
    assert 0 < fit.warn < fit.fail < 20


def test_a_new_profile_keeps_comments_and_everything_else(tmp_path):
    from dressform.quality import thresholds

    text = (thresholds.FOLDER / "default.toml").read_text(encoding="utf-8")
    fits = {
        "veil": recalibration.Fit(4.394, 8.788, "", 400, 400, 0.25),
        "edge": recalibration.Fit(None, None, "people do not see it", 40, 40),
    }
    path = tmp_path / "mine.toml"
    path.write_text(recalibration.rewritten(text, fits, "mine"), encoding="utf-8")
    before, after = thresholds.load("default"), thresholds.load(path)
    assert (after.name, after.limits["veil"].warn, after.limits["veil"].fail) == (
        "mine",
        4.394,
        8.788,
    )
    assert after.limits["veil"]._replace(warn=0, fail=0) == before.limits["veil"]._replace(
        warn=0, fail=0
    )
    others = {name: limits for name, limits in after.limits.items() if name != "veil"}
    assert others == {name: limits for name, limits in before.limits.items() if name != "veil"}
    assert path.read_text(encoding="utf-8").count("#") == text.count("#")
    said = recalibration.told(fits, before)
    veil, edge = before.limits["veil"], before.limits["edge"]
    assert said[0].startswith(f"veil: {veil.warn:g} and {veil.fail:g} % become 4.39 and 8.79, from")
    assert said[1] == f"edge: stays at {edge.warn:g} and {edge.fail:g}; people do not see it."
