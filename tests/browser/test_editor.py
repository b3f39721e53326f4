"""What a user of the graph editor sees of the pack."""

import itertools
import json
from pathlib import Path

import pytest
from dressform import install
from dressform.comfyui import graph

pytestmark = [pytest.mark.comfyui, pytest.mark.browser]

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "workflows" / "mannequin_to_model.json"
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
RUN_TIMEOUT_MS = 300_000
NODE_IDS = sorted(path.stem for path in (ROOT / "web" / "docs").glob("*.md"))


def load(page, workflow):
    page.evaluate("async workflow => { await app.loadGraphData(workflow) }", workflow)


def prompt(page):
    return page.evaluate("async () => (await app.graphToPrompt()).output")


def bare(api):
    return {key: (node["class_type"], node["inputs"]) for key, node in api.items()}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
@pytest.mark.parametrize("vue_nodes", [False, True], ids=["classic", "nodes-2.0"])
def test_workflow_opens_and_gives_the_prompt_of_the_machine_form(editor, vue_nodes, path):
    page = editor(VueNodes_Enabled=vue_nodes)
    load(page, json.loads(path.read_text(encoding="utf-8")))
    machine = json.loads((path.parent / "api" / path.name).read_text(encoding="utf-8"))
    assert bare(prompt(page)) == bare(machine)
    assert page.errors == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_nodes_stand_apart_and_hold_their_widgets(editor, path):
    page = editor()
    load(page, json.loads(path.read_text(encoding="utf-8")))
    boxes = page.evaluate(
        "app.graph.nodes.map(n => [n.title, n.size[1], n.computeSize()[1], ...n.getBounding()])"
    )
    assert [title for title, height, needed, *_ in boxes if height < needed] == []
    assert [
        (one[0], other[0])
        for one, other in itertools.combinations(boxes, 2)
        if all(one[a] < other[a] + other[a + 2] and other[a] < one[a] + one[a + 2] for a in (3, 4))
    ] == []


CHANGES = {
    "as saved": "",
    "subgraph": "app.graph.convertToSubgraph(new Set([3, 4].map(id => app.graph.getNodeById(id))))",
    "nested subgraph": """
        app.graph.convertToSubgraph(new Set([5, 6].map(id => app.graph.getNodeById(id))))
        const host = app.graph.nodes.find(node => node.isSubgraphNode?.())
        app.graph.convertToSubgraph(new Set([host, app.graph.getNodeById(4)]))""",
    "muted": "app.graph.getNodeById(8).mode = 2",
    "bypassed": "app.graph.getNodeById(4).mode = 4",
    "primitive": """
        const source = LiteGraph.createNode('PrimitiveNode')
        app.graph.add(source)
        source.connect(0, app.graph.getNodeById(6), 2)""",
    "reroute": """
        const knot = LiteGraph.createNode('Reroute')
        app.graph.add(knot)
        app.graph.getNodeById(1).connect(0, knot, 0)
        knot.connect(0, app.graph.getNodeById(3), 0)""",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_our_conversion_agrees_with_the_editors(editor, change):
    """The editor is the oracle of `dressform run` for workflows in its own format."""
    page = editor()
    load(page, json.loads(WORKFLOW.read_text(encoding="utf-8")))
    page.evaluate(f"() => {{ {change} }}")
    saved = page.evaluate("app.graph.serialize()")
    info = page.evaluate("async () => await (await fetch('/object_info')).json()")
    assert bare(graph.to_prompt(saved, info)) == bare(prompt(page))


def test_nodes_stand_in_the_menu_under_their_names(editor):
    page = editor()
    names = page.evaluate(
        "ids => ids.map(id => { const t = LiteGraph.registered_node_types[id];"
        " return [t.title, t.category] })",
        NODE_IDS,
    )
    assert ["Parse Mannequin Photo", "dressform/mannequin"] in names
    assert all(category.startswith("dressform/") for _, category in names)


def test_template_is_listed_with_its_picture(editor):
    page = editor()
    templates = page.evaluate("async () => await (await fetch('/api/workflow_templates')).json()")
    pack = next(name for name, files in templates.items() if "mannequin_to_model" in files)
    for ending in ("json", "jpg"):
        status = page.evaluate(
            "async url => (await fetch(url)).status",
            f"/api/workflow_templates/{pack}/mannequin_to_model.{ending}",
        )
        assert status == 200


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_node_has_its_help_page(editor, language):
    page = editor()
    pages = page.evaluate(
        """async ids => Promise.all(ids.map(async id => {
             const pack = LiteGraph.registered_node_types[id].nodeData.python_module
               .split('.')[1].split('@')[0]  // as the editor does it
             const base = `/extensions/${encodeURIComponent(pack)}/docs/${id}`
             const at = url => fetch(url).then(answer => answer.ok ? answer.text() : '')
             return [await at(base + '.md'), await at(base + '/zh.md')]
           }))""",
        NODE_IDS,
    )
    texts = [chinese if language == "zh" else english for english, chinese in pages]
    assert all(text.startswith("# ") for text in texts)


def test_chinese_editor_shows_chinese_names(editor):
    page = editor(Locale="zh")
    load(page, json.loads(WORKFLOW.read_text(encoding="utf-8")))
    title = page.evaluate("LiteGraph.registered_node_types.DressformTryOn.title")
    assert title == "试穿"


def test_run_in_the_editor_ends_with_pictures_on_the_nodes(editor, comfyui):
    install.lend_samples(comfyui.base / "input")
    page = editor()
    load(page, json.loads(WORKFLOW.read_text(encoding="utf-8")))
    page.evaluate("""() => {
      window.ended = null
      app.api.addEventListener('execution_success', () => { window.ended = 'success' })
      app.api.addEventListener('execution_error', event => { window.ended = event.detail })
      return app.queuePrompt(0, 1)
    }""")
    page.wait_for_function("window.ended", timeout=RUN_TIMEOUT_MS)
    assert page.evaluate("window.ended") == "success"
    shown = "ids => ids.every(id => app.graph.getNodeById(id).imgs?.length)"
    page.wait_for_function(shown, arg=[3, 4, 6, 7, 8, 9, 10, 11, 12], timeout=RUN_TIMEOUT_MS)
