import json
import math

import cv2
import numpy as np
import pytest
from dressform.imaging import masks
from dressform.imaging.parsing import Parsing
from dressform.quality import judging, overlay, thresholds, verdict


@pytest.fixture(scope="module")
def repaint(parsing):
    return masks.grow(parsing.garment, 12)


def states(found):
    return {check.name: check.state for check in found.checks}


def test_a_good_result_passes_everything(model, source, parsing, repaint):
    found = verdict.check(model, source, parsing, person=model, repaint_mask=repaint)
    wanted = dict.fromkeys(thresholds.CHECKS, "pass") | {"marks": "unmeasurable"}
    assert states(found) == wanted  # a woven shirt has no print
    assert found.overall == "pass"
    assert set(found.maps) == set(thresholds.CHECKS) - {"masks", "marks", "blur"}


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("veil", lambda model, source, parsing, damage: damage.veil(model, 0.2)),
        ("edge", lambda model, source, parsing, damage: damage.blur(model, 2.5)),
        ("texture", lambda model, source, parsing, damage: damage.blur(model, 2.5)),
        ("color", lambda model, source, parsing, damage: model[..., ::-1].copy()),
        (
            "residue",
            lambda model, source, parsing, damage: np.where(
                parsing.mannequin[..., None], source, model
            ),
        ),
    ],
    ids=["veil", "edge", "texture", "color", "residue"],
)
def test_each_fault_fails_its_own_check(model, source, parsing, damage, name, harm):
    found = verdict.check(harm(model, source, parsing, damage), source, parsing)
    assert states(found)[name] == "fail"
    assert found.overall == "fail"
    check = next(check for check in found.checks if check.name == name)
    assert check.value >= check.thresholds["fail"]


def test_a_paste_outside_and_a_line_fail_leak_and_seam(model, source, parsing, repaint):
    result = np.where(repaint[..., None], model * 0.9, model).astype(np.uint8)
    result[:10] = 0
    found = states(verdict.check(result, source, parsing, person=model, repaint_mask=repaint))
    assert (found["leak"], found["seam"]) == ("fail", "fail")


def test_any_changed_pixel_outside_warns_at_least(model, source, parsing, repaint):
    result = model.copy()
    result[0, 0, 0] -= 1
    found = verdict.check(result, source, parsing, person=model, repaint_mask=repaint)
    assert states(found)["leak"] == "warn"
    assert found.overall == "warn"


def test_a_loose_piece_warns_and_shreds_fail(model, source, parsing):
    loose = parsing.garment.copy()
    loose[100:120, 200:210] = True
    torn = parsing.garment & (np.arange(source.shape[0]) % 10 < 6)[:, None]
    assert states(verdict.check(model, source, parsing, garment_mask=loose))["shape"] == "warn"
    assert states(verdict.check(model, source, parsing, garment_mask=torn))["shape"] == "fail"


def test_a_moved_garment_without_its_mask_is_unmeasurable_and_no_pass(source, parsing, damage):
    found = verdict.check(damage.move(source, 15), source, parsing)
    assert states(found).pop("masks") == "pass"
    assert found.overall == "unmeasurable"
    others = [check for check in found.checks if check.name != "masks"]
    assert {check.state for check in others} == {"unmeasurable"}
    assert all(check.value is None and check.sentence for check in others)


@pytest.mark.parametrize(
    ("confidence", "state"), [(0.86, "pass"), (0.8, "warn"), (0.41, "warn"), (0.4, "fail")]
)
def test_uncertain_masks_are_never_ready_to_publish(model, source, parsing, confidence, state):
    doubted = parsing._replace(confidence=confidence)
    found = verdict.check(model, source, doubted)
    masks_check = found.checks[-1]
    assert (masks_check.name, masks_check.state) == ("masks", state)
    assert masks_check.value == pytest.approx(100 - 100 * confidence)
    assert found.overall == state
    assert ("overlay of Parse Mannequin Photo" in masks_check.sentence) == (state != "pass")


def test_the_baseline_does_not_repeat_the_masks(model, source, parsing):
    found = verdict.check(model, source, parsing, baseline=model)
    assert [name for name in states(found) if name.startswith("masks")] == ["masks"]


def test_a_moved_garment_with_its_mask_is_measured(source, parsing, damage):
    result, mask = damage.move(source, 15), damage.move(parsing.garment, 15)
    found = states(verdict.check(result, source, parsing, garment_mask=mask))
    assert {found[name] for name in ("veil", "edge", "color", "texture")} == {"pass"}
    assert found["residue"] == "unmeasurable"


