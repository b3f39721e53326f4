import numpy as np
import pytest
from dressform.quality import overlay, verdict


@pytest.fixture(scope="module")
def harmed(model, source, parsing, damage):
    """A result with a veil over the lower half, and its verdict."""
    result = model.copy()
    result[160:] = damage.veil(model, 0.4)[160:]
    return result, verdict.check(result, source, parsing)


def saturation(picture):
    return picture.max(axis=2).astype(int) - picture.min(axis=2)


def test_the_heatmap_is_warm_where_it_is_wrong_and_gray_elsewhere(harmed):
    result, found = harmed
    heat = overlay.heatmap(result, found)
    assert heat.shape == result.shape
    assert heat.dtype == np.uint8
    assert np.median(saturation(heat)[200:240, 80:160]) > 60
    assert (saturation(heat)[80:120, 80:160] < 20).all()
    assert heat[220, 120, 0] > heat[220, 120, 2]  # red, not blue


def test_a_good_result_has_a_gray_heatmap(model, source, parsing):
    heat = overlay.heatmap(model, verdict.check(model, source, parsing))
    assert (saturation(heat) > 20).mean() < 0.01


def test_unknown_tiles_are_hatched():
    picture = np.full((60, 60, 3), 200, np.uint8)
    unknown = np.zeros((60, 60), bool)
    unknown[10:50, 10:50] = True
    nowhere = np.full((60, 60), np.nan, np.float32)
    found = verdict.Verdict("pass", (), {"veil": verdict.Map(nowhere, unknown)})
    heat = overlay.heatmap(picture, found)
    assert len(np.unique(heat[20:40, 20:40])) == 2
    assert len(np.unique(heat[:9])) == 1


def test_what_one_check_knows_is_not_hatched():
    ones = np.ones((60, 60), bool)
    nowhere, fine = np.full((60, 60), np.nan, np.float32), np.zeros((60, 60), np.float32)
    maps = {"veil": verdict.Map(nowhere, ones), "color": verdict.Map(fine, ~ones)}
    assert not overlay.combine(maps, (60, 60))[1].any()


def test_the_worst_place_is_boxed_where_it_is(harmed):
    _, found = harmed
    place = overlay.worst_places(found)[0]
    assert place.bounds.top > 120
    assert place.bounds.bottom <= 256
    assert next(c.state for c in found.checks if c.name == place.check) in ("warn", "fail")


def test_boxes_do_not_repeat_each_other(harmed):
    places = overlay.worst_places(harmed[1])
    assert 1 <= len(places) <= overlay.MAX_BOXES
    assert len({place.bounds for place in places}) == len(places)


def test_the_annotated_picture_keeps_the_result_and_adds_a_strip(model, source, parsing):
    found = verdict.check(model, source, parsing)
    annotated = overlay.annotate(model, found)
    height = model.shape[0]
    assert annotated.shape[0] > height
    assert annotated.shape[1:] == model.shape[1:]
    assert np.array_equal(annotated[:height], model)  # nothing is wrong, so nothing is boxed
    assert (annotated[height:] == overlay.STATE_COLORS["pass"]).all(axis=2).sum() > 200


def test_the_strip_is_as_high_for_a_good_and_a_bad_result(model, source, parsing, harmed):
    good = overlay.annotate(model, verdict.check(model, source, parsing))
    assert good.shape == overlay.annotate(*harmed).shape


def test_numbers_are_written_with_their_unit(harmed):
    check = harmed[1].checks[0]
    written = {
        overlay.number(check._replace(value=value, unit=unit))
        for value, unit in ((12.34, "%"), (1.26, "%"), (3.26, "dE00"), (1.257, "x"), (None, "%"))
    }
    assert written == {"12 %", "1.3 %", "3.3 dE", "1.26 x", "\N{EN DASH}"}
