"""The benchmark of the start judges ComfyUI's own figure and compares what was disturbed least."""

import pytest
from dressform.comfyui import session


@pytest.fixture(scope="session")
def startup(bench):
    return bench("startup")


def pair(startup, *, clock, processor=(6.0, 6.2), imported=0.1):
    return startup.Pair(
        startup.Start(clock[0], processor[0]), startup.Start(clock[1], processor[1], imported)
    )


def test_the_slowest_import_is_judged_whatever_the_clock_says(startup):
    pairs = [
        pair(startup, clock=(7.0, 30.0), imported=0.3),
        pair(startup, clock=(7.5, 7.2), imported=0.1),
    ]
    told = startup.conclude(pairs)
    assert told["bars"] == {"import_s": {"value": 0.3, "bar": 0.3, "ok": True}}
    slow = startup.conclude([*pairs, pair(startup, clock=(7, 7), imported=0.4)])
    assert slow["bars"]["import_s"] == {"value": 0.4, "bar": 0.3, "ok": False}


def test_an_import_that_was_not_logged_fails(startup):
    told = startup.conclude([pair(startup, clock=(7, 7), imported=None)])
    assert told["bars"]["import_s"] == {"value": None, "bar": 0.3, "ok": False}
    assert told["beside"]["import_median_s"] is None


def test_least_starts_and_medians_of_differences_stand_beside(startup):
    clocks = [(7.0, 9.0), (8.0, 7.5), (9.0, 10.0)]
    told = startup.conclude([pair(startup, clock=clock) for clock in clocks])["beside"]
    assert told["clock_least_s"] == [7.0, 7.5]
    assert told["clock_added_s"] == 0.5
    assert told["clock_added_median_s"] == 1.0
    assert told["processor_added_s"] == 0.2


def test_without_psutil_the_processor_is_left_out(startup):
    told = startup.conclude([pair(startup, clock=(7, 8), processor=(None, None))])["beside"]
    assert "processor_added_s" not in told
    assert told["clock_added_s"] == 1


def test_pairs_begin_in_turns_without_and_with_the_pack(startup, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(
        startup, "start", lambda tree, packs: seen.append(packs) or startup.Start(len(seen))
    )
    pairs = startup.measure(tmp_path, 2)
    pack = [session.PACK]
    assert seen == [pack, [], pack, pack, []]  # the first is not counted
    assert [(one.bare.clock, one.packed.clock) for one in pairs] == [(2, 3), (5, 4)]
