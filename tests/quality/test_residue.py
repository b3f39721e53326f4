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


def test_skin_that_has_the_forms_colour_in_another_exposure_is_none(source, parsing, damage):
    """The person is lighter than the form by what the exposure is darker."""
    person = source.copy()
    held = parsing.mannequin | parsing.support
    person[held] = damage.expose(source, 0.3)[held]
    assert measured(damage.expose(person, -0.3), source, parsing).value < 0.02
    assert measured(damage.expose(source, -0.3), source, parsing).value > 0.8


def test_a_wall_of_the_forms_colour_is_none_beside_its_shaded_edge(source, parsing):
    """What the wall shares with the form is no evidence where none of the outline is left."""
    inside = np.zeros_like(parsing.garment)
    white = source.copy()
    white[parsing.mannequin] = (228, 226, 222)
    edge = parsing.mannequin.copy()
    edge[24:70, 99:141] = False
    white[edge] = (150, 150, 150)
    white[50:54, 110:130] = (120, 120, 120)  # a mark on the form, as on what came instead
    result = source.copy()
    result[parsing.mannequin] = (228, 226, 222)
    result[50:54, 110:130] = (120, 120, 120)
    form = parsing.mannequin
    found = residue.measure(result, white, form, parsing.garment, inside)
    assert found.value == 0
