import json

import pytest
from dressform.quality.compare import factors
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def node(kind, title=None, **inputs):
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title or kind}}


@pytest.fixture
def before():
    return {
        "1": node("LoadImage", "Photo", image="a.png"),
        "2": node("CheckpointLoaderSimple", ckpt_name="old.safetensors"),
        "3": node("KSampler", model=["2", 0], image=["1", 0], seed=1, steps=20, cfg=7.0),
        "4": node("SaveImage", images=["3", 0], filename_prefix="x"),
    }


@pytest.fixture
def after(before):
    return json.loads(json.dumps(before))


def test_same_workflow_has_no_factor(before, after):
    assert factors.differences(before, after) == ()


def test_seed_picture_and_file_name_are_no_factors(before, after):
    after["1"]["inputs"]["image"] = "b.png"
    after["3"]["inputs"]["seed"] = 2
    after["4"]["inputs"]["filename_prefix"] = "y"
    assert factors.differences(before, after) == ()


def test_other_base_model_is_one_factor(before, after):
    after["2"]["inputs"]["ckpt_name"] = "new.safetensors"
    assert factors.differences(before, after) == (
        (
            "base model",
            "CheckpointLoaderSimple.ckpt_name",
            "old.safetensors",
            "new.safetensors",
        ),
    )


def test_added_lora_is_one_factor_with_all_its_links(before, after):
    after["9"] = node("LoraLoader", "My LoRA", model=["2", 0], lora_name="v4", strength_model=1.0)
    after["3"]["inputs"]["model"] = ["9", 0]
    found = factors.differences(before, after)
    assert [(factor.kind, factor.where, factor.before) for factor in found] == [
        ("LoRA", "My LoRA", "")
    ]


def test_renumbered_nodes_are_the_same(before, after):
    moved = {str(int(key) + 10): entry for key, entry in after.items()}
    for entry in moved.values():
        for name, value in entry["inputs"].items():
            if isinstance(value, list):
                entry["inputs"][name] = [str(int(value[0]) + 10), value[1]]
    assert factors.differences(before, moved) == ()


def test_other_link_is_a_change_of_the_template(before, after):
    after["4"]["inputs"]["images"] = ["1", 0]
    [found] = factors.differences(before, after)
    assert (found.kind, found.where) == ("template", "SaveImage.images")


def test_bound_input_is_no_factor(before, after):
    after["3"]["inputs"]["cfg"] = 5.0
    assert factors.differences(before, after, bound=[("KSampler", "cfg")]) == ()


def test_two_changes_are_refused_and_both_named(before, after):
    after["3"]["inputs"] |= {"steps": 8, "cfg": 2.0}
    found = factors.differences(before, after)
    with pytest.raises(ValueError, match=r"got 2: KSampler\.cfg: 7\.0 to 2\.0.*KSampler\.steps"):
        factors.require_one(found, 1)
    factors.require_one(found, 2)


def test_workflow_is_read_from_a_picture_of_comfyui(tmp_path, before):
    info = PngInfo()
    info.add_text("prompt", json.dumps(before))
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", pnginfo=info)
    Image.new("RGB", (4, 4)).save(tmp_path / "b.png")
    assert factors.embedded(tmp_path / "a.png") == before
    assert factors.embedded(tmp_path / "b.png") is None
    assert factors.embedded(tmp_path / "none.png") is None
