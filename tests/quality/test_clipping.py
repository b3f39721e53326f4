import numpy as np
import pytest
from dressform.quality import clipping


@pytest.fixture
def mask():
    return np.ones((40, 40), bool)


@pytest.fixture
def grey():
    return np.full((40, 40, 3), 120, np.uint8)


@pytest.mark.parametrize(("level", "kind"), [(255, "white_rise"), (0, "black_rise")])
def test_the_value_is_the_share_that_has_become_white_or_black(grey, mask, level, kind):
    result = grey.copy()
    result[:10] = level
    found = clipping.measure(result, grey, mask, mask)
    assert found.value == pytest.approx(0.25, abs=0.03)  # the rim is left out
    assert found.details[kind] == found.value
    assert found.local[5, 20] == 1
    assert found.local[30, 20] == 0


def test_what_the_source_had_is_no_fault(grey, mask):
    white = grey.copy()
    white[:10] = 255
    assert clipping.measure(white, white, mask, mask).value == 0
    assert clipping.measure(grey, white, mask, mask).value == 0


def test_one_full_channel_is_a_colour(grey, mask):
    red = grey.copy()
    red[..., 0] = 255
    assert clipping.measure(red, grey, mask, mask).value == 0


def test_a_sliver_is_unmeasurable(grey):
    mask = np.zeros((40, 40), bool)
    mask[:3] = True
    assert "fewer than 400" in clipping.measure(grey, grey, mask, mask).reason
