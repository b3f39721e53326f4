"""The canvas of Draw Hints under mouse and buttons, in the real editor."""

import random

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
ACTIONS = 30


@everywhere
def test_a_drag_leaves_a_stroke_where_the_pointer_went(draw, frontend, vue_nodes):
    drawing = draw(frontend=frontend, VueNodes_Enabled=vue_nodes)
    assert drawing.text == ""
    drawing.drag(*DIAGONAL)
    (stroke,) = drawing.strokes
    assert stroke["source"] == "drawn"
    assert stroke["role"] == "head"
    for end, point in ((DIAGONAL[0], stroke["points"][0]), (DIAGONAL[-1], stroke["points"][-1])):
        assert point[:2] == pytest.approx(end, abs=1)
    assert drawing.document["photo"] == drawing.tell("element.dressform.photo.fingerprint")
    drawing.picture(f"drawn-{frontend}-{'vue' if vue_nodes else 'classic'}")


@everywhere
def test_undo_and_redo_go_through_the_strokes(draw, frontend, vue_nodes):
    drawing = draw(frontend=frontend, VueNodes_Enabled=vue_nodes)
    drawing.drag(*DIAGONAL)
    one = drawing.text
    drawing.drag((200, 60), (220, 300))
    both = drawing.text
    drawing.press("undo")
    assert drawing.text == one
    drawing.press("undo")
    assert drawing.text == ""
    assert drawing.find("undo").is_disabled()
    drawing.press("redo")
    drawing.press("redo")
    assert drawing.text == both
    assert drawing.find("redo").is_disabled()


