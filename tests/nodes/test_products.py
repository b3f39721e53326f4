"""Load Product Folder and Save Product as ComfyUI calls them."""

import csv

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def torch(nodes):
    import torch

    return torch


@pytest.fixture
def shop(nodes, tmp_path, monkeypatch):
    """ComfyUI's folders in a place of this test; input/skus has A.png and B.png."""
    import folder_paths

    for name in ("input", "output", "temp"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(folder_paths, f"{name}_directory", str(tmp_path / name))
    (tmp_path / "input" / "skus").mkdir()
    for level, name in enumerate("AB"):
        Image.new("RGB", (8, 10), (level, 9, 9)).save(tmp_path / "input" / "skus" / f"{name}.png")
    return tmp_path


@pytest.fixture
def load(nodes, shop):
    def run(folder="skus", node=None, **options):
        widgets = {"save_to": "shop", "redo": "never", "whole_folder": True, "subfolders": True}
        return (node or nodes.LoadFolder).execute(folder=folder, **{**widgets, **options})

    return run


@pytest.fixture
def save(nodes, shop):
    def run(image, node=None, **options):
        widgets = {
            "sku": "A1",
            "format": "png",
            "quality": 92,
            "background": "as given",
            "canvas_px": 0,
            "margin": 0.05,
            "suffix": "",
            "save_to": "hand",
        }
        return (node or nodes.SaveProduct).execute(image=image, **{**widgets, **options})

    return run


def table(folder):
    with (folder / "manifest.csv").open(encoding="utf-8-sig", newline="") as file:
        return {line["file"]: line for line in csv.DictReader(file)}


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.*")
        if path.is_file() and ".dressform" not in path.parts
    )


def hidden(node, prompt):
    """The node as ComfyUI runs it in a prompt, as its node 1."""
    from comfy_api.latest import io

    values = {
        io.Hidden.prompt: prompt,
        io.Hidden.extra_pnginfo: {"workflow": {"nodes": []}},
        io.Hidden.unique_id: "1",
    }
    return node.PREPARE_CLASS_CLONE({"hidden_inputs": values})


def test_photos_go_through_one_by_one(shop, load, save):
    from dressform.imaging.parsing import Parsing

    for name, remaining in (("A", 1), ("B", 0)):
        image, product, sku, left = load().args
        assert (image.shape, sku, left) == ((1, 10, 8, 3), name, remaining)
        parsing = Parsing(np.zeros((10, 8), np.uint8), kind="ghost", confidence=0.5)
        shown = save(image, product=product, parsing=[parsing]).ui
        assert shown["images"] == [
            {"filename": f"{name}.png", "subfolder": f"shop/{name}", "type": "output"}
        ]
    last = load()
    assert all(type(value).__name__ == "ExecutionBlocker" for value in last.args[:3])
    assert last.ui["text"] == ["2 of 2 photos done."]
    lines = table(shop / "output" / "shop")
    assert {line["status"] for line in lines.values()} == {"done"}
    assert (lines["A.png"]["kind"], lines["A.png"]["confidence"]) == ("ghost", "0.50")


def test_pixels_come_out_as_they_went_in(shop, load, save):
    noise = np.random.default_rng(3).integers(0, 256, (10, 8, 3), np.uint8)
    Image.fromarray(noise).save(shop / "input" / "skus" / "A.png")
    image, product, *_ = load().args
    save(image, product=product)
    with Image.open(shop / "output" / "shop" / "A" / "A.png") as picture:
        assert np.array_equal(np.asarray(picture), noise)


def test_each_run_takes_another_photo(nodes):
    assert nodes.LoadFolder.fingerprint_inputs() != nodes.LoadFolder.fingerprint_inputs()


def test_folders_of_the_operator_are_allowed(shop, load, monkeypatch):
    (shop / "studio").mkdir()
    Image.new("RGB", (3, 3)).save(shop / "studio" / "S.png")
    with pytest.raises(ValueError, match="DRESSFORM_FOLDERS"):
        load(str(shop / "studio"))
    monkeypatch.setenv("DRESSFORM_FOLDERS", str(shop / "studio"))
    assert load(str(shop / "studio"))[2] == "S"


def test_folders_of_the_models_file_are_allowed(shop, load, monkeypatch):
    import folder_paths

    (shop / "studio").mkdir()
    Image.new("RGB", (3, 3)).save(shop / "studio" / "S.png")
    monkeypatch.setitem(
        folder_paths.folder_names_and_paths, "dressform_folders", ([str(shop / "studio")], set())
    )
    assert load(str(shop / "studio"))[2] == "S"


def test_cut_out_has_no_halo_and_carries_its_map(shop, save, torch):
    from dressform.imaging import provenance

    alpha = torch.zeros(1, 20, 20)
    alpha[:, 5:15, 5:15] = 1
    alpha[:, 4, 5:15] = 0.5
    red = torch.tensor([0.8, 0.0, 0.2])
    image = red * alpha[..., None] + (1 - alpha[..., None])
    made = torch.zeros(1, 20, 20)
    made[:, 6, 6] = 1
    save(image, garment_alpha=alpha, generated=made, background="transparent")
    with Image.open(shop / "output" / "hand" / "A1" / "A1.png") as picture:
        pixels = np.asarray(picture)
        sources = provenance.from_metadata(picture.text)
    assert np.abs(pixels[4, 10].astype(int) - [204, 0, 51, 128]).max() <= 2
    assert pixels[10, 10].tolist() == [204, 0, 51, 255]
    assert sources[6, 6] == provenance.INVENTED
    assert sources[10, 10] == provenance.PHOTO
    assert sources[0, 0] == provenance.NOTHING


