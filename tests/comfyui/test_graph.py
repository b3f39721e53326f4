"""UI format to API format, by the frontend's rules."""

import pytest
from dressform.comfyui import graph


def test_nodes_and_links_become_inputs(chain, schemas):
    assert graph.to_prompt(chain(), schemas) == {
        "1": {"class_type": "Load", "inputs": {"image": "a.png"}, "_meta": {"title": "Load"}},
        "2": {
            "class_type": "Scale",
            "inputs": {
                "image": ["1", 0],
                "method": "area",
                "width": 64,
                "factor": 2.0,
                "label": "note",
            },
            "_meta": {"title": "Scale"},
        },
        "3": {
            "class_type": "Save",
            "inputs": {"images": ["2", 0], "prefix": "y"},
            "_meta": {"title": "Save Image"},
        },
    }


def test_links_may_be_objects(chain, schemas):
    drawn = chain()
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    as_objects = {
        **drawn,
        "links": [dict(zip(names, link, strict=True)) for link in drawn["links"]],
    }
    assert graph.to_prompt(as_objects, schemas) == graph.to_prompt(drawn, schemas)


def test_bypassed_node_is_passed_by(chain, schemas):
    prompt = graph.to_prompt(chain({"mode": 4}), schemas)
    assert set(prompt) == {"1", "3"}
    assert prompt["3"]["inputs"]["images"] == ["1", 0]


def test_muted_node_takes_its_links_with_it(chain, schemas):
    prompt = graph.to_prompt(chain({"mode": 2}), schemas)
    assert set(prompt) == {"1", "3"}
    assert "images" not in prompt["3"]["inputs"]


def test_reroute_is_a_wire(chain, schemas):
    prompt = graph.to_prompt(chain({"type": "Reroute", "widgets_values": None}), schemas)
    assert prompt["3"]["inputs"]["images"] == ["1", 0]


def test_bypass_takes_the_first_input_of_the_output_type(draw, schemas):
    drawn = draw(
        {"id": 1, "type": "Load"},
        {
            "id": 2,
            "type": "Scale",
            "mode": 4,
            "inputs": [
                {"name": "mask", "type": "MASK", "link": None},
                {"name": "image", "type": "IMAGE", "link": 1},
            ],
            "outputs": [{"type": "IMAGE"}],
        },
        {"id": 3, "type": "Save", "inputs": [{"name": "images", "type": "IMAGE", "link": 2}]},
        links=[(1, 1, 0, 2, 1, "IMAGE"), (2, 2, 0, 3, 0, "IMAGE")],
    )
    assert graph.to_prompt(drawn, schemas)["3"]["inputs"]["images"] == ["1", 0]


def test_bypass_takes_an_input_of_any_type_where_none_has_the_type(chain, schemas):
    any_input = {"name": "source", "type": "*", "link": 1}
    prompt = graph.to_prompt(chain({"mode": 4, "inputs": [any_input]}), schemas)
    assert prompt["3"]["inputs"]["images"] == ["1", 0]


def test_bypass_without_a_fitting_input_leaves_nothing(chain, schemas):
    other = {"name": "mask", "type": "MASK", "link": 1}
    prompt = graph.to_prompt(chain({"mode": 4, "inputs": [other]}), schemas)
    assert "images" not in prompt["3"]["inputs"]


def test_primitive_gives_its_value(draw, schemas):
    width = {"name": "width", "type": "INT", "link": 1, "widget": {"name": "width"}}
    drawn = draw(
        {"id": 1, "type": "PrimitiveNode", "widgets_values": [99, "fixed"]},
        {"id": 2, "type": "Scale", "inputs": [width], "widgets_values": ["area", 64, 2.0]},
        links=[(1, 1, 0, 2, 0, "INT")],
    )
    prompt = graph.to_prompt(drawn, schemas)
    assert set(prompt) == {"2"}
    assert prompt["2"]["inputs"]["width"] == 99


def test_input_converted_to_a_socket_keeps_the_places_of_the_others(draw, schemas):
    width = {"name": "width", "type": "INT", "link": 1, "widget": {"name": "width"}}
    drawn = draw(
        {"id": 1, "type": "Sample", "widgets_values": [1, "fixed", 2, False]},
        {"id": 2, "type": "Scale", "inputs": [width], "widgets_values": ["area", 64, 2.5]},
        links=[(1, 1, 0, 2, 0, "INT")],
    )
    inputs = graph.to_prompt(drawn, schemas)["2"]["inputs"]
    assert (inputs["width"], inputs["factor"]) == (["1", 0], 2.5)


def test_list_values_are_wrapped_so_that_they_are_not_links(draw, schemas):
    schemas["Pick"] = {"input": {"required": {"many": ["COMBO", {"options": ["a", "b"]}]}}}
    drawn = draw({"id": 1, "type": "Pick", "widgets_values": [["a", "b"]]})
    inputs = graph.to_prompt(drawn, schemas)["1"]["inputs"]
    assert inputs["many"] == {"__value__": ["a", "b"]}