@renderers
def test_a_stroke_after_undo_ends_what_could_be_redone(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.drag(*DIAGONAL)
    drawing.press("undo")
    drawing.drag((200, 60), (220, 300))
    assert len(drawing.strokes) == 1
    assert drawing.find("redo").is_disabled()


@renderers
def test_eraser_cuts_a_stroke_in_two_and_undo_mends_it(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.press("line")
    drawing.drag((60, 200), (240, 200))
    whole = drawing.text
    drawing.press("eraser")
    drawing.drag((150, 160), (150, 240))
    left, right = sorted(drawing.strokes, key=lambda stroke: stroke["points"][0][0])
    assert left["points"][-1][0] < 150 < right["points"][0][0]
    drawing.press("undo")
    assert drawing.text == whole


@renderers
def test_mirror_changes_the_side_and_a_copy_keeps_the_original(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.press("limb")  # chooses the left arm
    drawing.drag((200, 120), (260, 240))
    (arm,) = drawing.strokes
    drawing.press("mirror")
    (mirrored,) = drawing.strokes
    assert (arm["role"], mirrored["role"]) == ("arm_left", "arm_right")
    for (x, y, _), (other_x, other_y, _) in zip(arm["points"], mirrored["points"], strict=True):
        assert (other_x, other_y) == pytest.approx((299 - x, y), abs=0.02)  # 300 pixels wide
    drawing.press("undo")
    drawing.press("mirror-copy")
    assert [stroke["role"] for stroke in drawing.strokes] == ["arm_left", "arm_right"]


@renderers
def test_a_chosen_stroke_is_moved_nudged_and_deleted(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.press("line")
    drawing.drag((100, 100), (200, 100))
    drawing.drag((100, 300), (200, 300))
    drawing.press("move")
    drawing.drag((150, 100), (170, 150))
    moved, kept = drawing.strokes
    assert moved["points"][0][:2] == pytest.approx([120, 150], abs=1)
    assert kept["points"][0][:2] == pytest.approx([100, 300], abs=1)
    drawing.keys("ArrowRight", "Shift+ArrowDown")
    nudged = drawing.strokes[0]["points"][0]
    assert nudged[0] - moved["points"][0][0] == pytest.approx(1)
    assert nudged[1] - moved["points"][0][1] == pytest.approx(10)
    drawing.press("delete")
    assert drawing.strokes == [kept]


@renderers
def test_head_template_makes_an_outline_and_a_face(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.press("head")
    drawing.drag((120, 40), (180, 120))
    assert [(s["role"], s["closed"]) for s in drawing.strokes] == [
        ("head", True),
        ("face", False),
        ("face", False),
    ]
    drawing.press("undo")
    assert drawing.text == ""


@renderers
def test_role_radius_and_pressure_are_those_of_the_next_stroke(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.root.query_selector("[data-control=role]").select_option("leg_right")
    drawing.root.query_selector("[data-control=radius]").fill("17")
    drawing.root.query_selector("[data-control=pressure]").click()
    drawing.drag(*DIAGONAL)
    (stroke,) = drawing.strokes
    assert (stroke["role"], stroke["color"]) == ("leg_right", "#66c2a5")
    assert stroke["radius_px"] == 17
    assert {pressure for *_, pressure in stroke["points"]} == {1}


@renderers
def test_zoomed_and_moved_canvas_still_draws_under_the_pointer(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.press("zoom-in")
    drawing.press("zoom-in")
    drawing.page.keyboard.down(" ")
    drawing.drag((150, 200), (170, 220))
    drawing.page.keyboard.up(" ")
    assert drawing.strokes == []
    drawing.drag((140, 180), (160, 240))
    (stroke,) = drawing.strokes
    assert stroke["points"][0][:2] == pytest.approx([140, 180], abs=0.6)
    drawing.press("zoom-fit")
    corners = drawing.places([(0, 0), (299, 399)])
    stage = drawing.root.query_selector(".df-stage").bounding_box()
    for x, y in corners:
        assert stage["x"] < x < stage["x"] + stage["width"]
        assert stage["y"] < y < stage["y"] + stage["height"]


@renderers
def test_graph_zoom_leaves_the_pointer_on_the_photo(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.page.evaluate("app.canvas.ds.changeScale(0.6, [0, 0]); app.canvas.setDirty(true, true)")
    drawing.settle()
    drawing.drag(*DIAGONAL)
    (stroke,) = drawing.strokes
    assert stroke["points"][-1][:2] == pytest.approx(DIAGONAL[-1], abs=1.5)


@renderers
def test_full_screen_and_back_keep_drawing_and_strokes(draw, vue_nodes):
    drawing = draw(photo="dressform_tee.jpg", VueNodes_Enabled=vue_nodes)
    drawing.drag((300, 200), (400, 300))
    before = drawing.text
    drawing.press("fullscreen")
    drawing.wait("element.getBoundingClientRect().width > 1600")
    drawing.settle()
    drawing.drag((360, 60), (420, 130), (380, 160))
    drawing.picture(f"fullscreen-{'vue' if vue_nodes else 'classic'}")
    assert len(drawing.strokes) == 2
    drawing.press("fullscreen")
    drawing.wait("element.getBoundingClientRect().width < 700")
    drawing.settle()
    drawing.press("undo")
    assert drawing.text == before


@renderers
def test_undo_of_thirty_random_actions_ends_at_the_start(draw, vue_nodes):
    drawing = draw(VueNodes_Enabled=vue_nodes)
    drawing.drag(*DIAGONAL)
    start = drawing.text
    before = drawing.tell("element.dressform.history.past.length")
    for act in _random_actions(random.Random(4), ACTIONS):  # noqa: S311 (no secret)
        act(drawing)
    end = drawing.text
    steps = drawing.tell("element.dressform.history.past.length") - before
    assert steps >= ACTIONS // 2  # some act on nothing, as a delete without a choice
    drawing.focus()
    drawing.keys(*["Control+z"] * steps)
    assert drawing.text == start
    drawing.keys(*["Control+y"] * steps)
    assert drawing.text == end


def _random_actions(rng, count):
    def drag(tool):
        points = [(rng.uniform(10, 290), rng.uniform(10, 390)) for _ in range(rng.randint(2, 4))]
        return lambda drawing: (drawing.press(tool), drawing.drag(*points))

    def button(name):
        return lambda drawing: drawing.find(name).is_enabled() and drawing.press(name)

    def key(name):
        return lambda drawing: (drawing.focus(), drawing.keys(name))

    tools = ["pen", "pen", "line", "eraser", "head", "limb", "move"]
    buttons = ["mirror", "mirror-copy", "delete", "clear"]
    kinds = [(drag, tools)] * 6 + [(button, buttons), (key, ["ArrowUp", "Delete", "Shift+M"])]
    for _ in range(count):
        make, names = rng.choice(kinds)
        yield make(rng.choice(names))
