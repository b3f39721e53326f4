"""Quality Gate as ComfyUI calls it: which tries it asks for, what it lets through and keeps."""

import json
from pathlib import Path

import jsonschema
import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def gate(nodes):
    from dressform.nodes.quality_gate import QualityGate

    return QualityGate


@pytest.fixture
def output(monkeypatch, tmp_path, nodes):
    import folder_paths

    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    return tmp_path


@pytest.fixture
def image(nodes):
    import torch

    return lambda level, count=1: torch.full((count, 4, 6, 3), float(level))


def scores(overall, *states):
    checks = [
        {
            "title": "Veil",
            "state": state,
            "value": 1,
            "thresholds": {"warn": 1, "fail": 2},
            "sentence": "A pale haze.",
        }
        for state in states
    ]
    return json.dumps({"overall": overall, "checks": checks})


def run(gate, image, verdict, **options):
    settings = {"accept": "pass or warn", "review_folder": "review", "name": "shirt"}
    return gate.execute(image=image, verdict=verdict, **{**settings, **options}).args


def conforms(text, name):
    document = json.loads(text)
    schema = json.loads((DOCS / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    return document


def wanted(gate, **inputs):
    return gate.check_lazy_status(accept="pass or warn", review_folder="", name="x", **inputs)


def test_the_names_are_those_of_the_pure_module(nodes):
    from dressform.nodes import quality_gate
    from dressform.quality import gate

    assert set(quality_gate.ACCEPT) == set(gate.ACCEPT)


def test_a_good_picture_asks_for_no_retry(gate, image):
    assert wanted(gate, image=image(0), verdict="warn", retry=None, retry_verdict=None) == []


def test_a_bad_picture_asks_for_one_try_after_the_other(gate, image):
    later = {"retry": None, "retry_verdict": None, "third_retry": None}
    later["third_retry_verdict"] = None
    now = {"image": image(0), "verdict": "fail", **later}
    assert wanted(gate, **now) == ["retry", "retry_verdict"]
    now |= {"retry": image(1)}
    assert wanted(gate, **now) == ["retry_verdict"]
    now |= {"retry_verdict": "unmeasurable"}
    assert wanted(gate, **now) == ["third_retry", "third_retry_verdict"]
    now |= {"third_retry": image(1), "third_retry_verdict": "fail"}
    assert wanted(gate, **now) == []


def test_half_a_retry_is_refused_before_it_runs(gate, image):
    with pytest.raises(ValueError, match="retry_verdict must be connected where retry is"):
        wanted(gate, image=image(0), verdict="fail", retry=None)


def test_a_good_picture_passes_and_nothing_is_saved(gate, image, output):
    accepted, rejected, best, _, route, chosen, report = run(gate, image(0.2), "pass")
    assert (accepted == best).all()
    assert type(rejected).__name__ == "ExecutionBlocker"
    assert rejected.message is None
    assert (route, chosen, json.loads(report)["tries_run"]) == ("pass", 1, 1)
    assert list(output.iterdir()) == []


def test_the_better_retry_passes(gate, image):
    accepted, _, best, said, route, chosen, _ = run(
        gate,
        image(0.2),
        scores("fail", "fail"),
        retry=image(0.4),
        retry_verdict=scores("fail", "fail", "warn"),
        second_retry=image(0.6),
        second_retry_verdict=scores("warn", "warn"),
    )
    assert accepted.mean() == pytest.approx(0.6)
    assert (route, chosen) == ("retry", 3)
    assert json.loads(said) == json.loads(scores("warn", "warn"))
    assert (accepted == best).all()


def test_what_never_gets_good_goes_to_the_review_folder(gate, image, output):
    def once():
        return run(
            gate,
            image(0.2),
            scores("fail", "fail", "fail"),
            name="../odd:name",
            retry=image(0.4),
            retry_verdict=scores("fail", "fail"),
        )

    accepted, rejected, best, _, route, chosen, report = once()
    assert type(accepted).__name__ == "ExecutionBlocker"
    assert (rejected == best).all()
    assert best.mean() == pytest.approx(0.4)
    assert (route, chosen) == ("review", 2)
    [told] = conforms(report, "gate")["pictures"]
    assert [str(p.relative_to(output)) for p in sorted(output.rglob("*.png"))] == told["saved"]
    assert told["saved"] == [f"review/__odd_name_try{number}.png" for number in (1, 2)]
    [reasons] = output.rglob("*.json")
    assert conforms(reasons.read_text(), "review")["best"] == 2
    assert json.loads(reasons.read_text())["tries"][0]["reasons"] == ["Veil: A pale haze."] * 2
    once()
    assert len(list(output.rglob("*.png"))) == 4  # nothing is written over


def test_an_empty_review_folder_saves_nothing(gate, image, output):
    run(gate, image(0.2), "fail", review_folder="")
    assert list(output.iterdir()) == []


@pytest.mark.parametrize("folder", ["/etc", "../out", "a/../../b", "C:x"])
def test_a_review_folder_outside_of_the_output_is_refused(gate, image, output, folder):
    with pytest.raises(ValueError, match="inside ComfyUI's output folder"):
        run(gate, image(0.2), "fail", review_folder=folder)


def test_of_a_batch_each_picture_takes_its_best_try(gate, image, output):
    import torch

    first, second = image(0.1, 3), image(0.9, 3)
    accepted, rejected, best, said, route, chosen, _ = run(
        gate,
        first,
        f"[{scores('pass')}, {scores('fail', 'fail')}, {scores('fail', 'fail')}]",
        retry=second,
        retry_verdict=f"[{scores('fail', 'fail')}, {scores('pass')}, {scores('fail', 'fail')}]",
    )
    assert best[:, 0, 0, 0].tolist() == pytest.approx([0.1, 0.9, 0.1])
    assert torch.equal(accepted, best[:2])
    assert torch.equal(rejected, best[2:])
    assert (route, chosen) == ("review", 2)
    assert [one["overall"] for one in json.loads(said)] == ["pass", "pass", "fail"]
    assert len(list(output.rglob("*.png"))) == 2


def test_tries_of_other_sizes_are_only_mixed_whole(gate, image, output):
    small, large = image(0.1), image(0.9).repeat(1, 2, 2, 1)
    best = run(gate, small, "fail", retry=large, retry_verdict="pass")[2]
    assert best.shape == large.shape
    with pytest.raises(ValueError, match="must have one size, got 4x6 and 8x12"):
        run(
            gate,
            small.repeat(2, 1, 1, 1),
            f"[{scores('pass')}, {scores('fail', 'fail')}]",
            retry=large.repeat(2, 1, 1, 1),
            retry_verdict=f"[{scores('fail', 'fail')}, {scores('pass')}]",
        )
