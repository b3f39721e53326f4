"""Schemas and drawings for conversion tests, made by hand."""

import json

import pytest

SCHEMAS = {
    "Load": {
        "display_name": "Load",
        "input": {"required": {"image": [["a.png"], {"image_upload": True}]}},
        "input_order": {"required": ["image"]},
    },
    "Scale": {
        "display_name": "Scale",
        "input": {
            "required": {
                "image": ["IMAGE", {}],
                "method": ["COMBO", {"options": ["area", "bilinear"]}],
                "width": ["INT", {"default": 512}],
                "factor": ["FLOAT", {"default": 1.0}],
            },
            "optional": {"mask": ["MASK", {}], "label": ["STRING", {"default": ""}]},
        },
        "input_order": {
            "required": ["image", "method", "width", "factor"],
            "optional": ["mask", "label"],
        },
    },
    "Sample": {
        "display_name": "Sample",
        "input": {
            "required": {
                "seed": ["INT", {"control_after_generate": True}],
                "steps": ["INT", {"default": 20}],
                "exact": ["BOOLEAN", {"default": False}],
                "text": ["STRING", {"forceInput": True}],
            }
        },
        "input_order": {"required": ["seed", "steps", "exact", "text"]},
    },
    "Resize": {
        "display_name": "Resize",
        "input": {
            "required": {
                "image": ["IMAGE", {}],
                "mode": [
                    "COMFY_DYNAMICCOMBO_V3",
                    {
                        "options": [
                            {
                                "key": "size",
                                "inputs": {
                                    "required": {"width": ["INT", {}], "height": ["INT", {}]}
                                },
                            },
                            {"key": "factor", "inputs": {"required": {"factor": ["FLOAT", {}]}}},
                        ]
                    },
                ],
                "method": ["COMBO", {"options": ["area"]}],
            }
        },
        "input_order": {"required": ["image", "mode", "method"]},
    },
    "Save": {
        "display_name": "Save Image",
        "output_node": True,
        "input": {"required": {"images": ["IMAGE", {}], "prefix": ["STRING", {"default": "x"}]}},
        "input_order": {"required": ["images", "prefix"]},
    },
}


@pytest.fixture
def schemas():
    return json.loads(json.dumps(SCHEMAS))


@pytest.fixture
def draw():
    """Returns a function that draws nodes and links as the frontend saves them."""

    def build(*nodes, links=(), **more):
        return {
            "nodes": [{"mode": 0, "inputs": [], "outputs": [], **node} for node in nodes],
            "links": [list(link) for link in links],
            "version": 0.4,
            **more,
        }

    return build


def image_in(link, name="image"):
    return {"name": name, "type": "IMAGE", "link": link}


@pytest.fixture
def chain(draw):
    """Load 1 -> Scale 2 -> Save 3; the middle node and its mode can be chosen."""

    def build(middle=None, **more):
        scale = {
            "id": 2,
            "type": "Scale",
            "inputs": [image_in(1)],
            "outputs": [{"name": "IMAGE", "type": "IMAGE"}],
            "widgets_values": ["area", 64, 2.0, "note"],
        }
        return draw(
            {"id": 1, "type": "Load", "widgets_values": ["a.png", "image"]},
            {**scale, **(middle or {})},
            {"id": 3, "type": "Save", "inputs": [image_in(2, "images")], "widgets_values": ["y"]},
            links=[(1, 1, 0, 2, 0, "IMAGE"), (2, 2, 0, 3, 0, "IMAGE")],
            **more,
        )

    return build
