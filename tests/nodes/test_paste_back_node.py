"""Paste Back as ComfyUI calls it."""

import pytest


@pytest.fixture(scope="module")
def torch(nodes):
    import torch

    return torch


@pytest.fixture(scope="module")
def paste(nodes):
    from dressform.nodes.paste_back import PasteBack

    def run(**inputs):
        return PasteBack.execute(**{"colors": "match", **inputs}).args

    return run


def test_the_choices_are_those_of_the_function(nodes):
    from dressform.imaging import paste_back
    from dressform.nodes import paste_back as node

    assert node.COLORS == paste_back.COLORS


def test_a_batch_of_paintings_of_one_photo_keeps_its_values_between_the_levels(torch, paste):
    generator = torch.Generator().manual_seed(2)
    photo = torch.rand((1, 65, 47, 3), generator=generator)
    painted = torch.rand((3, 64, 48, 3), generator=generator)
    mask = torch.zeros((1, 65, 47))
    mask[:, :30] = 1
    image, repainted, generated, changed = paste(photo=photo, painted=painted, mask=mask)
    assert image.shape == (3, 65, 47, 3)
    assert changed == 0
    for one, part in zip(image, repainted, strict=True):
        assert torch.equal(one[part == 0], photo[0][part == 0])
    assert (repainted[:, 30:] == 0).all()
    assert torch.equal(generated, repainted)
    assert not torch.equal(image[0], image[1])


def test_the_garment_stays_and_the_share_is_told(torch, paste, nodes):
    from dressform.nodes.paste_back import PasteBack

    photo, painted = torch.full((1, 80, 60, 3), 0.3), torch.full((1, 80, 60, 3), 0.9)
    garment = torch.zeros((1, 80, 60))
    garment[:, 20:60, 15:45] = 1
    given = {"photo": photo, "painted": painted, "mask": torch.ones((1, 80, 60))}
    output = PasteBack.execute(**given, garment=garment, colors="as painted")
    image, repainted, generated, changed = output.args
    assert torch.equal(image[:, 25:55, 20:40], photo[:, 25:55, 20:40])
    assert (image[:, :10] > 0.8).all()
    assert (generated <= repainted).all()
    assert changed == 0
    assert "outside of it 0 pixels differ" in output.ui["text"][0]


def test_an_empty_mask_says_so(torch, nodes):
    from dressform.nodes.paste_back import PasteBack

    photo = torch.rand((1, 32, 32, 3), generator=torch.Generator().manual_seed(1))
    output = PasteBack.execute(
        photo=photo, painted=photo, mask=torch.zeros((1, 32, 32)), colors="match"
    )
    assert torch.equal(output.args[0], photo)
    assert "the picture is the photo itself" in output.ui["text"][0]


def test_a_mask_of_another_photo_is_refused(torch, paste):
    photo = torch.zeros((1, 32, 32, 3))
    with pytest.raises(ValueError, match="mask must be 32x32 like photo, got 16x16"):
        paste(photo=photo, painted=photo, mask=torch.ones((1, 16, 16)))
