"""Score tables and suites, made from numbers and small drawings."""

import numpy as np
import pytest
from dressform.quality.compare import scores
from dressform.quality.compare.plan import Gate, Plan, Target
from PIL import Image

SUITE = """\
schema = "dressform.suite/1"
name = "tiny"
seeds = [1, 2]

[gates]
veil = 2.0

[[targets]]
metric = "edge"

[[scenes]]
id = "red"
photo = "red.png"
slices = ["garment=dress"]

[[scenes]]
id = "blue"
photo = "blue.png"
slices = ["garment=shirt"]
"""


@pytest.fixture
def make_table():
    """A function: gains by slice and metric, (scenes,) each, to a table of two seeds."""

    def make(gains, *, fails=(), seeds=(1, 2), arms=("baseline", "candidate")):
        slices, rows = {}, []
        for name, by_metric in gains.items():
            for index in range(len(next(iter(by_metric.values())))):
                scene = f"{name}-{index}"
                slices[scene] = [name]
                for arm in arms:
                    values = {
                        metric: 10.0 - (sample[index] if arm == arms[1] else 0.0)
                        for metric, sample in by_metric.items()
                    }
                    for seed in seeds:
                        states = {
                            metric: "fail" if (scene, arm, seed, metric) in fails else "pass"
                            for metric in values
                        }
                        rows.append(scores.Row(scene, arm, seed, values, states))
        return scores.table(rows, slices, arms=arms)

    return make


@pytest.fixture
def plan():
    return Plan((Gate("veil", 0.5),), (Target("edge"),), resamples=499)


@pytest.fixture
def suite_file(tmp_path):
    """A suite of two scenes, with a photo each."""
    for name, color in (("red", (200, 40, 40)), ("blue", (40, 40, 200))):
        Image.new("RGB", (8, 12), color).save(tmp_path / f"{name}.png")
    path = tmp_path / "suite.toml"
    path.write_text(SUITE, encoding="utf-8")
    return path


@pytest.fixture
def rng():
    return np.random.default_rng(0)
