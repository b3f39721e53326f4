import numpy as np
import pytest
from dressform.quality import blur


def measured(result, source, parsing):
    return blur.measure(result, source, parsing.garment, parsing.garment)


def test_blur_rises_with_the_blur(source, parsing, damage):
    values = [measured(damage.blur(source, sigma), source, parsing).value for sigma in (0.7, 1, 2)]
    assert 0.02 < values[0] < values[1] < values[2]


def test_a_sharper_picture_is_not_blurred(source, parsing, damage):
    assert measured(source, damage.blur(source, 1), parsing).value == 0


@pytest.mark.parametrize("harmless", ["jpeg", "expose", "move"])
def test_harmless_changes_blur_little(source, parsing, damage, harmless):
    amount = {"jpeg": 80, "expose": 0.3, "move": 2}[harmless]
    assert measured(getattr(damage, harmless)(source, amount), source, parsing).value < 0.05


def test_the_effect_of_a_step_is_known():
    """Crete et al., equation 6: a step keeps 1 / 11 of its height under a window of 11."""
    light = np.zeros((60, 60), np.float32)
    light[:, 30:] = 1
    light[30:] += 1
    mask = np.ones(light.shape, bool)
    assert blur.effect(light, mask)[0] == pytest.approx(1 / blur.WINDOW_PX, abs=0.02)


def test_a_plain_cloth_is_unmeasurable(source, parsing):
    plain = np.full_like(source, 120)
    assert "too plain" in measured(plain, plain, parsing).reason


def test_a_tiny_garment_is_unmeasurable(source):
    mask = np.zeros(source.shape[:2], bool)
    mask[:20, :20] = True
    assert blur.measure(source, source, mask, mask).value is None


def test_a_cloth_that_is_plain_after_a_slight_blur_is_not_wholly_blurred(source, parsing, damage):
    grain = np.random.default_rng(3).normal(0, 0.7, source.shape[:2])[..., None]
    dark = np.rint(np.clip(20 + grain, 0, 255)).astype(np.uint8) + np.zeros((1, 1, 3), np.uint8)
    after, before = damage.blur(dark, 1), dark
    luma_steps = np.abs(np.diff(after[..., 0].astype(int), axis=1))[parsing.garment[:, 1:]]
    assert luma_steps.mean() / 255 < blur.MIN_VARIATION
    assert measured(after, before, parsing).value < 0.7