def test_fourth_channel_counts_as_the_garments(shop, save, torch):
    image = torch.full((1, 4, 4, 4), 0.25)
    save(image, background="transparent")
    with Image.open(shop / "output" / "hand" / "A1" / "A1.png") as picture:
        assert picture.getpixel((0, 0)) == (64, 64, 64, 64)


def test_white_square_for_a_marketplace(shop, save, torch):
    alpha = torch.zeros(1, 20, 20)
    alpha[:, 2:8, 2:8] = 1
    image = torch.zeros(1, 20, 20, 3)
    shown = save(
        image,
        garment_alpha=alpha,
        format="jpg",
        background="transparent",
        canvas_px=100,
        margin=0.1,
    ).ui
    with Image.open(shop / "output" / "hand" / "A1" / "A1.jpg") as picture:
        assert picture.size == (100, 100)
        assert min(picture.getpixel((4, 4))) > 245
        assert max(picture.getpixel((50, 50))) < 10
    assert "was enlarged 13.3 times" in shown["text"][0]


def test_png_carries_the_workflow_unless_the_server_forbids(nodes, shop, save, torch, monkeypatch):
    from comfy.cli_args import args

    node = hidden(nodes.SaveProduct, {"1": {"class_type": "X", "inputs": {}}})
    image = torch.zeros(1, 2, 2, 3)
    save(image, node, sku="with")
    save(image, node, sku="shop", format="webp")
    monkeypatch.setattr(args, "disable_metadata", True)
    save(image, node, sku="without")
    made = shop / "output" / "hand"
    with Image.open(made / "with" / "with.png") as picture:
        assert set(picture.text) == {"prompt", "workflow"}
    with Image.open(made / "without" / "without.png") as picture:
        assert picture.text == {}
    with Image.open(made / "shop" / "shop.webp") as picture:
        assert not picture.getexif()


def test_name_given_by_hand_never_replaces_a_picture(shop, save, torch):
    for _ in range(2):
        save(torch.zeros(2, 2, 2, 3), sku="brand/A 1")
    assert files(shop / "output" / "hand") == [
        f"brand/A 1/A 1{number}.png" for number in ("-2", "-3", "-4", "")
    ]


@pytest.mark.parametrize("sku", ["../../evil", "/evil", "..", "C:\\evil", "a/../../evil", "\0"])
def test_nothing_is_written_outside_of_the_output(shop, save, torch, sku):
    save(torch.zeros(1, 2, 2, 3), sku=sku)
    assert len(files(shop / "output" / "hand")) == 1
    assert not list(shop.glob("evil*"))


def test_photo_is_done_when_every_node_of_the_workflow_has_saved_it(nodes, shop, load, save):
    kinds = {"1": "LoadFolder", "2": "SaveProduct", "3": "SaveProduct", "4": "SaveProduct"}
    links = {"2": ["1", 1], "3": ["1", 1], "4": ["9", 1]}
    prompt = {
        number: {"class_type": f"Dressform{kind}", "inputs": {"product": links.get(number)}}
        for number, kind in kinds.items()
    }
    image, product, *_ = load(node=hidden(nodes.LoadFolder, prompt)).args
    save(image, product=product)
    assert table(shop / "output" / "shop")["A.png"]["status"] == "taken"
    save(image, product=product, suffix="_white")
    line = table(shop / "output" / "shop")["A.png"]
    assert line["status"] == "done"
    assert line["outputs"].split() == ["A/A.png", "A/A_white.png"]


def test_full_disk_blames_no_photo(shop, load, save, monkeypatch):
    from dressform.imaging.products import saving

    image, product, *_ = load().args

    def full(*_, **__):
        raise saving.DiskError("The disk is full.")

    monkeypatch.setattr(saving, "write", full)
    with pytest.raises(OSError, match="The disk is full"):
        save(image, product=product)
    assert table(shop / "output" / "shop")["A.png"]["status"] == "waiting"


def test_mask_of_another_picture_is_refused(save, torch):
    with pytest.raises(ValueError, match="garment_alpha must be 4x4 like image, got 2x2"):
        save(torch.zeros(1, 4, 4, 3), garment_alpha=torch.ones(1, 2, 2), background="white")


def test_transparent_needs_an_alpha(save, torch):
    with pytest.raises(ValueError, match="garment_alpha must be connected"):
        save(torch.zeros(1, 4, 4, 3), background="transparent")


def test_previews_are_no_larger_than_a_screen(nodes, shop, torch):
    from dressform.nodes import feedback

    image = torch.rand(1, 20, 4000, 3)
    small = feedback.scaled_down(image)
    assert small.shape == (1, 8, feedback.PREVIEW_PX, 3)
    assert small.mean().item() == pytest.approx(image.mean().item(), abs=0.01)
    assert torch.equal(feedback.scaled_down(image[:, :, :50]), image[:, :, :50])
