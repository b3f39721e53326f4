"""From measured scenes to the bars that are printed."""

import pytest

MASKS = {
    "garment_iou": 1.0,
    "garment_bf": 1.0,
    "mannequin_iou": None,
    "residue": None,
    "eaten": 0.0,
    "false_mannequin": None,
}


@pytest.fixture(scope="session")
def parsing(bench):
    return bench("parsing")


@pytest.fixture(scope="session")
def lint(bench):
    return bench("lint")


@pytest.fixture
def row(parsing):
    def make(overlap, sure, *, meta=None, kind="full", view="three-quarter"):
        return parsing.Row("a", {**MASKS, "garment_iou": overlap}, meta or {}, sure, kind, view)

    return make


def test_scenes_without_meta_leave_kind_view_and_tags_out(parsing, row):
    found = parsing.conclude([row(0.95, 0.9), row(0.5, 0.2)])
    assert set(found) == {
        "garment_iou",
        "garment_iou_worst",
        "garment_bf",
        "eaten",
        "confidence_auroc",
    }
    assert found["garment_iou"] == pytest.approx(0.725)
    assert found["garment_iou_worst"] == 0.5


def test_confidence_is_not_measurable_where_all_scenes_are_good(parsing, row):
    assert "confidence_auroc" not in parsing.conclude([row(0.95, 0.9), row(0.97, 0.2)])


def test_kind_view_and_white_scenes_are_judged_by_meta(parsing, row):
    meta = {"mannequin_type": "full", "view": "three_quarter", "tags": ["white_on_white"]}
    other = {"mannequin_type": "ghost", "view": "front", "tags": []}
    found = parsing.conclude([row(0.8, 0.5, meta=meta), row(0.95, 0.6, meta=other)])
    assert found["kind"] == 0.5
    assert found["view"] == 0.5
    assert found["white_on_white"] == 0.8


def test_what_hangs_is_seen_from_the_front_whatever_view_was_drawn_for_it(parsing, row):
    meta = {"mannequin_type": "hanger", "view": "three_quarter", "tags": []}
    found = parsing.conclude([row(0.9, 0.5, meta=meta, kind="hanger", view="front")])
    assert found["view"] == 1.0


def test_tally_counts_hits_misses_and_false_alarms(lint):
    counted = lint.tally([True, True, False, False], [True, False, True, False])
    assert counted == (1, 1, 1)
    assert counted.precision == counted.recall == 0.5
    assert lint.tally([False], [False]).precision is None
