import numpy as np
from dressform.quality import texture


def measured(result, source, parsing, **options):
    return texture.measure(result, source, parsing.garment, parsing.garment, **options)


def test_blur_loses_detail_the_more_the_stronger(source, parsing, damage):
    losses = [measured(damage.blur(source, s), source, parsing).value for s in (0.6, 1, 2)]
    assert losses == sorted(losses)
    assert losses[1] > 0.15
    assert losses[2] > 0.5


def test_harmless_changes_lose_little(source, parsing, damage):
    for result in (source, damage.jpeg(source, 85), damage.expose(source, 0.1)):
        assert measured(result, source, parsing).value < 0.1


def test_a_moved_garment_loses_nothing(source, parsing, damage):
    found = texture.measure(
        damage.move(source, 7), source, damage.move(parsing.garment, 7), parsing.garment
    )
    assert found.value < 0.01


def test_a_smaller_garment_is_compared_at_its_own_size(source, parsing, damage):
    small, mask = damage.shrink(source, 0.6), damage.shrink_mask(parsing.garment, 0.6)
    assert texture.measure(small, source, mask, parsing.garment).value < 0.1
    assert texture.measure(damage.blur(small, 1.5), source, mask, parsing.garment).value > 0.25


def test_a_result_larger_than_its_source_is_compared_at_the_sources_size(source, parsing, damage):
    small, mask = damage.shrink(source, 0.6), damage.shrink_mask(parsing.garment, 0.6)
    found = texture.measure(source, small, parsing.garment, mask)
    assert found.value < 0.1
    assert found.details["scale"] > 1.5


def test_the_map_shows_the_smoothed_part_only(source, parsing, damage):
    result = source.copy()
    result[160:] = damage.blur(source, 2)[160:]
    found = measured(result, source, parsing, aligned=True)
    assert np.nanmedian(found.local[200:240, 100:140]) > 0.4
    assert np.nanmedian(found.local[100:140, 100:140]) < 0.05


def test_a_plain_fabric_is_unmeasurable(source, parsing):
    plain = source.copy()
    plain[parsing.garment] = (60, 90, 150)
    found = measured(plain, plain, parsing)
    assert found.value is None
    assert "no fine detail" in found.reason