def test_a_result_of_another_size_is_measured_with_its_mask(source, parsing, damage):
    result = damage.veil(damage.shrink(source, 0.7), 0.2)
    mask = damage.shrink_mask(parsing.garment, 0.7)
    found = verdict.check(result, source, parsing, garment_mask=mask)
    assert states(found)["veil"] == "fail"
    assert "veil" not in found.maps  # nothing corresponds, so nothing is drawn


def test_the_baseline_is_compared_as_well(model, source, parsing, damage):
    found = states(verdict.check(damage.veil(model, 0.2), source, parsing, baseline=model))
    assert found["veil_vs_baseline"] == "fail"
    assert found["edge_vs_baseline"] == "pass"


def test_a_baseline_of_other_proportions_is_refused_with_both_sizes(model, source, parsing):
    found = verdict.check(model, source, parsing, baseline=model[:-40])
    assert states(found)["veil_vs_baseline"] == "unmeasurable"
    sentence = next(one.sentence for one in found.checks if one.name == "veil_vs_baseline")
    assert "280x240" in sentence
    assert "320x240" in sentence
    assert found.overall == "pass"


def test_a_baseline_of_another_size_and_the_same_proportions_is_scaled(
    model, source, parsing, damage
):
    larger = cv2.resize(model, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    found = states(verdict.check(model, source, parsing, baseline=larger))
    assert found["veil_vs_baseline"] == found["outline_vs_baseline"] == "pass"
    hazy = verdict.check(damage.veil(model, 0.2), source, parsing, baseline=larger)
    assert states(hazy)["veil_vs_baseline"] == "fail"


def test_without_a_source_the_baseline_alone_is_compared(model, parsing, damage):
    found = verdict.check(damage.veil(model, 0.2), None, parsing, baseline=model)
    assert states(found)["veil_vs_baseline"] == "fail"
    assert "veil" not in states(found)
    assert found.overall == "fail"


def test_neither_source_nor_baseline_is_an_error(model, parsing):
    with pytest.raises(ValueError, match="source or baseline must be given, got neither"):
        verdict.check(model, None, parsing)


def test_a_source_without_its_parsing_is_an_error(model, source):
    with pytest.raises(ValueError, match="parsing must be given where source is"):
        verdict.check(model, source, None)


def test_only_the_checks_asked_for_are_made(model, source, parsing):
    found = verdict.check(model, source, parsing, baseline=model, only=("veil", "edge_vs_baseline"))
    assert list(states(found)) == ["veil", "edge_vs_baseline"]


def test_an_old_document_is_still_read(model, source, parsing):
    document = verdict.to_json(verdict.check(model, source, parsing))
    document["schema"] = "dressform.quality/1"
    for one in document["checks"]:
        del one["where"]
    assert [one.where for one in verdict.from_json(document).checks] == [""] * len(
        document["checks"]
    )
    document["schema"] = "dressform.quality/9"
    with pytest.raises(ValueError, match=r"got 'dressform\.quality/9'"):
        verdict.from_json(document)


def test_nothing_found_in_the_source_is_unmeasurable(source, parsing):
    empty = parsing._replace(label_map=np.zeros_like(parsing.label_map))
    assert verdict.check(source, source, empty).overall == "unmeasurable"
    assert verdict.check(source, source, empty, garment_mask=empty.garment).overall == (
        "unmeasurable"
    )


def test_a_strong_veil_without_lifted_shadows_only_warns(tmp_path, model, source, parsing, damage):
    text = (thresholds.FOLDER / "default.toml").read_text(encoding="utf-8")
    path = tmp_path / "own.toml"
    path.write_text(text.replace("rise = 0.01", "rise = 0.9"))
    found = verdict.check(damage.veil(model, 0.2), source, parsing, profile=path)
    assert states(found)["veil"] == "warn"


def test_the_overall_is_the_worst_measured_state(model, source, parsing):
    def checks(*given):
        found = verdict.check(model, source, parsing).checks[0]
        return tuple(found._replace(state=state) for state in given)

    assert verdict.overall(checks("pass", "unmeasurable")) == "pass"
    assert verdict.overall(checks("pass", "warn", "fail")) == "fail"
    assert verdict.overall(checks("unmeasurable")) == "unmeasurable"
    assert verdict.overall(()) == "unmeasurable"


def test_a_batch_with_an_unmeasurable_picture_is_no_pass():
    assert verdict.worst(["pass", "unmeasurable"]) == "unmeasurable"
    assert verdict.worst(["unmeasurable", "warn"]) == "warn"
    assert verdict.worst(["pass", "pass"]) == "pass"


def test_the_json_is_finite_and_complete(model, source, parsing):
    document = verdict.to_json(verdict.check(model, source, parsing))
    again = json.loads(json.dumps(document, allow_nan=False))
    assert again["schema"] == "dressform.quality/2"
    assert [check["name"] for check in again["checks"]] == list(thresholds.CHECKS)
    by_name = {check["name"]: check for check in again["checks"]}
    assert by_name["leak"]["value"] is None
    assert math.isfinite(by_name["veil"]["value"])
    assert by_name["veil"]["thresholds"] == {"warn": 8.0, "fail": 12.0}


def test_huge_pictures_are_measured_small_but_leaks_at_every_pixel(
    monkeypatch, model, source, parsing
):
    monkeypatch.setattr(judging, "MAX_SIDE_PX", 160)
    result = model.copy()
    result[3, 3] ^= 64
    repaint = masks.grow(parsing.garment, 12)
    found = verdict.check(result, source, parsing, person=model, repaint_mask=repaint)
    assert {one.severity.shape for one in found.maps.values()} == {(160, 120)}
    leak = next(check for check in found.checks if check.name == "leak")
    assert leak.details["changed_count"] == 1
    assert np.nanmax(found.maps["leak"].severity) == 4  # 64 levels are 16 dE, 4 is a fail
    assert states(found)["shape"] == "pass"
    assert overlay.heatmap(result, found).shape == result.shape
    assert overlay.annotate(result, found).shape[1] == result.shape[1]


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (8, 8), (20, 90)])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_tiny_pictures_get_a_verdict(size, label):
    picture = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    tiny = Parsing(np.full(size, label, np.uint8), confidence=1.0)
    found = verdict.check(
        picture, picture, tiny, person=picture, repaint_mask=tiny.garment, baseline=picture
    )
    assert {check.state for check in found.checks} <= {"pass", "unmeasurable"}
    assert overlay.heatmap(picture, found).shape == picture.shape


