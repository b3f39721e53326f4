import pytest
from dressform.inference import engine


def test_the_engine_without_weights_loads():
    assert callable(engine.load("warp").run)


def test_an_unknown_engine_names_the_known_ones():
    known = ", ".join(engine.ENGINES)
    with pytest.raises(ValueError, match=rf"engine must be one of {known}, got 'magic'. Choose"):
        engine.load("magic")


def test_an_engine_with_weights_is_not_made_without_them():
    with pytest.raises(ValueError, match=r"without weights is required here, got 'catvton'"):
        engine.load("catvton")


@pytest.mark.parametrize("task", engine.TASKS)
def test_the_engine_that_anybody_can_run_comes_first(task):
    assert engine.names(task)[0] == "warp"
    assert not engine.entry("warp").weights


def test_an_engine_is_offered_only_for_what_it_can_do():
    assert "sdxl-union" not in engine.names(engine.TRY_ON)
    assert "catvton" not in engine.names(engine.MANNEQUIN_TO_MODEL)
