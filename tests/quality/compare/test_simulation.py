"""The promises about what is shipped, by simulation; bench/compare.py has the whole table."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def simulation():
    path = Path(__file__).parents[3] / "bench" / "compare.py"
    spec = importlib.util.spec_from_file_location("bench_compare", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_change_that_lays_a_haze_over_some_scenes_is_not_shipped(simulation):
    found = simulation.rates("story", 80, trials=12, seed=7)
    assert found["SHIP"] == 0
    assert found["harmed shipped"] == 0
    assert found["worse"] >= 0.7


def test_change_that_changes_nothing_is_seldom_called_worse(simulation):
    found = simulation.rates("neutral", 40, trials=24, seed=7)
    assert found["worse"] <= 0.1
    assert found["SHIP"] <= 0.1


def test_change_for_the_better_is_shipped(simulation):
    assert simulation.rates("better", 80, trials=12, seed=7)["SHIP"] >= 0.9


def test_mean_gain_does_not_buy_a_loss_in_one_slice(simulation):
    found = simulation.rates("dip", 20, trials=12, seed=7)
    assert found["SHIP"] == 0
    assert found["harmed shipped"] == 0
