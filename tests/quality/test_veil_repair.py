import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from dressform.quality import veil_repair


def levels(picture):
    return picture.astype(np.float32) / 255


def repaired(picture, source, parsing, **options):
    return veil_repair.repair(levels(picture), source, parsing.garment, parsing.garment, **options)


def mean_error(image, truth, mask):
    return np.abs(image * 255 - truth)[mask].mean()


@pytest.mark.parametrize("strength", [0.05, 0.10, 0.20, 0.40])
def test_a_veil_is_gone_after_the_repair(model, source, parsing, damage, strength):
    found = repaired(damage.veil(model, strength), source, parsing)
    assert found.before.veil.value == pytest.approx(strength, abs=0.015)
    assert found.after.veil.value < 0.01
    inside = veil_repair.inward(parsing.garment) == 1
    assert mean_error(found.image, model, inside) < 2
    assert mean_error(levels(damage.veil(model, strength)), model, inside) > 5


@pytest.mark.parametrize("strength", [0.10, 0.40])
def test_nothing_is_cut_off_that_was_not(model, source, parsing, damage, strength):
    contrasty = model.copy()
    contrasty[100:104, 60:180] = 0
    contrasty[110:114, 60:180] = 255
    hazy = damage.veil(contrasty, strength)
    hazy[120:124, 60:180] = 0  # blacker than the veil lets anything be
    found = repaired(hazy, source, parsing)
    assert found.method != "none"
    assert found.after.black <= found.before.black
    assert found.after.white <= found.before.white
    assert found.before.black > 0


def test_outside_the_area_every_pixel_stays(model, source, parsing, damage):
    picture = levels(damage.veil(model, 0.2)) + np.float32(0.0003)
    found = veil_repair.repair(picture, source, parsing.garment, parsing.garment)
    assert (found.image[~parsing.garment] == picture[~parsing.garment]).all()
    assert (found.image[parsing.garment] != picture[parsing.garment]).mean() > 0.9


def test_a_soft_area_takes_off_as_much_as_it_selects(model, source, parsing, damage):
    half = np.full(parsing.size, 0.5, np.float32)
    found = repaired(damage.veil(model, 0.3), source, parsing, area=half)
    assert 0.1 < found.after.veil.value < 0.2


def test_half_the_amount_leaves_half_the_veil(model, source, parsing, damage):
    found = repaired(damage.veil(model, 0.3), source, parsing, amount=0.5)
    assert found.after.veil.value == pytest.approx(0.18, abs=0.03)


def test_a_veil_over_a_half_is_taken_off_that_half(model, source, parsing, damage):
    hazy = model.copy()
    hazy[160:] = damage.veil(model, 0.3)[160:]
    found = repaired(hazy, source, parsing)
    assert found.method == "local"
    assert found.before.worst_place > 0.25
    assert found.after.worst_place < 0.16  # the veil's hard border is smoothed over
    hazed = parsing.garment.copy()
    hazed[:190] = False
    assert mean_error(found.image, model, hazed) < 0.4 * mean_error(levels(hazy), model, hazed)


@pytest.mark.parametrize(
    "harmless",
    [
        lambda damage, picture: picture,
        lambda damage, picture: damage.expose(picture, 0.2),
        lambda damage, picture: damage.jpeg(picture, 80),
    ],
    ids=["none", "brighter", "jpeg"],
)
def test_a_picture_without_a_veil_comes_back_untouched(model, source, parsing, damage, harmless):
    picture = levels(harmless(damage, model))
    found = veil_repair.repair(picture, source, parsing.garment, parsing.garment)
    assert found.method == "none"
    assert found.image is picture
    assert "nothing to repair" in found.sentence


def test_the_repair_needs_no_common_place(model, source, parsing, damage):
    hazy = damage.veil(damage.shrink(model, 0.8), 0.2)
    mask = damage.shrink_mask(parsing.garment, 0.8)
    found = veil_repair.repair(levels(hazy), source, mask, parsing.garment)
    assert found.method == "uniform"
    assert found.after.veil.value < 0.02


def test_a_plain_garment_is_refused_with_the_reason(source, parsing):
    flat = source.copy()
    flat[parsing.garment] = (60, 90, 150)
    with pytest.raises(ValueError, match="a veil that can be measured is required, got none: The"):
        repaired(flat, flat, parsing)


@pytest.mark.parametrize("empty", [np.zeros((320, 240), bool)])
def test_an_empty_mask_is_refused(model, source, parsing, empty):
    with pytest.raises(ValueError, match="fewer than"):
        veil_repair.repair(levels(model), source, empty, parsing.garment)


def test_an_area_of_another_picture_is_refused_with_both_sizes(model, source, parsing):
    with pytest.raises(ValueError, match=r"area must be 320x240 .*, got 64x64"):
        repaired(model, source, parsing, area=np.ones((64, 64), np.float32))


def test_a_level_is_moved_by_the_inverse_of_the_veil():
    clear = np.float32([[[0.2, 0.5, 0.8]]])
    hazy = clear * 0.75 + 0.88 * 0.25
    undone = veil_repair.lifted(hazy, np.float32([[0.25]]))
    assert undone == pytest.approx(clear, abs=1e-6)


def test_the_ramp_of_a_mask_lies_inside_of_it():
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    ramp = veil_repair.inward(mask)
    assert (ramp[~mask] == 0).all()
    assert (ramp[2, 4], ramp[3, 4], ramp[4, 4]) == (0.5, 1, 1)


def test_the_document_holds_finite_numbers_and_the_sentence(model, source, parsing, damage):
    found = repaired(damage.veil(model, 0.2), source, parsing)
    document = veil_repair.to_json(found)
    schema = Path(__file__).parents[2] / "docs" / "veil_repair.schema.json"
    jsonschema.validate(document, json.loads(schema.read_text(encoding="utf-8")))
    assert document["before"]["veil"] > 0.18 > 0.01 > document["after"]["veil"]
    assert document["sentence"].startswith("The veil went down from 20")


def test_a_veil_that_cannot_be_taken_off_is_said_and_left(
    model, source, parsing, damage, monkeypatch
):
    monkeypatch.setattr(veil_repair, "_ways", lambda found, garment: iter(()))
    picture = levels(damage.veil(model, 0.2))
    found = veil_repair.repair(picture, source, parsing.garment, parsing.garment)
    assert (found.method, found.image is picture) == ("none", True)
    assert found.sentence.startswith("The veil of 20")
    assert "cannot be told well enough" in found.sentence
