"""Workflow files and --set."""

import json
from pathlib import Path

import pytest
from dressform.comfyui import graph, workflow


@pytest.fixture
def prompt(chain, schemas):
    drawn = chain({"title": "My Scale v1.0"})
    drawn["nodes"].append({"id": 4, "type": "Sample", "mode": 0, "widgets_values": [7, "fixed", 3]})
    return graph.to_prompt(drawn, schemas)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.width=128", ("2", "width", 128)),
        ("My Scale v1.0.width=128", ("2", "width", 128)),
        ("Scale.width=128", ("2", "width", 128)),
        ("2.factor=3", ("2", "factor", 3.0)),
        ("2.label=a=b", ("2", "label", "a=b")),
        ("2.label=5", ("2", "label", "5")),
        ("2.method=bilinear", ("2", "method", "bilinear")),
        ("Sample.exact=True", ("4", "exact", True)),
        ("Save Image.prefix=", ("3", "prefix", "")),
    ],
)
def test_setting_is_found_and_read_by_the_inputs_type(prompt, schemas, text, expected):
    setting = workflow.resolve(text, prompt, schemas)
    assert setting[:3] == expected
    assert type(setting.value) is type(expected[2])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("width", r"must be NODE\.INPUT=VALUE, got 'width'"),
        ("My Scal.width=1", r"got 'My Scal'\. Did you mean 'My Scale v1\.0'\?"),
        ("9.width=1", r"Its nodes: Load \(id 1\), My Scale v1\.0 \(id 2\)"),
        ("2.wide=1", r"got 'wide'\. Its inputs: factor, image, label, mask, method, width"),
        ("2.width=1.5", r"must be a whole number, got '1\.5'"),
        ("2.width=true", r"must be a whole number, got 'true'"),
        ("2.factor=much", r"must be a number, got 'much'"),
        ("Sample.exact=1", r"must be true or false, got '1'"),
        ("2.image=x.png", r"takes a connection \(IMAGE\), got a value"),
        ("1.image=gone.png", r"got 'gone\.png', which is neither"),
    ],
)
def test_wrong_setting_says_what_is_wrong(prompt, schemas, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        workflow.resolve(text, prompt, schemas)


def test_class_type_that_occurs_twice_lists_the_candidates(prompt, schemas):
    twice = {**prompt, "8": prompt["2"] | {"_meta": {"title": "Other"}}}
    with pytest.raises(ValueError, match=r"must mean one node, got 2: .*\(id 2\), Other \(id 8\)"):
        workflow.resolve("Scale.width=1", twice, schemas)


def test_local_picture_is_to_be_uploaded(prompt, schemas, tmp_path):
    picture = tmp_path / "photo=1.v2.png"
    picture.write_bytes(b"x")
    setting = workflow.resolve(f"Load.image={picture}", prompt, schemas)
    assert setting.upload == picture


def test_picture_that_the_server_has_is_not_uploaded(prompt, schemas, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert workflow.resolve("Load.image=a.png", prompt, schemas).upload is None


def test_input_of_a_chosen_mode_can_be_set(schemas):
    inputs = {"mode": "size", "mode.width": 5, "mode.height": 6, "method": "area"}
    prompt = {"1": {"class_type": "Resize", "inputs": inputs}}
    assert workflow.resolve("1.mode.width=9", prompt, schemas)[:3] == ("1", "mode.width", 9)


def test_apply_leaves_the_given_prompt_alone(prompt, schemas):
    before = json.dumps(prompt)
    changed = workflow.apply(prompt, [workflow.Setting("2", "width", 1)])
    assert changed["2"]["inputs"]["width"] == 1
    assert json.dumps(prompt) == before


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "must be a workflow in JSON"),
        ("", "must be a workflow in JSON"),
        ("[1]", "must be a workflow of ComfyUI"),
        ('{"a": 1}', "must be a workflow of ComfyUI"),
        ("{}", "must be a workflow of ComfyUI"),
    ],
)
def test_file_that_is_no_workflow_is_refused(tmp_path, text, sentence):
    path = tmp_path / "w.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=sentence):
        workflow.load(path)


def test_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="which does not exist"):
        workflow.load(tmp_path / "none.json")


def test_formats_are_told_apart(tmp_path, chain, prompt):
    assert workflow.is_ui_format(chain())
    assert not workflow.is_api_format(chain())
    assert workflow.is_api_format(prompt)
    assert not workflow.is_ui_format(prompt)
    path = Path(tmp_path / "w.json")
    path.write_text(json.dumps({"prompt": prompt}), encoding="utf-8-sig")
    assert workflow.load(path) == prompt
