"""Saved widget values find their inputs."""

import pytest
from dressform.comfyui import widgets


def test_values_follow_the_order_of_the_schema_and_skip_sockets(schemas):
    node = {"widgets_values": ["bilinear", 64, 2.0, "note"]}
    assert widgets.values(schemas["Scale"], node) == {
        "method": "bilinear",
        "width": 64,
        "factor": 2.0,
        "label": "note",
    }


def test_control_behind_a_seed_is_skipped(schemas):
    node = {"widgets_values": [7, "randomize", 30, True]}
    assert widgets.values(schemas["Sample"], node) == {"seed": 7, "steps": 30, "exact": True}


def test_seed_saved_without_a_control_is_read_as_well(schemas):
    node = {"widgets_values": [7, 30, True]}
    assert widgets.values(schemas["Sample"], node) == {"seed": 7, "steps": 30, "exact": True}


def test_control_behind_a_combo_brings_a_filter():
    combo = {"options": ["a", "b"], "control_after_generate": True}
    schema = {"input": {"required": {"pick": ["COMBO", combo], "steps": ["INT", {}]}}}
    node = {"widgets_values": ["b", "fixed", "", 3]}
    assert widgets.values(schema, node) == {"pick": "b", "steps": 3}


def test_upload_button_comes_behind_the_required_inputs():
    schema = {
        "input": {
            "required": {
                "image": [["a"], {"image_upload": True}],
                "channel": [["red", "alpha"], {}],
            },
            "optional": {"label": ["STRING", {}]},
        }
    }
    node = {"widgets_values": ["a", "alpha", "image", "note"]}
    assert widgets.values(schema, node) == {"image": "a", "channel": "alpha", "label": "note"}


def test_values_saved_by_name_are_taken_by_name(schemas):
    node = {"widgets_values": {"width": 5, "method": "area", "videopreview": {}}}
    assert widgets.values(schemas["Scale"], node) == {"width": 5, "method": "area"}


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        (
            ["size", 10, 20, "area"],
            {"mode": "size", "mode.width": 10, "mode.height": 20, "method": "area"},
        ),
        (["factor", 1.5, "area"], {"mode": "factor", "mode.factor": 1.5, "method": "area"}),
    ],
    ids=["size", "factor"],
)
def test_choice_of_a_dynamic_combo_brings_its_inputs(schemas, saved, expected):
    assert widgets.values(schemas["Resize"], {"widgets_values": saved}) == expected


def test_input_of_an_unknown_type_is_a_widget_where_the_node_lists_one():
    schema = {"input": {"required": {"curve": ["MY_CURVE", {}], "steps": ["INT", {}]}}}
    node = {"inputs": [{"name": "curve", "widget": {"name": "curve"}}], "widgets_values": ["c", 3]}
    assert widgets.values(schema, node) == {"curve": "c", "steps": 3}
    assert widgets.values(schema, {"widgets_values": [3]}) == {"steps": 3}


def test_defaults_fill_what_a_short_file_leaves_out(schemas):
    assert widgets.defaults(schemas["Scale"], {}) == {
        "method": "area",
        "width": 512,
        "factor": 1.0,
        "label": "",
    }


def test_defaults_follow_the_choice_that_the_file_made():
    choices = [{"key": key, "inputs": {"required": {key: ["INT", {"default": 3}]}}} for key in "ab"]
    schema = {"input": {"required": {"mode": ["COMFY_DYNAMICCOMBO_V3", {"options": choices}]}}}
    assert widgets.defaults(schema, {}) == {"mode": "a", "mode.a": 3}
    assert widgets.defaults(schema, {"mode": "b"}) == {"mode.b": 3}
