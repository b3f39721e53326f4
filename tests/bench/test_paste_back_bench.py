"""The benchmark of the paste-back finds no change, and finds one where there is one."""

import math

import cv2
import numpy as np
import pytest

# Of diffusers' Euler scheduler, with numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="session")
def paste_back(bench):
    return bench("paste_back")


@pytest.fixture(scope="module")  # no longer: it puts parsing and weights in their place
def nodes(paste_back, comfyui_folder, tiny, tmp_path_factory):
    assert callable(tiny)  # needs what the tiny weights need
    with paste_back.comfyui(comfyui_folder, tmp_path_factory.mktemp("weights")) as loaded:
        yield loaded


def run(paste_back, size, batch, persons):
    return paste_back.Run(size, batch, persons, 3)


@pytest.mark.parametrize("family", ["warp", "diffusion", "lock"])
@pytest.mark.parametrize(("size", "batch", "persons"), [((161, 97), 1, 1), ((90, 131), 2, 2)])
def test_nothing_changes_outside(paste_back, nodes, family, size, batch, persons):
    kept, changed = paste_back.measure(nodes, family, run(paste_back, size, batch, persons))
    assert 0 < kept < batch * math.prod(size)
    assert changed == 0


@pytest.mark.parametrize("family", ["warp", "diffusion", "lock"])
def test_a_picture_laid_one_pixel_off_is_counted(paste_back, nodes, family, monkeypatch):
    from dressform.nodes import tensors

    stitch = tensors.stitch

    def off(photo, pictures, masks):
        return stitch(photo, pictures, [np.roll(mask, 1, 1) for mask in masks])

    monkeypatch.setattr(tensors, "stitch", off)
    asked = run(paste_back, (161, 97), 2, 1)
    assert paste_back.measure(nodes, family, asked)[1] > 0


def test_a_change_of_the_last_bit_counts_once_for_a_pixel(paste_back):
    import torch

    before = torch.full((1, 5, 7, 3), 0.3)
    after, mask = before.clone(), torch.zeros((1, 5, 7), dtype=torch.bool)
    mask[0, 2, 2] = True
    after[0, 2, 2], after[0, 0, 0] = 0.9, torch.nextafter(before[0, 0, 0], torch.ones(3))
    after[0, 4, 6, 2] = -before[0, 4, 6, 2]
    assert paste_back.outside(before, after, mask) == (34, 2)


def test_one_photo_is_compared_with_every_picture_made_of_it(paste_back):
    import torch

    before, after = torch.zeros(1, 2, 2, 3), torch.zeros(3, 2, 2, 3)
    after[2, 0, 0, 0] = 1
    assert paste_back.outside(before, after, torch.zeros(3, 2, 2, dtype=torch.bool)) == (12, 1)


def test_a_hundred_sizes_reach_both_ends_and_are_odd_in_half_of_the_runs(paste_back):
    runs = paste_back.plan(100, 0)
    sides = np.array([one.size for one in runs])
    assert len(runs) == 100
    assert (sides.min(), sides.max()) == (64, 3000)
    assert (sides.max(1) <= 4 * sides.min(1) + 4).all()
    assert (sides % 2).all(1).sum() >= 45
    assert {one.batch for one in runs} == {1, 2, 3, 4}
    assert {(one.persons == one.batch) for one in runs} == {True, False}
    assert np.median(sides) < 900  # even over the logarithm


def test_a_photo_is_fitted_unstretched_into_the_middle(paste_back):
    picture = np.zeros((40, 20, 3), np.uint8)
    picture[:, :, 0], picture[10:30, 5:15, 1] = 200, 255
    shown = paste_back.fitted(picture, (80, 301), cv2.BORDER_REPLICATE)
    assert shown.shape == (80, 301, 3)
    assert (shown[..., 0] == 200).all()
    rows, columns = np.nonzero(shown[..., 1] > 128)
    assert (rows.min(), rows.max()) == pytest.approx((20, 59), abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((140, 159), abs=1)


def test_a_photo_seen_before_is_not_parsed_again(paste_back):
    seen = []
    parse = paste_back.remembered(lambda photo: seen.append(photo) or len(seen))
    first, second = np.zeros((2, 3, 3), np.uint8), np.ones((2, 3, 3), np.uint8)
    assert [parse(one) for one in (first, second, first.copy())] == [1, 2, 1]