def test_notes_are_left_out(draw, schemas):
    drawn = draw({"id": 1, "type": "Note"}, {"id": 2, "type": "MarkdownNote"})
    assert graph.to_prompt(drawn, schemas) == {}


def test_group_nodes_are_refused(draw, schemas):
    with pytest.raises(ValueError, match=r"group nodes are not supported.*convert the group"):
        graph.to_prompt(draw({"id": 1, "type": "workflow>Mine"}), schemas)


def test_unknown_nodes_are_named(draw, schemas):
    with pytest.raises(ValueError, match=r"got 'Magic' \(node 4\)\. Install the node pack"):
        graph.to_prompt(draw({"id": 4, "type": "Magic"}), schemas)


def subgraph(name="sub", inner="Scale", **more):
    """One node between an image input, a width input and an image output."""
    link = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    links = [(1, -10, 0, 5, 0, "IMAGE"), (2, 5, 0, -20, 0, "IMAGE"), (3, -10, 1, 5, 1, "INT")]
    return {
        "id": name,
        "name": "Mine",
        "inputs": [
            {"name": "picture", "type": "IMAGE", "linkIds": [1]},
            {"name": "size", "type": "INT", "linkIds": [3]},
        ],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "linkIds": [2]}],
        "nodes": [
            {
                "id": 5,
                "type": inner,
                "mode": 0,
                "inputs": [
                    {"name": "image" if inner == "Scale" else "picture", "link": 1},
                    {
                        "name": "width" if inner == "Scale" else "size",
                        "link": 3,
                        "widget": {"name": "width" if inner == "Scale" else "size"},
                    },
                ],
                "outputs": [{"name": "IMAGE", "type": "IMAGE"}],
                "widgets_values": ["area", 64, 2.0, "note"] if inner == "Scale" else [],
            }
        ],
        "links": [dict(zip(link, values, strict=True)) for values in links],
        **more,
    }


def host(kind="sub", **more):
    size = {"name": "size", "type": "INT", "link": None, "widget": {"name": "size"}}
    return {
        "type": kind,
        "inputs": [{"name": "picture", "type": "IMAGE", "link": 1}, size],
        "widgets_values": [],
        **more,
    }


def test_subgraph_is_unfolded_with_ids_of_both_levels(chain, schemas):
    drawn = chain(host(), definitions={"subgraphs": [subgraph()]})
    prompt = graph.to_prompt(drawn, schemas)
    assert set(prompt) == {"1", "2:5", "3"}
    assert prompt["2:5"]["inputs"]["image"] == ["1", 0]
    assert prompt["2:5"]["inputs"]["width"] == 64
    assert prompt["3"]["inputs"]["images"] == ["2:5", 0]


def test_promoted_widget_gives_the_inner_node_its_value(chain, schemas):
    drawn = chain(host(widgets_values=[77]), definitions={"subgraphs": [subgraph()]})
    assert graph.to_prompt(drawn, schemas)["2:5"]["inputs"]["width"] == 77


def test_proxied_widget_gives_the_inner_node_its_value(chain, schemas):
    proxies = {"proxyWidgets": [["-1", "size"], ["5", "factor"]]}
    drawn = chain(
        host(widgets_values=[77, 3.5], properties=proxies), definitions={"subgraphs": [subgraph()]}
    )
    inputs = graph.to_prompt(drawn, schemas)["2:5"]["inputs"]
    assert (inputs["width"], inputs["factor"]) == (77, 3.5)


def test_two_uses_of_a_subgraph_are_two_sets_of_nodes(chain, schemas):
    drawn = chain(host(), definitions={"subgraphs": [subgraph()]})
    drawn["nodes"].append({"id": 9, "mode": 0, **host(widgets_values=[11])})
    drawn["nodes"][-1]["inputs"] = [{**entry, "link": None} for entry in host()["inputs"]]
    prompt = graph.to_prompt(drawn, schemas)
    assert prompt["2:5"]["inputs"]["width"] == 64
    assert prompt["9:5"]["inputs"]["width"] == 11


def test_subgraphs_nest(chain, schemas):
    definitions = {"subgraphs": [subgraph("outer", inner="sub"), subgraph()]}
    drawn = chain(host("outer", widgets_values=[33]), definitions=definitions)
    prompt = graph.to_prompt(drawn, schemas)
    assert set(prompt) == {"1", "2:5:5", "3"}
    assert prompt["2:5:5"]["inputs"]["image"] == ["1", 0]
    assert prompt["2:5:5"]["inputs"]["width"] == 33
    assert prompt["3"]["inputs"]["images"] == ["2:5:5", 0]


def test_bypassed_subgraph_is_passed_by(chain, schemas):
    drawn = chain(host(mode=4), definitions={"subgraphs": [subgraph()]})
    prompt = graph.to_prompt(drawn, schemas)
    assert set(prompt) == {"1", "3"}
    assert prompt["3"]["inputs"]["images"] == ["1", 0]


def test_subgraph_within_itself_is_refused(chain, schemas):
    drawn = chain(host(), definitions={"subgraphs": [subgraph(inner="sub")]})
    with pytest.raises(ValueError, match="must not contain themselves"):
        graph.to_prompt(drawn, schemas)
