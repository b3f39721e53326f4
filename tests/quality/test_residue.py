import numpy as np
import pytest
from dressform.quality import residue


def measured(result, source, parsing):
    return residue.measure(result, source, parsing.mannequin | parsing.support, parsing.garment)


def test_the_untouched_photo_is_all_residue(source, parsing):
    assert measured(source, source, parsing).value > 0.8


def test_a_person_in_the_mannequins_place_is_none(model, source, parsing):
    assert measured(model, source, parsing).value < 0.02


def test_a_remaining_stand_is_found_and_shown(model, source, parsing, damage):
    result = model.copy()
    result[parsing.support] = source[parsing.support]
    found = measured(damage.jpeg(result, 85), source, parsing)
    assert found.value == pytest.approx(1, abs=0.05)  # of the part that it is
    assert found.local[280, 120] == 1
    assert found.local[45, 120] == 0
    assert np.isnan(found.local[150, 120])


def test_a_white_form_replaced_by_a_white_wall_is_none(source, parsing):
    white_form = source.copy()
    held = parsing.mannequin | parsing.support
    white_form[held] = (232, 230, 226)
    assert measured(white_form, white_form, parsing).value == 0


def test_another_size_is_unmeasurable(source, parsing):
    found = residue.measure(source[:-8], source, parsing.mannequin, parsing.garment[:-8])
    assert found.value is None
    assert "size" in found.reason


def test_a_moved_garment_is_unmeasurable(source, parsing, damage):
    found = measured(damage.move(source, 12), source, parsing)
    assert found.value is None
    assert "same place" in found.reason


def test_without_a_mannequin_it_is_unmeasurable(source, parsing):
    nothing = np.zeros_like(parsing.garment)
    found = residue.measure(source, source, nothing, parsing.garment)
    assert "No mannequin" in found.reason


def test_a_residue_in_a_picture_that_has_moved_is_found(model, source, parsing, damage):
    result = np.where(parsing.support[..., None], source, model)
    assert measured(damage.move(result, 3), source, parsing).value > 0.3
    assert measured(damage.move(model, 3), source, parsing).value < 0.05