def test_no_argument_is_changed(model, source, parsing, repaint):
    before = [a.copy() for a in (model, source, parsing.label_map, repaint)]
    verdict.check(model, source, parsing, person=model, repaint_mask=repaint, baseline=model)
    for array, copy in zip((model, source, parsing.label_map, repaint), before, strict=True):
        assert np.array_equal(array, copy)


def test_a_parsing_of_another_photo_is_refused(model, source, parsing):
    with pytest.raises(ValueError, match="parsing must be 316x240"):
        verdict.check(model, source[:-4], parsing)


def test_a_picture_of_one_colour_fails_in_one_sentence(source, parsing):
    found = verdict.check(np.zeros_like(source), source, parsing, person=source)
    assert found.overall == "fail"
    assert [one.sentence for one in found.checks] == [verdict.BLANK]
    assert overlay.annotate(source, found).shape[1] == source.shape[1]


def test_the_mask_of_another_photo_is_told(model, source, parsing):
    foreign = np.zeros_like(parsing.garment)
    foreign[270:318, 150:230] = True
    found = verdict.check(model, source, parsing, garment_mask=foreign)
    assert states(found)["veil"] == states(found)["shape"] == "unmeasurable"
    assert "another photo" in next(one.sentence for one in found.checks if one.name == "veil")


def test_an_empty_mask_is_unmeasurable_and_no_pass(model, source, parsing):
    empty = np.zeros_like(parsing.garment)
    found = verdict.check(model, source, parsing, garment_mask=empty)
    assert states(found)["color"] == states(found)["shape"] == "unmeasurable"


def test_a_pushed_sleeve_is_named_in_the_sentence(model, source, parsing):
    result = model.copy()
    result[110:170, 190:198] = model[110:170, 182:190]
    found = verdict.check(result, source, parsing, baseline=model)
    moved = next(one for one in found.checks if one.name == "outline_vs_baseline")
    assert moved.state == "fail"
    assert moved.where.endswith(("sleeve", "side"))
    assert "left s" in moved.sentence


def test_what_is_torn_in_the_photo_is_not_the_results_fault(model, source, parsing):
    torn = parsing.label_map.copy()
    torn[parsing.garment & (np.arange(320) % 10 >= 6)[:, None]] = 0
    shreds = parsing._replace(label_map=torn)
    found = verdict.check(model, source, shreds, garment_mask=shreds.garment)
    assert states(found)["shape"] == "pass"


def test_a_veil_over_a_half_counts(model, source, parsing, damage):
    result = model.copy()
    result[:, 120:] = damage.veil(model, 0.25)[:, 120:]
    assert states(verdict.check(result, source, parsing))["veil"] == "fail"
