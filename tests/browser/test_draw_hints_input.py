"""Fingers, pens and keys on the canvas of Draw Hints, and what ComfyUI sees of them."""

import contextlib

import pytest

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.comfyui, pytest.mark.browser]

RENDERERS = {"classic": False, "nodes-2.0": True}
renderers = pytest.mark.parametrize("vue_nodes", RENDERERS.values(), ids=RENDERERS)
DIAGONAL = ((60, 80), (120, 140), (180, 230))
# What a key may change in the graph or around it.
GRAPH = """JSON.stringify([
  app.graph.nodes.map(n => [n.id, n.type, n.mode, n.pos, n.flags, n.size]),
  app.extensionManager.sidebarTab?.activeSidebarTabId ?? null])"""
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,[]+-= "


@pytest.fixture
def send(draw):
    """Returns a function: an input event as the device driver would make it."""
    sessions = {}

    def dispatch(drawing, kind, **event):
        page = drawing.page
        if page not in sessions:
            sessions[page] = page.context.new_cdp_session(page)
        sessions[page].send(f"Input.dispatch{kind}Event", event)

    yield dispatch
    for session in sessions.values():
        session.detach()


def touch(send, drawing, kind, *points):
    fingers = [
        {"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(drawing.places(points))
    ]
    send(drawing, "Touch", type=kind, touchPoints=fingers)


def pen(send, drawing, kind, point, force):
    [(x, y)] = drawing.places([point])
    send(
        drawing,
        "Mouse",
        type=kind,
        x=x,
        y=y,
        button="left",
        buttons=0 if kind == "mouseReleased" else 1,
        clickCount=1,
        force=force,
        pointerType="pen",
    )


@renderers
def test_one_finger_draws(draw, send, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    touch(send, drawing, "touchStart", (60, 80))
    touch(send, drawing, "touchMove", (120, 140))
    touch(send, drawing, "touchMove", (180, 230))
    touch(send, drawing, "touchEnd")
    (stroke,) = drawing.strokes
    assert stroke["points"][-1][:2] == pytest.approx((180, 230), abs=1.5)


@renderers
def test_two_fingers_zoom_and_leave_no_stroke(draw, send, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    before = drawing.tell("element.dressform.viewport.zoom")
    scale = drawing.page.evaluate("app.canvas.ds.scale")
    touch(send, drawing, "touchStart", (140, 180))
    touch(send, drawing, "touchMove", (141, 182))
    touch(send, drawing, "touchStart", (141, 182), (160, 220))
    for step in range(1, 6):
        touch(send, drawing, "touchMove", (141 - 4 * step, 182), (160 + 4 * step, 220))
    touch(send, drawing, "touchEnd")
    assert drawing.tell("element.dressform.viewport.zoom") > 1.2 * before
    assert drawing.text == ""
    assert drawing.page.evaluate("app.canvas.ds.scale") == scale
    touch(send, drawing, "touchStart", (150, 200))
    touch(send, drawing, "touchMove", (160, 220))
    touch(send, drawing, "touchEnd")
    assert len(drawing.strokes) == 1


@renderers
def test_cancelled_pointer_ends_the_stroke_and_the_next_one_starts_anew(draw, send, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    touch(send, drawing, "touchStart", (60, 80))
    touch(send, drawing, "touchMove", (120, 140))
    touch(send, drawing, "touchCancel")
    (kept,) = drawing.strokes
    drawing.drag((200, 60), (220, 300))
    assert drawing.strokes[0] == kept
    assert drawing.strokes[1]["points"][0][:2] == pytest.approx((200, 60), abs=1)


@renderers
def test_a_pen_presses_harder_and_lighter(draw, send, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    pen(send, drawing, "mousePressed", (60, 80), 0.2)
    for x, force in ((100, 0.4), (140, 0.8), (180, 0.9), (220, 0.9)):
        pen(send, drawing, "mouseMoved", (x, 80), force)
    pen(send, drawing, "mouseReleased", (220, 80), 0.9)
    (stroke,) = drawing.strokes
    pressures = [pressure for *_, pressure in stroke["points"]]
    assert pressures[0] == pytest.approx(0.2, abs=0.05)
    assert pressures[-1] == pytest.approx(0.9, abs=0.05)
    assert len(set(pressures)) > 2


@renderers
def test_undo_key_inside_takes_a_stroke_and_leaves_the_graph_alone(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    add_a_node(drawing)
    drawing.drag(*DIAGONAL)
    before = drawing.page.evaluate(GRAPH)
    drawing.keys("Control+z", "Control+z", "Control+z")
    drawing.page.wait_for_timeout(300)  # ComfyUI would undo a frame or two later
    assert drawing.text == ""
    assert drawing.page.evaluate(GRAPH) == before
    drawing.keys("Control+Shift+z")
    assert len(drawing.strokes) == 1
    assert drawing.page.evaluate(GRAPH) == before


@renderers
def test_undo_key_outside_takes_a_change_of_the_graph_and_keeps_the_drawing(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.drag(*DIAGONAL)
    text, photo = drawing.text, drawing.tell("element.dressform.photo.fingerprint")
    drawing.leave()
    add_a_node(drawing)
    for _ in range(3):  # Nodes 2.0 counts its layout of the new node as a change of its own
        drawing.keys("Control+z")
        with contextlib.suppress(playwright.TimeoutError):
            drawing.page.wait_for_function("app.graph.nodes.length === 2", timeout=5000)
            break
    assert drawing.page.evaluate("app.graph.nodes.length") == 2
    again = type(drawing)(drawing.page)  # ComfyUI's undo builds the nodes anew
    assert again.text == text
    assert again.tell("element.dressform.photo.fingerprint") == photo
    assert again.page.locator("[data-dressform]").count() == 1
    again.drag((200, 60), (220, 300))
    assert len(again.strokes) == 2
    again.press("undo")
    again.press("undo")
    assert again.text == ""


def add_a_node(drawing):
    drawing.page.evaluate("""() => {
      const node = LiteGraph.createNode('Note')
      node.pos = [1100, 200]
      app.graph.add(node)
      const tracker = app.extensionManager.workflow.activeWorkflow.changeTracker
      ;(tracker.captureCanvasState ?? tracker.checkState).call(tracker)
    }""")


@renderers
def test_keys_over_the_canvas_reach_neither_graph_nor_sidebar(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.drag(*DIAGONAL)
    drawing.page.evaluate("app.canvas.selectItems([app.graph.getNodeById(2)])")
    before, text = drawing.page.evaluate(GRAPH), drawing.text
    drawing.focus()
    for letter in LETTERS:
        if letter not in "fm":  # full screen and mirror: the drawing's own
            drawing.keys(letter)
    drawing.keys("Delete", "Backspace")
    drawing.page.wait_for_timeout(300)
    assert drawing.page.evaluate(GRAPH) == before
    assert drawing.text == text


@renderers
def test_keys_beside_the_canvas_do_nothing_in_it(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.drag(*DIAGONAL)
    text = drawing.text
    drawing.leave()
    drawing.keys("e", "Shift+M")
    assert drawing.text == text
    assert drawing.find("pen").get_attribute("aria-pressed") == "true"


@renderers
def test_keys_choose_the_tools(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.focus()
    for key, tool in {"e": "eraser", "l": "line", "h": "head", "b": "limb", "v": "move"}.items():
        drawing.keys(key)
        assert drawing.find(tool).get_attribute("aria-pressed") == "true"
    drawing.keys("p")
    assert drawing.find("pen").get_attribute("aria-pressed") == "true"


@renderers
def test_wheel_zooms_the_graph_until_the_canvas_has_the_focus(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.leave()
    [(x, y)] = drawing.places([(150, 200)])
    drawing.page.mouse.move(x, y)
    zoom = "element.dressform.viewport.zoom"
    before = drawing.tell(zoom)
    drawing.page.mouse.wheel(0, -100)
    drawing.page.wait_for_function("app.canvas.ds.scale > 1")
    assert drawing.tell(zoom) == before
    drawing.settle()
    drawing.focus()
    scale = drawing.page.evaluate("app.canvas.ds.scale")
    drawing.page.mouse.wheel(0, -100)
    drawing.wait(f"{zoom} > values[0]", before)
    assert drawing.page.evaluate("app.canvas.ds.scale") == scale
