"""The shipped workflows are complete: for the editor, for machines, and for the eye."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EDITOR_FILES = sorted((ROOT / "workflows").glob("*.json"))
CORE_NODES = {
    "CheckpointLoaderSimple",
    "CLIPTextEncode",
    "ControlNetApplyAdvanced",
    "ControlNetLoader",
    "GetImageSize",
    "ImageBatch",
    "ImageCompositeMasked",
    "ImageScale",
    "InpaintModelConditioning",
    "KSampler",
    "LoadImage",
    "MarkdownNote",
    "MaskComposite",
    "MaskPreview",
    "PreviewImage",
    "SaveImage",
    "SaveText",
    "SetUnionControlNetType",
    "StringConcatenate",
    "VAEDecode",
}
OURS = {path.stem for path in (ROOT / "web" / "docs").glob("*.md")}


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def stem(path):
    return path.stem


def test_there_are_workflows():
    assert EDITOR_FILES


@pytest.mark.parametrize("path", EDITOR_FILES, ids=stem)
def test_every_node_is_core_or_ours(path):
    assert {node["type"] for node in load(path)["nodes"]} <= CORE_NODES | OURS


def test_every_node_of_ours_is_used_in_a_workflow():
    used = {node["type"] for path in EDITOR_FILES for node in load(path)["nodes"]}
    assert used >= OURS


@pytest.mark.parametrize("path", EDITOR_FILES, ids=stem)
def test_workflow_has_a_picture_and_a_form_for_machines(path):
    assert path.with_suffix(".jpg").stat().st_size > 5_000
    assert (path.parent / "api" / path.name).is_file()


@pytest.mark.parametrize("path", EDITOR_FILES, ids=stem)
def test_links_agree_with_their_sockets(path):
    workflow = load(path)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for link, source, out, target, slot, kind in workflow["links"]:
        output, entry = nodes[source]["outputs"][out], nodes[target]["inputs"][slot]
        assert link in output["links"]
        assert entry["link"] == link
        assert output["type"] == entry["type"] == kind


@pytest.mark.parametrize("path", EDITOR_FILES, ids=stem)
def test_both_forms_hold_the_same_links(path):
    workflow, api = load(path), load(path.parent / "api" / path.name)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    drawn = {
        (str(target), nodes[target]["inputs"][slot]["name"], str(source), out)
        for _, source, out, target, slot, _ in workflow["links"]
    }
    written = {
        (target, name, *value)
        for target, node in api.items()
        for name, value in node["inputs"].items()
        if isinstance(value, list)
    }
    assert drawn == written
    assert {k: v["class_type"] for k, v in api.items()} == {
        str(i): node["type"] for i, node in nodes.items() if node["type"] != "MarkdownNote"
    }


@pytest.mark.parametrize("path", EDITOR_FILES, ids=stem)
def test_bends_of_links_hang_together(path):
    workflow = load(path)
    extra = workflow.get("extra", {})
    bends = {bend["id"]: bend for bend in extra.get("reroutes", [])}
    last = {one["id"]: one["parentId"] for one in extra.get("linkExtensions", [])}
    assert set(last) <= {link[0] for link in workflow["links"]}
    passed = {bend: [] for bend in bends}
    for link, bend in last.items():
        while bend is not None:
            passed[bend].append(link)
            bend = bends[bend].get("parentId")
    for bend, links in passed.items():
        assert sorted(bends[bend]["linkIds"]) == sorted(links)
        assert links
