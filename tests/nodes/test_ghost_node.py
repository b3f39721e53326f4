"""Make Ghost Mannequin as ComfyUI calls it."""

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="module")
def torch(nodes):
    import torch

    return torch


@pytest.fixture(scope="module")
def scene(nodes, torch):
    """A green tee on a form: IMAGE batch of one and its parsing."""
    from dressform.imaging import labels
    from dressform.imaging.parsing import Parsing

    label_map = np.zeros((120, 100), np.uint8)
    label_map[5:40, 40:61] = labels.MANNEQUIN
    label_map[25:110, 15:86] = labels.GARMENT
    cv2.ellipse(label_map, (50, 25), (14, 18), 0, 0, 180, labels.MANNEQUIN, -1)
    colors = np.array([(235, 235, 235), (60, 120, 90), (230, 190, 170)], np.uint8)
    return torch.from_numpy(colors[label_map] / np.float32(255))[None], [Parsing(label_map)]


@pytest.fixture(scope="module")
def back(nodes, torch):
    """The inside of its back, twice as large."""
    from dressform.imaging.parsing import Parsing

    mask = np.zeros((240, 200), np.uint8)
    mask[50:220, 30:172] = 1
    cv2.ellipse(mask, (100, 50), (28, 10), 0, 0, 180, 0, -1)
    colors = np.array([(255, 255, 255), (80, 150, 110)], np.uint8)
    return torch.from_numpy(colors[mask] / np.float32(255))[None], [Parsing(mask)]


def make(nodes, scene, **options):
    from dressform.nodes.ghost import MakeGhostMannequin

    given = {"image": scene[0], "parsing": scene[1], "method": "complete", "background": "white"}
    return MakeGhostMannequin.execute(**{**given, **options})


def test_what_is_not_garment_is_white_and_the_masks_are_apart(nodes, torch, scene):
    image, alpha, generated, repaint, second, overlay, foreground = make(nodes, scene).args
    assert image.shape == overlay.shape == foreground.shape == scene[0].shape
    assert torch.equal(image[alpha == 0], torch.ones_like(image[alpha == 0]))
    assert 100 < generated.sum() < 800
    assert (repaint >= generated * (alpha > 0)).all()
    assert second.sum() == 0
    photographed = (alpha == 1) & (generated == 0)
    assert torch.equal(image[photographed], scene[0][photographed])


def test_a_second_photo_takes_the_place_of_what_was_made_up(nodes, scene, back):
    alone = make(nodes, scene)[2]
    made = make(nodes, scene, inside_image=back[0], inside_parsing=back[1])
    generated, second = made[2], made[4]
    assert second.sum() > 100
    assert generated.sum() < 0.5 * alone.sum()
    assert (generated * second).sum() == 0
    assert "second photo" in made.ui["text"][0]


def test_a_batch_equals_single_calls(nodes, torch, scene):
    image, parsing = scene
    flipped = parsing[0]._replace(label_map=np.ascontiguousarray(parsing[0].label_map[:, ::-1]))
    mirrored = (image.flip(2), [flipped])
    both = make(nodes, (torch.cat([image, mirrored[0]]), [*parsing, flipped])).args
    for index, one in enumerate((scene, mirrored)):
        for together, alone in zip(both, make(nodes, one).args, strict=True):
            assert torch.equal(together[index], alone[0])


def test_one_second_photo_serves_a_batch(nodes, torch, scene, back):
    image, parsing = scene
    made = make(
        nodes,
        (torch.cat([image, image]), parsing * 2),
        inside_image=back[0],
        inside_parsing=back[1],
    )
    assert torch.equal(made[4][0], made[4][1])
    assert made[4][0].sum() > 100


class TestMistakes:
    def test_parsing_of_another_photo(self, nodes, scene):
        with pytest.raises(ValueError, match="parsing must be 60x50 like image, got 120x100"):
            make(nodes, (scene[0][:, ::2, ::2], scene[1]))

    def test_inside_parsing_of_another_photo(self, nodes, scene, back):
        with pytest.raises(ValueError, match="inside_parsing must be 240x200 like inside_image"):
            make(nodes, scene, inside_image=back[0], inside_parsing=scene[1])

    def test_batches_of_different_counts(self, nodes, torch, scene, back):
        with pytest.raises(ValueError, match="must have the same batch size or one of them 1"):
            make(
                nodes,
                (torch.cat([scene[0]] * 3), scene[1] * 3),
                inside_image=torch.cat([back[0]] * 2),
                inside_parsing=back[1],
            )

    def test_a_picture_background_without_a_picture(self, nodes, scene):
        with pytest.raises(ValueError, match="backdrop must be connected"):
            make(nodes, scene, background="picture")

    def test_a_colour_that_is_none_is_refused_before_the_run(self, nodes):
        from dressform.nodes.ghost import MakeGhostMannequin

        answer = MakeGhostMannequin.validate_inputs(background="color", color="beige")
        assert "color must be a hex colour" in answer
        assert MakeGhostMannequin.validate_inputs(background="white", color="beige") is True
