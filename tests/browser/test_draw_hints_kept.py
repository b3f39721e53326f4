"""What becomes of strokes outside the canvas: saved, reloaded, copied, queued, on a new photo."""

import json

import pytest

pytestmark = [pytest.mark.comfyui, pytest.mark.browser]

RENDERERS = {"classic": False, "nodes-2.0": True}
renderers = pytest.mark.parametrize("vue_nodes", RENDERERS.values(), ids=RENDERERS)
everywhere = pytest.mark.parametrize(
    ("frontend", "vue_nodes"),
    [(frontend, vue) for frontend in ("pinned", "newest") for vue in RENDERERS.values()],
    ids=[f"{frontend}-{name}" for frontend in ("pinned", "newest") for name in RENDERERS],
)
DIAGONAL = ((60, 80), (120, 140), (180, 230))
DRAWERS = "app.graph.nodes.filter(node => node.type === 'DressformDrawHints')"
# The mannequin way as far as hints, around the two nodes that are there.
WIRED = """isWhole => {
  const [load, draw] = [1, 2].map(id => app.graph.getNodeById(id))
  const add = (kind, x, y) => {
    const node = LiteGraph.createNode(kind)
    node.pos = [x, y]
    app.graph.add(node)
    return node
  }
  const wire = (from, out, to, into) =>
    from.connect(from.findOutputSlot(out), to, to.findInputSlot(into))
  const render = add('DressformRenderHints', 960, 120)
  wire(draw, 'hints', render, 'hints')
  wire(load, 'IMAGE', render, 'image')
  wire(render, 'hinted_photo', add('PreviewImage', 1320, 120), 'images')
  if (!isWhole) return render.id
  const parse = add('DressformParsePhoto', 60, 620)
  const propose = add('DressformProposeHints', 400, 920)
  wire(load, 'IMAGE', parse, 'image')
  wire(parse, 'parsing', propose, 'parsing')
  wire(parse, 'parsing', draw, 'parsing')
  wire(propose, 'hints', draw, 'proposal')
  return render.id
}"""


def drawing_in(drawing, node, **more):
    return type(drawing)(drawing.page, node, **more)


@everywhere
def test_saved_workflow_shows_its_strokes_in_a_fresh_profile(draw, editor, frontend, vue_nodes):
    where = {"frontend": frontend, "VueNodes_Enabled": vue_nodes}
    drawing = draw(**where)
    drawing.drag(*DIAGONAL)
    saved = drawing.page.evaluate("JSON.stringify(app.graph.serialize())")
    elsewhere = editor(fresh=True, **where)
    elsewhere.evaluate(
        "text => app.handleFile(new File([text], 'hints.json', { type: 'application/json' }))",
        saved,
    )
    opened = type(drawing)(elsewhere)
    assert opened.text == drawing.text
    assert opened.document == drawing.document
    assert opened.notice == ["", ""]
    assert elsewhere.errors == []


@everywhere
def test_page_reload_keeps_the_strokes(draw, frontend, vue_nodes):
    drawing = draw(frontend=frontend, VueNodes_Enabled=vue_nodes)
    # A role that no other drawing has: the drafts of other tabs are kept as well.
    drawing.root.query_selector("[data-control=role]").select_option("foot_right")
    drawing.drag(*DIAGONAL)
    text = drawing.text
    # The editor keeps a draft of what is not saved, a moment after the last change.
    drawing.page.wait_for_function(
        """() => [...Object.values(localStorage), ...Object.values(sessionStorage)]
                 .some(kept => kept.includes('foot_right'))"""
    )
    drawing.page.reload()
    drawing.page.wait_for_function("window.app?.graph?.getNodeById?.(2)")
    assert drawing_in(drawing, "app.graph.getNodeById(2)").text == text


