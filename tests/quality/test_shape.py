import numpy as np
import pytest
from dressform.quality import shape


def test_a_whole_garment_costs_next_to_nothing(source, parsing):
    found = shape.measure(source, parsing.garment)
    assert found.value < 0.01
    assert found.details["pieces"] == 1


def test_a_garment_cut_by_the_frame_is_whole(source, parsing):
    garment = parsing.garment[:200, 60:]
    assert shape.measure(source[:200, 60:], garment).value < 0.01


def test_a_loose_piece_counts_with_its_area(source, parsing):
    garment = parsing.garment.copy()
    garment[100:160, 205:225] = True
    found = shape.measure(source, garment)
    assert found.value == pytest.approx(1200 / garment.sum(), abs=0.01)
    assert found.details["pieces"] == 2
    assert found.local[130, 215] == 1
    assert found.local[130, 120] == 0


def test_shreds_and_notches_count(source, parsing):
    striped = parsing.garment.copy()
    striped[80:240:8, 50:120] = False
    striped[81:240:8, 50:120] = False
    assert shape.measure(source, striped).value > 0.05
    assert shape.measure(source, striped).details["pieces"] == 1


def test_a_speck_is_unmeasurable(source, parsing):
    speck = np.zeros_like(parsing.garment)
    speck[5:9, 5:9] = True
    assert shape.measure(source, speck).value is None
