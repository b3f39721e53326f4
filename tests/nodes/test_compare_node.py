import json

import numpy as np
import pytest
from dressform.imaging import labels
from dressform.imaging.parsing import Parsing

HEIGHT, WIDTH = 192, 144


@pytest.fixture
def compare(nodes, tmp_path, monkeypatch):
    """A function that runs the node on two versions of three scenes, two seeds each."""
    import folder_paths
    import torch

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    rng = np.random.default_rng(0)
    sources, parsings = [], []
    for place in range(3):
        picture = np.full((HEIGHT, WIDTH, 3), 0.92, np.float32)
        inside = np.zeros((HEIGHT, WIDTH), bool)
        inside[20:160, 18 + 20 * place : 86 + 20 * place] = True
        rows, columns = np.indices(inside.shape)
        checks = ((rows // (4 + place) + columns // 5) % 2)[..., None] * np.float32(0.25)
        picture[inside] = (np.eye(3, dtype=np.float32)[place] * 0.4 + 0.1 + checks)[inside]
        for _ in range(2):
            sources.append(picture)
            label_map = np.where(inside, labels.GARMENT, labels.BACKGROUND).astype(np.uint8)
            parsings.append(Parsing(label_map, confidence=0.9))
    source = torch.from_numpy(np.stack(sources))

    def noisy():
        return (source + torch.from_numpy(rng.normal(0, 0.004, source.shape)).float()).clamp(0, 1)

    def run(**more):
        given = {
            "baseline": noisy(),
            "candidate": noisy(),
            "source": source,
            "parsing": parsings,
            "scenes": "a\na\nb\nb\nc garment=dress\nc garment=dress",
            "gates": "veil 3",
            "targets": "edge",
            "claim": "better",
            "name": "try/1",
            **more,
        }
        return nodes.compare.Compare.execute(**given)

    return run


def test_verdict_report_and_table_come(compare, tmp_path):
    verdict, text, path, table = compare().args
    told = json.loads(text)
    assert verdict == "NEED MORE", told["reasons"]
    assert (told["scenes"], told["seeds"]) == (3, [1, 2])
    assert {gate["slice"] for gate in told["gates"]} == {"all", "garment=dress"}
    assert path == str(tmp_path / "compare" / "try_1" / "report.html")
    assert (tmp_path / "compare" / "try_1" / "compare.json").read_text(encoding="utf-8") == text
    assert table.shape[0] == 1
    assert table.shape[-1] == 3
    assert 0.5 < float(table.mean()) <= 1  # dark text on white


def test_not_a_number_is_refused_with_the_picture(compare):
    import torch

    broken = torch.full((6, HEIGHT, WIDTH, 3), 0.5)
    broken[2, 0, 0, 0] = float("nan")
    with pytest.raises(
        ValueError, match=r"candidate must have finite values, got NaN .* picture 3"
    ):
        compare(candidate=broken)


def test_seeds_as_scenes_are_refused(compare):
    with pytest.raises(ValueError, match="got the same for a and b"):
        compare(scenes="a\nb\nc\nd\ne\nf")


def test_lines_and_pictures_must_be_as_many(compare):
    with pytest.raises(ValueError, match="a line for each of the 6 pictures, got 2 lines"):
        compare(scenes="a\nb")


def test_scene_with_two_sets_of_slices_is_refused(compare):
    with pytest.raises(ValueError, match="the same slices in every line"):
        compare(scenes="a x\na y\nb\nb\nc\nc")


def test_pictures_in_the_wrong_order_are_refused(compare):
    import torch

    told = json.loads(compare().args[1])
    assert told["decision"] == "NEED MORE"
    with pytest.raises(ValueError, match="every picture must show its scene"):
        compare(candidate=torch.rand(6, HEIGHT, WIDTH, 3))


def test_other_size_is_refused_with_both_numbers(compare):
    import torch

    with pytest.raises(ValueError, match="got 80x60 and 192x144"):
        compare(candidate=torch.rand(6, 80, 60, 3))


def test_empty_mask_is_refused(compare):
    import torch

    with pytest.raises(ValueError, match="worn_garment must select something"):
        compare(worn_garment=torch.zeros(6, HEIGHT, WIDTH))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"gates": "veil"}, "metric and a margin like 'veil 3.0', got 'veil'"),
        ({"gates": ""}, "1 to 3 different gate metrics"),
        ({"targets": ""}, "an improvement target is required"),
        ({"targets": "edge in dress"}, "a metric and at most a slice"),
    ],
)
def test_rules_that_cannot_be_read_are_refused(compare, given, message):
    with pytest.raises(ValueError, match=message):
        compare(**given)


def test_black_pictures_are_a_new_fail(compare):
    import torch

    told = json.loads(compare(candidate=torch.zeros(6, HEIGHT, WIDTH, 3)).args[1])
    assert told["decision"] == "HOLD"
    assert {case["check"] for case in told["blockers"]} == {"blank"}


def test_claims_are_those_of_the_rules(nodes):
    from dressform.quality.compare import plan

    assert nodes.compare.CLAIMS == plan.CLAIMS
