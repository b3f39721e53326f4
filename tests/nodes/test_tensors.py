"""The edge between ComfyUI's batches and single pictures."""

import numpy as np
import pytest


@pytest.fixture
def torch(nodes):
    import torch

    return torch


def test_picture_makes_the_round_trip_unchanged(tensors):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pictures = [np.stack([levels, levels.T, 255 - levels], axis=-1)]
    back = tensors.to_pictures(tensors.from_pictures(pictures), "image")
    assert np.array_equal(back[0], pictures[0])


def test_output_is_bhwc_float_in_zero_to_one(tensors, torch):
    image = tensors.from_pictures([np.full((2, 3, 3), 255, np.uint8)] * 4)
    assert image.shape == (4, 2, 3, 3)
    assert image.dtype == torch.float32
    assert image.max() == 1


def test_transparency_is_laid_on_white(tensors, torch):
    image = torch.zeros(1, 2, 2, 4)
    image[..., 3] = 0.5
    assert tensors.to_pictures(image, "image")[0].tolist() == [[[128] * 3] * 2] * 2


def test_one_channel_is_gray(tensors, torch):
    assert tensors.to_pictures(torch.ones(1, 2, 2, 1), "image")[0].shape == (2, 2, 3)


def test_values_that_are_no_numbers_become_black(tensors, torch):
    image = torch.full((1, 1, 1, 3), float("nan"))
    assert tensors.to_pictures(image, "image")[0].tolist() == [[[0, 0, 0]]]


@pytest.mark.parametrize("shape", [(2, 2, 3), (1, 2, 2, 2), (0, 2, 2, 3), (1, 0, 2, 3)])
def test_other_shapes_are_refused_by_name(tensors, torch, shape):
    with pytest.raises(ValueError, match="person must be a batch of pictures"):
        tensors.to_pictures(torch.zeros(shape), "person")


def test_single_mask_is_a_batch_of_one(tensors, torch):
    assert [mask.shape for mask in tensors.to_masks(torch.zeros(4, 5), "mask")] == [(4, 5)]


def test_mask_of_another_photo_is_refused(tensors):
    with pytest.raises(ValueError, match="mask must be 4x6 like image, got 2x2"):
        tensors.require_same_size(np.zeros((2, 2)), np.zeros((4, 6, 3)), "mask", "image")


def test_a_batch_of_one_is_repeated(tensors):
    pairs = tensors.pair(person=[1], garment=[5, 6], pose=None)
    assert pairs == [
        {"person": 1, "garment": 5, "pose": None},
        {"person": 1, "garment": 6, "pose": None},
    ]


def test_other_batches_are_refused_with_both_numbers(tensors):
    with pytest.raises(
        ValueError, match=r"person and garment must have the same batch size .* got 4 and 3"
    ):
        tensors.pair(person=[0] * 4, garment=[0] * 3)


def test_stitch_keeps_floats_that_no_byte_can_hold(tensors, torch):
    generator = torch.Generator().manual_seed(7)
    person = torch.rand(1, 5, 7, 3, generator=generator)
    mask = np.zeros((5, 7), np.float32)
    mask[1, 2] = 1e-3
    out = tensors.stitch(person, [np.full((5, 7, 3), 255, np.uint8)], [mask])
    outside = torch.from_numpy(mask == 0)
    assert torch.equal(out[0][outside], person[0][outside])
    assert out[0, 1, 2].tolist() == [1, 1, 1]
    assert not torch.equal(person[0, 1, 2], out[0, 1, 2])


def test_stitch_does_not_write_into_its_input(tensors, torch):
    person = torch.zeros(1, 2, 2, 3)
    tensors.stitch(person, [np.full((2, 2, 3), 255, np.uint8)], [np.ones((2, 2), np.float32)])
    assert person.max() == 0
