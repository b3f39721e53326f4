"""The conventions of CONTRIBUTING.md ("Nodes"), on every schema."""

import inspect
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Permanent: a workflow that somebody shared names them.
IDS = {
    "DressformParsePhoto": "Parse Mannequin Photo",
    "DressformRemoveMannequin": "Remove Mannequin",
    "DressformProposeHints": "Propose Body Hints",
    "DressformDrawHints": "Draw Hints",
    "DressformRenderHints": "Render Hints",
    "DressformTryOn": "Try On",
    "DressformCheckQuality": "Check Quality",
    "DressformLoadFolder": "Load Product Folder",
    "DressformSaveProduct": "Save Product",
    "DressformLintPhoto": "Lint Photo",
    "DressformGhostMannequin": "Make Ghost Mannequin",
    "DressformModelPhoto": "Make Model Photo",
    "DressformEngineSettings": "Engine Settings",
    "DressformEngineLora": "Load Engine LoRA",
    "DressformPasteBack": "Paste Back",
    "DressformAgnosticMask": "Make Agnostic Mask",
    "DressformQualityGate": "Quality Gate",
    "DressformRepairVeil": "Repair Veil",
    "DressformSweep": "Sweep Settings",
    "DressformCompare": "Compare Versions",
    "DressformHostedTryOn": "Try On (Hosted)",
    "DressformHostedWorkflow": "Run Workflow (Hosted)",
}
# Saved workflows store widget values by position: this list is only ever appended to.
WIDGETS = {
    "DressformParsePhoto": ["engine"],
    "DressformRemoveMannequin": ["background", "color", "fabric"],
    "DressformProposeHints": ["all_parts", "proportions", "stance", "head_turn", "mirrored"],
    "DressformDrawHints": ["strokes", "when_photo_changes"],
    "DressformRenderHints": ["grow_px", "working_px", "line_px"],
    "DressformTryOn": [
        "engine",
        "region",
        "usage",
        "prompt",
        "seed",
        "steps",
        "candidates",
        "when_weights_missing",
    ],
    "DressformCheckQuality": ["profile"],
    "DressformLoadFolder": ["folder", "save_to", "redo", "whole_folder", "subfolders"],
    "DressformSaveProduct": [
        "sku",
        "format",
        "quality",
        "background",
        "canvas_px",
        "margin",
        "suffix",
        "save_to",
    ],
    "DressformLintPhoto": ["least_grade"],
    "DressformGhostMannequin": ["method", "background", "color", "fabric"],
    "DressformModelPhoto": [
        "engine",
        "usage",
        "prompt",
        "seed",
        "steps",
        "candidates",
        "background",
        "when_weights_missing",
    ],
    "DressformEngineSettings": ["precision", "offload", "speed", "vae_tiling", "attention"],
    "DressformEngineLora": ["lora", "strength", "licence"],
    "DressformPasteBack": ["colors"],
    "DressformAgnosticMask": ["region", "extent"],
    "DressformQualityGate": ["accept", "review_folder", "name"],
    "DressformRepairVeil": ["amount"],
    "DressformSweep": ["grid", "name", "seed_input", "seeds", "photo_input", "scenes"],
    "DressformCompare": ["scenes", "gates", "targets", "claim", "name"],
    "DressformHostedTryOn": [
        "engine",
        "region",
        "usage",
        "prompt",
        "seed",
        "steps",
        "max_cost",
    ],
    "DressformHostedWorkflow": ["workflow", "result_node", "seed", "max_cost"],
}
MAX_TOOLTIP = 160


@pytest.fixture(scope="session")
def schemas(listed):
    return {schema.node_id: schema for schema in (node.GET_SCHEMA() for node in listed)}


def test_ids_and_names_are_the_promised_ones(schemas):
    assert {i: schema.display_name for i, schema in schemas.items()} == IDS


@pytest.mark.parametrize("node_id", IDS)
def test_texts_are_complete(schemas, node_id):
    schema = schemas[node_id]
    assert re.fullmatch(r"dressform/[a-z]+", schema.category)
    assert schema.description.endswith(".")
    assert 1 <= len(re.findall(r"[.:] ", schema.description + " ")) <= 4
    for socket in [*schema.inputs, *schema.outputs]:
        assert socket.tooltip, f"{node_id} has a socket without a tooltip"
        assert len(socket.tooltip) <= MAX_TOOLTIP
        assert socket.tooltip.endswith(".")


@pytest.mark.parametrize("node_id", IDS)
def test_names_are_nouns_in_snake_case(schemas, node_id):
    names = [socket.id for socket in schemas[node_id].inputs]
    names += [socket.display_name for socket in schemas[node_id].outputs]
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


def widgets(schema):
    from comfy_api.latest import io

    return [i for i in schema.inputs if isinstance(i, io.WidgetInput) and not i.force_input]


@pytest.mark.parametrize("node_id", IDS)
def test_widgets_keep_their_places(schemas, node_id):
    names = [entry.id for entry in widgets(schemas[node_id])]
    assert names[: len(WIDGETS[node_id])] == WIDGETS[node_id]
    assert len(names) == len(WIDGETS[node_id]), "append the new widget to WIDGETS"


@pytest.mark.parametrize("node_id", IDS)
def test_numbers_have_bounds_and_choices_a_default(schemas, node_id):
    for entry in schemas[node_id].inputs:
        if entry.get_io_type() in ("INT", "FLOAT"):
            assert entry.min <= entry.default <= entry.max
            assert entry.step
        if entry.get_io_type() == "COMBO":
            assert entry.default in entry.options
            assert all(option == option.lower() for option in entry.options)


@pytest.mark.parametrize("node_id", IDS)
def test_sockets_come_before_widgets_and_required_before_optional(schemas, node_id):
    schema = schemas[node_id]
    placed = [entry.id for entry in widgets(schema)]
    names = [entry.id for entry in schema.inputs]
    assert names[len(names) - len(placed) :] == placed
    flags = [entry.optional for entry in schema.inputs if entry.id not in placed]
    assert flags == sorted(flags)


def test_execute_takes_exactly_the_inputs(listed):
    for node in listed:
        parameters = list(inspect.signature(node.execute).parameters)
        assert sorted(parameters) == sorted(entry.id for entry in node.GET_SCHEMA().inputs)


@pytest.mark.parametrize("node_id", IDS)
def test_every_socket_is_explained_on_the_help_page(schemas, node_id):
    page = (ROOT / "web" / "docs" / f"{node_id}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {IDS[node_id]}\n")
    for entry in schemas[node_id].inputs:
        assert entry.id in page
    for output in schemas[node_id].outputs:
        assert output.display_name in page


@pytest.mark.parametrize("node_id", IDS)
def test_chinese_names_cover_every_socket(schemas, node_id):
    names = json.loads((ROOT / "locales/zh/nodeDefs.json").read_text(encoding="utf-8"))[node_id]
    assert set(names["inputs"]) == {entry.id for entry in schemas[node_id].inputs}
    assert len(names["outputs"]) == len(schemas[node_id].outputs)
    page = (ROOT / "web" / "docs" / node_id / "zh.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {names['display_name']}\n")
