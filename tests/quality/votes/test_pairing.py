import itertools

import pytest
from dressform.quality.votes import ballot, pairing


def found(count, known=True):
    return [
        pairing.Candidate(f"s{n}", f"s{n}", ("old", "new"), float(n) if known else None)
        for n in range(count)
    ]


def test_only_pictures_that_both_arms_have_make_a_pair():
    pairs = pairing.candidates({"old": ["a", "b/1"], "new": ["b/1", "c"], "other": ["a"]})
    assert {(one.picture, one.scene, one.arms) for one in pairs} == {
        ("b/1", "b", ("old", "new")),
        ("a", "a", ("old", "other")),
    }


def test_half_are_those_that_differ_most_and_the_rest_is_random():
    drawn = pairing.draw(found(100), 20, seed=1)
    worst = {one.scene for one in drawn if one.drawn == "worst"}
    assert worst == {f"s{n}" for n in range(90, 100)}
    assert [one.drawn for one in drawn].count("random") == 10


@pytest.mark.parametrize("count", [1, 7, 20, 100, 500])
def test_the_weights_stand_for_all_pairs(count):
    drawn = pairing.draw(found(100), count, seed=3)
    assert len(drawn) == min(count, 100)
    assert sum(one.weight for one in drawn) == pytest.approx(100)


def test_without_a_known_disagreement_all_are_random():
    drawn = pairing.draw(found(30, known=False), 10, seed=0)
    assert {one.drawn for one in drawn} == {"random"}
    assert {one.weight for one in drawn} == {3.0}


def test_random_pairs_are_drawn_alike():
    taken = [0] * 20
    for seed in range(300):
        for one in pairing.draw(found(20, known=False), 5, seed):
            taken[int(one.scene[1:])] += 1
    assert min(taken) > 45  # 75 expected
    assert max(taken) < 110


def test_no_unit_outweighs_another():
    pairs = [pairing.Candidate(n, n, ("a", "b")) for n in ("x", "y")]
    scores = {
        ("a", "x"): {"veil": 0.0, "edge": 0},
        ("b", "x"): {"veil": 0.2, "edge": 0},
        ("a", "y"): {"veil": 0.0, "edge": 0},
        ("b", "y"): {"veil": 0.0, "edge": 50},
    }
    first, second = pairing.disagreements(pairs, scores)
    assert first.disagreement == pytest.approx(second.disagreement)
    assert pairing.disagreements(pairs, {})[0].disagreement is None


@pytest.fixture
def pairs():
    return pairing.draw(found(60), 60, seed=1)


def test_everybody_gets_every_pair_in_an_order_of_their_own(pairs):
    first, second = (ballot.tickets(pairs, rater, 5) for rater in ("ann", "bo"))
    for asked in (first, second):
        assert {one.pair.id for one in asked if one.asked == 1} == {pair.id for pair in pairs}
    assert [one.pair.id for one in first] != [one.pair.id for one in second]
    assert ballot.tickets(pairs, "ann", 5) == first


def test_sides_are_a_coin(pairs):
    sides = [
        ticket.left == "old"
        for rater in map(str, range(40))
        for ticket in ballot.tickets(pairs, rater, 5)
        if ticket.asked == 1
    ]
    assert 0.46 < sum(sides) / len(sides) < 0.54


def test_a_tenth_is_asked_again_later_with_its_sides_changed(pairs):
    asked = ballot.tickets(pairs, "ann", 5)
    again = [(place, one) for place, one in enumerate(asked) if one.asked == 2]
    assert len(again) == 6
    for place, one in again:
        before = next(n for n, t in enumerate(asked) if t.pair == one.pair and t.asked == 1)
        assert place - before > 4
        assert (asked[before].left, asked[before].right) == (one.right, one.left)


def test_a_ticket_tells_nothing_and_is_of_one_person(pairs):
    ids = [one.id for r in ("ann", "bo") for one in ballot.tickets(pairs, r, 5)]
    assert len(set(ids)) == len(ids)
    assert not any(
        word in one for one, word in itertools.product(ids, ("old", "new", "ann", "p000"))
    )


@pytest.mark.parametrize("text", ["", "   ", "x" * 41, "a\u202eb", "a\x00b"])
def test_a_name_that_cannot_be_written_down_is_refused(text):
    with pytest.raises(ValueError, match="a name of 1 to 40 letters"):
        ballot.name(text)


def test_spaces_around_a_name_do_not_count():
    assert ballot.name("  小 李 ") == "小 李"
