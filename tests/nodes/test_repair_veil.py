"""Repair Veil as ComfyUI calls it."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def node(nodes):
    from dressform.nodes.repair_veil import RepairVeil

    return RepairVeil


@pytest.fixture(scope="module")
def scene(tensors):
    """A photo, the same garment on a person, and the true parsing; at half size."""
    import cv2
    from dressform.imaging import pictures
    from dressform.imaging.parsing import Parsing

    folder = ROOT / "samples" / "headless"
    shots = [pictures.open_picture(folder / f"{name}.jpg") for name in ("photo", "model")]
    labels = cv2.imread(str(folder / "labels.png"), cv2.IMREAD_GRAYSCALE)
    photo, model = (cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=3) for p in shots)
    labels = cv2.resize(labels, photo.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return tensors.from_pictures([photo]), tensors.from_pictures([model]), [Parsing(labels)]


@pytest.fixture(scope="module")
def hazy(scene):
    _, model, [parsing] = scene
    import torch

    garment = torch.from_numpy(parsing.garment)[None, ..., None]
    return torch.where(garment, model * 0.8 + 0.88 * 0.2, model)


def test_a_hazy_picture_comes_out_clear_with_the_proof(node, scene, hazy):
    photo, _, parsing = scene
    image, report = node.execute(image=hazy, source=photo, parsing=parsing, amount=1.0).args
    told = json.loads(report)
    assert told["before"]["veil"] == pytest.approx(0.2, abs=0.04)
    assert told["after"]["veil"] < 0.02
    assert told["after"]["clipped_black"] <= told["before"]["clipped_black"]
    assert image.shape == hazy.shape
    assert image.dtype == hazy.dtype
    outside = ~parsing[0].garment
    assert (image[0][outside] == hazy[0][outside]).all()


def test_a_batch_is_repaired_picture_by_picture(node, scene, hazy):
    import torch

    photo, model, parsing = scene
    both = torch.cat([hazy, model])
    image, report = node.execute(image=both, source=photo, parsing=parsing, amount=1.0).args
    assert [one["method"] for one in json.loads(report)] == ["uniform", "none"]
    assert (image[1] == model[0]).all()


def test_a_garment_that_is_elsewhere_needs_its_mask(node, scene, hazy):
    photo, _, parsing = scene
    moved = hazy.roll(60, dims=2)
    said = node.execute(image=moved, source=photo, parsing=parsing, amount=1.0)
    assert said.block_execution.startswith("worn_garment is required, got none")
    import torch

    worn = torch.from_numpy(parsing[0].garment).float()[None].roll(60, dims=2)
    _, report = node.execute(
        image=moved, source=photo, parsing=parsing, amount=1.0, worn_garment=worn
    ).args
    assert json.loads(report)["after"]["veil"] < 0.03


def test_a_plain_picture_is_refused_with_a_sentence(node, scene):
    import torch

    photo, _, parsing = scene
    plain = torch.full_like(photo, 0.5)
    worn = torch.from_numpy(parsing[0].garment).float()[None]
    said = node.execute(image=plain, source=plain, parsing=parsing, amount=1.0, worn_garment=worn)
    assert said.block_execution.startswith("a veil that can be measured is required, got none")


def test_a_mask_of_another_picture_is_refused_with_both_sizes(node, scene, hazy):
    import torch

    photo, _, parsing = scene
    said = node.execute(
        image=hazy, source=photo, parsing=parsing, amount=1.0, mask=torch.ones(1, 9, 7)
    )
    assert "got 9x7" in said.block_execution
