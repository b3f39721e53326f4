import json
import tomllib
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from dressform.quality import contact_sheet, sweep

ROOT = Path(__file__).parents[2]


@pytest.fixture
def prompt():
    return {
        "1": {
            "class_type": "CheckpointLoaderSimple",
            "inputs": {"ckpt_name": "a.safetensors"},
            "_meta": {"title": "Base model"},
        },
        "2": {
            "class_type": "LoraLoader",
            "inputs": {"model": ["1", 0], "lora_name": "x.safetensors", "strength_model": 1.0},
        },
        "3": {"class_type": "KSampler", "inputs": {"model": ["2", 0], "steps": 20, "add": True}},
        "4": {"class_type": "KSampler", "inputs": {"model": ["2", 0], "steps": 30}},
    }


def test_a_grid_is_every_combination_of_its_lines():
    axes = sweep.read(
        "# base models\nBase model.ckpt_name = a.safetensors | b.safetensors\n\n"
        "LoraLoader.strength_model = 0 | 0.5 | 1.0\n"
    )
    found = sweep.variants(axes)
    assert [one.label for one in found[:4]] == [
        "ckpt name a, strength model 0",
        "ckpt name a, strength model 0.5",
        "ckpt name a, strength model 1.0",
        "ckpt name b, strength model 0",
    ]
    assert [one.id for one in found] == ["01", "02", "03", "04", "05", "06"]


def test_inputs_of_one_name_are_told_with_their_node():
    axes = sweep.read("Photo.image = x/a.jpg | b.png\nPerson.image = c.jpg\nK.steps = 8")
    assert sweep.variants(axes)[0].label == "Photo image a, Person image c, steps 8"


def test_inputs_can_change_together():
    [axis] = sweep.read("L.lora_name, L.strength = x.safetensors, 0.8 | y.safetensors, 1")
    assert axis.values == (("x.safetensors", "0.8"), ("y.safetensors", "1"))
    assert sweep.variants([axis])[1].settings == {"L.lora_name": "y.safetensors", "L.strength": "1"}


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ("", "grid must have a line"),
        ("# nothing", "grid must have a line"),
        ("steps = 1 | 2", "must be Node.input"),
        ("K.steps 1 | 2", "must be Node.input"),
        ("K.steps = 1 | ", "must be Node.input"),
        ("K.a, K.b = 1 | 2", "must be Node.input"),
        ("K.steps = 1 | 1", "must differ"),
        ("K.steps = 1\nK.steps = 2", "swept once"),
    ],
)
def test_a_line_that_is_none_is_refused(grid, message):
    with pytest.raises(ValueError, match=message):
        sweep.read(grid)


def test_too_many_variants_are_refused_with_their_number():
    line = " | ".join(map(str, range(9)))
    with pytest.raises(ValueError, match="64 variants, got 81"):
        sweep.variants(sweep.read(f"K.a = {line}\nK.b = {line}"))


def test_settings_take_the_kind_of_the_value_that_is_there(prompt):
    changed = sweep.apply(
        prompt,
        {
            "Base model.ckpt_name": "b.safetensors",
            "LoraLoader.strength_model": "0.5",
            "3.steps": "8",
            "3.add": "false",
        },
    )
    assert changed["1"]["inputs"]["ckpt_name"] == "b.safetensors"
    assert changed["2"]["inputs"]["strength_model"] == 0.5
    assert (changed["3"]["inputs"]["steps"], changed["3"]["inputs"]["add"]) == (8, False)
    assert prompt["3"]["inputs"]["steps"] == 20


@pytest.mark.parametrize(
    ("target", "value", "message"),
    [
        ("Nobody.steps", "1", "must name one node of the workflow, got 0"),
        ("KSampler.steps", "1", "must name one node of the workflow, got 2"),
        ("3.stepz", "1", "It has: add, steps"),
        ("3.model", "1", "must name a widget"),
        ("3.steps", "many", "must be a number"),
        ("3.steps", "true", "must be a number"),
        ("3.add", "1", "must be true or false"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(prompt, target, value, message):
    with pytest.raises(ValueError, match=message):
        sweep.apply(prompt, {target: value})


def test_the_document_is_known_to_its_schema():
    axes = sweep.read("K.steps = 1 | 2")
    told = sweep.document("test", axes, sweep.variants(axes), (1, 2), ["coat"])
    schema = json.loads((ROOT / "docs" / "sweep.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(json.dumps(told)), schema)
    assert [one["pictures"] for one in told["variants"]] == ["pictures/01", "pictures/02"]


def test_the_suite_is_one_that_compare_reads(tmp_path):
    from dressform.quality.compare import suite

    (tmp_path / 'a "b".jpg').write_bytes(b"x")
    text = sweep.suite(
        "拼 \\ test", [7], {"coat": 'a "b".jpg'}, {"photo": "Photo.image", "seed": "Try On.seed"}
    )
    path = tmp_path / "suite.toml"
    path.write_text(text, encoding="utf-8")
    read = suite.load(path)
    assert (read.name, read.seeds) == ("拼 \\ test", (7, 8))
    assert [scene.id for scene in read.scenes] == ["coat"]
    assert dict(read.workflow) == {"photo": "Photo.image", "seed": "Try On.seed"}
    assert tomllib.loads(text)["claim"] == "no worse"


def test_a_sheet_has_a_place_for_each_picture():
    red = np.zeros((60, 40, 3), np.uint8)
    red[:] = (200, 0, 0)
    sheet = contact_sheet.draw({(0, 0): red, (1, 1): red}, ["first", "second"], ["one", "two"])
    is_red = (sheet == (200, 0, 0)).all(-1)
    assert is_red.sum() == 2 * 60 * 40
    rows, columns = np.where(is_red)
    assert len(set(rows)) == 120
    assert len(set(columns)) == 80
    assert (sheet == contact_sheet.EMPTY).all(-1).sum() >= 2 * 60 * 40
    assert (sheet < 100).any()  # labels


def test_large_pictures_and_long_labels_stay_in_their_place():
    large = np.full((1200, 900, 3), 90, np.uint8)
    labels = ["a_very_long_name_of_a_checkpoint_without_any_space_in_it_at_all v2"] * 2
    sheet = contact_sheet.draw({(0, 0): large, (0, 1): large}, [""], labels)
    assert sheet.shape[1] == 10 + 2 * (288 + 10)
    many = contact_sheet.draw({}, [str(n) for n in range(40)], ["x"])
    assert max(many.shape) <= contact_sheet.MOST_PX