@renderers
def test_copy_of_the_node_has_the_strokes_and_a_life_of_its_own(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.drag(*DIAGONAL)
    text = drawing.text
    # What the keys for copy and paste call; a headless browser has no clipboard of its own.
    drawing.page.evaluate("""() => {
      app.canvas.copyToClipboard([app.graph.getNodeById(2)])
      app.canvas.pasteFromClipboard()
    }""")
    drawing.page.wait_for_function(f"{DRAWERS}.length === 2")
    copied = drawing_in(drawing, f"{DRAWERS}.find(node => node.id != 2)", has_photo=False)
    assert copied.text == text
    copied.press("clear")
    assert copied.strokes == []
    assert drawing.text == text


@renderers
def test_subgraph_keeps_the_strokes_and_can_be_drawn_in(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.drag(*DIAGONAL)
    text = drawing.text
    host = "app.graph.nodes.find(node => node.isSubgraphNode?.())"
    drawing.page.evaluate("app.graph.convertToSubgraph(new Set([app.graph.getNodeById(2)]))")
    drawing.page.wait_for_function(host)
    prompt = drawing.page.evaluate("async () => (await app.graphToPrompt()).output")
    (inner,) = [one for one in prompt.values() if one["class_type"] == "DressformDrawHints"]
    assert inner["inputs"]["strokes"] == text
    drawing.page.evaluate(f"app.canvas.setGraph({host}.subgraph)")
    inside = drawing_in(drawing, "app.canvas.graph.nodes[0]")
    assert inside.text == text
    assert inside.notice == ["", ""]
    drawing.page.evaluate("app.canvas.ds.scale = 1; app.canvas.ds.offset = [0, 0]")
    drawing.page.evaluate("app.canvas.graph.nodes[0].pos = [420, 120]; app.canvas.setDirty(true)")
    inside.settle()
    inside.drag((200, 60), (220, 300))
    assert len(inside.strokes) == 2
    drawing.page.evaluate("app.canvas.setGraph(app.graph)")


@renderers
def test_another_photo_is_noticed_before_anything_is_drawn_or_lost(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.drag(*DIAGONAL)
    text = drawing.text
    drawing.load_photo("other.png")
    drawing.wait("element.querySelector('[data-notice=photo-changed]:not([hidden])')")
    assert all(drawing.find(name).is_visible() for name in ("refit", "keep", "clear-changed"))
    drawing.picture(f"notice-{'vue' if vue_nodes else 'classic'}")
    drawing.drag((200, 60), (220, 300))
    assert drawing.text == text
    drawing.load_photo("plain.png")
    drawing.wait("element.querySelector('[data-notice]').hidden")


@renderers
@pytest.mark.parametrize("photo", ["other.png", "wide.png"], ids=["same-size", "another-size"])
def test_strokes_may_be_kept_on_another_photo(draw, vue_nodes, photo):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.drag(*DIAGONAL)
    start = drawing.text
    drawing.load_photo(photo)
    drawing.wait("element.querySelector('[data-notice=photo-changed]:not([hidden])')")
    drawing.press("keep")
    assert drawing.notice == ["", ""]
    told = drawing.tell("element.dressform.photo")
    kept = drawing.document
    assert (kept["photo"], kept["width"], kept["height"]) == (
        told["fingerprint"],
        told["width"],
        told["height"],
    )
    x, y, _ = kept["strokes"][0]["points"][0]
    wanted = (60 * told["width"] / 300, 80 * told["height"] / 400)
    assert (x, y) == pytest.approx(wanted, abs=1.5)
    drawing.press("undo")
    assert drawing.text == start


@renderers
def test_strokes_of_another_photo_may_be_cleared_and_brought_back(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.drag(*DIAGONAL)
    start = drawing.text
    drawing.load_photo("other.png")
    drawing.wait("element.querySelector('[data-notice=photo-changed]:not([hidden])')")
    drawing.press("clear-changed")
    assert drawing.strokes == []
    assert drawing.text != ""  # a drawing without strokes, no place for a proposal
    assert drawing.notice == ["", ""]
    drawing.press("undo")
    assert drawing.text == start


@renderers
def test_proposal_and_refit_come_from_the_server(draw, vue_nodes):
    drawing = draw(photo="dressform_tee.jpg", VueNodes_Enabled=vue_nodes)
    drawing.root.query_selector("[data-control=role]").select_option("free")
    drawing.drag((300, 700), (420, 720))
    (mine,) = drawing.strokes
    drawing.press("propose")
    drawing.wait("element.dressform.document.strokes.length > 1")
    proposed = drawing.document
    assert mine in proposed["strokes"]
    assert "head" in {s["role"] for s in proposed["strokes"] if s["source"] == "proposed"}
    assert len(proposed["landmarks"]) == 18
    drawing.picture(f"proposed-{'vue' if vue_nodes else 'classic'}")
    drawing.load_photo("dressform_mannequin.jpg")
    drawing.wait("element.querySelector('[data-notice=photo-changed]:not([hidden])')")
    drawing.press("refit")
    drawing.wait("element.dressform.document.photo === values[0].fingerprint", photo_of(drawing))
    fitted = drawing.document
    assert [s["role"] for s in fitted["strokes"]] == [s["role"] for s in proposed["strokes"]]
    assert fitted["strokes"] != proposed["strokes"]
    drawing.press("undo")
    assert drawing.document == proposed


def photo_of(drawing):
    return drawing.tell("element.dressform.photo")


@renderers
def test_what_the_user_drew_is_kept_and_only_the_rest_is_proposed(draw, vue_nodes):
    drawing = draw(photo="dressform_tee.jpg", VueNodes_Enabled=vue_nodes)
    drawing.press("head")
    drawing.drag((320, 40), (440, 200))
    mine = drawing.strokes
    drawing.press("propose-rest")
    drawing.wait("element.dressform.document.strokes.length > 3")
    assert [s for s in drawing.strokes if s["source"] == "drawn"] == mine
    theirs = {s["role"] for s in drawing.strokes if s["source"] == "proposed"}
    assert theirs
    assert not theirs & {"head", "face"}


@everywhere
def test_run_uses_the_proposal_until_something_is_drawn(draw, frontend, vue_nodes):
    drawing = draw("dressform_tee.jpg", frontend=frontend, VueNodes_Enabled=vue_nodes)
    render = drawing.page.evaluate(WIRED, True)
    assert drawing.run() == "success"
    drawing.wait("!element.querySelector('.df-hint').hidden")
    assert drawing.text == ""
    shown = f"app.graph.getNodeById({render}).imgs?.length"
    if not vue_nodes:  # Nodes 2.0 shows pictures without keeping them on the node
        drawing.page.wait_for_function(shown)
    drawing.picture(f"run-{frontend}-{'vue' if vue_nodes else 'classic'}")
    drawing.settle()
    drawing.drag((100, 850), (200, 900))
    kinds = [stroke["source"] for stroke in drawing.strokes]
    assert kinds.count("drawn") == 1
    assert kinds.count("proposed") > 1  # the proposal was taken up, not lost
    assert drawing.run() == "success"
    assert json.loads(drawing.text) == drawing.document


@renderers
def test_run_stops_on_strokes_of_another_photo_with_a_sentence(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.drag(*DIAGONAL)
    drawing.page.evaluate(WIRED, False)
    drawing.load_photo("other.png")
    log = drawing.page.server.log()
    ended = json.loads(drawing.run())
    assert "when_photo_changes" in ended["exception_message"]
    assert "Traceback" not in drawing.page.server.log()[len(log) :]
