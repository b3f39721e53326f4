import string

import numpy as np
import pytest
from dressform.quality.compare import verdict, wording
from dressform.quality.compare.verdict import Decision


@pytest.fixture
def whole(make_table, plan, rng):
    table = make_table({"garment=dress": {m: rng.normal(0, 1, 30) for m in ("veil", "edge")}})
    return verdict.assess(table, plan)


@pytest.mark.parametrize("decision", verdict.DECISIONS)
@pytest.mark.parametrize("is_worse", [True, False])
def test_every_decision_has_a_sentence_in_both_languages(whole, decision, is_worse):
    found = Decision(decision, is_worse, ("garment=dress",), 7, ("gate_straddles",), whole)
    told = wording.sentence(found, 30)
    assert told.en.endswith(".")
    assert told.zh.endswith("。")
    assert wording.headline(found).en


@pytest.mark.parametrize("reason", wording.REASONS)
def test_every_reason_is_a_sentence_without_gaps(whole, reason):
    [told] = wording.reasons(Decision("HOLD", False, (), 0, (reason,), whole))
    assert told.en.endswith(".")
    assert not set("{}") & set(told.en + told.zh)
    fields = {
        name for _, name, _, _ in string.Formatter().parse(wording.REASONS[reason][0]) if name
    }
    assert fields <= set(wording._words(Decision("HOLD", False, (), 0, (), whole)))


def test_label_names_slices_and_scenes():
    assert wording.label("SHIP TO SLICE", ["a", "b"], 0) == "SHIP TO SLICE a, b"
    assert wording.label("NEED MORE", [], 9) == "NEED 9 MORE"
    assert wording.label("HOLD", [], 0) == "HOLD"


def test_only_shipping_to_all_is_a_success():
    assert [d for d in verdict.DECISIONS if wording.EXIT[d] == 0] == ["SHIP"]
    assert len(set(wording.EXIT.values())) == len(verdict.DECISIONS)
    assert not {1, 2, 130} & set(wording.EXIT.values())


def test_unknown_metric_is_called_by_its_name():
    assert wording.metric("my_own") == ("my_own", "my_own")
    assert wording.metric("veil").en == "Veil"
    assert np.all([wording.metric("veil").zh])
