"""What Draw Hints says and how it looks: languages, themes, hostile and huge workflows."""

import copy
import json
import random

import pytest
from dressform.imaging import strokes

pytestmark = [pytest.mark.comfyui, pytest.mark.browser]

RENDERERS = {"classic": False, "nodes-2.0": True}
renderers = pytest.mark.parametrize("vue_nodes", RENDERERS.values(), ids=RENDERERS)
languages = pytest.mark.parametrize("language", ["en", "zh"])
DIAGONAL = ((60, 80), (120, 140), (180, 230))
MALFORMED = 1000
MIN_CONTRAST = 4.5  # WCAG 2.2, 1.4.3: text against its ground
SIZES = {"narrow": (330, 560), "wide": (900, 760)}
# Sets each value, as a workflow file would, and tells what came of it.
SET_ALL = """([element, texts]) => texts.map(text => {
  const widget = app.graph.getNodeById(2).widgets.find(one => one.name === 'strokes')
  widget.value = text
  const notice = element.querySelector('[data-notice]')
  return {
    isRead: element.dressform.document !== null,
    kept: widget.value === text,
    code: notice.hidden ? '' : notice.dataset.notice,
    said: notice.textContent.trim(),
  }
})"""


def is_chinese(text):
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def a_document(count=2, points=4):
    line = [[10.0 + i, 20.5 + 2 * i, 1.0] for i in range(points)]
    stroke = {"role": "head", "points": line, "radius_px": 4.0, "color": "#e69f00"}
    stroke |= {"closed": False, "source": "drawn"}
    return {
        "version": 1,
        "width": 300,
        "height": 400,
        "photo": "",
        "strokes": [copy.deepcopy(stroke) for _ in range(count)],
        "landmarks": [[5.0, 6.0, 0.5] for _ in range(18)],
    }


def mutated(rng):
    """A document with one to three things wrong, or right in another way, or a broken text."""
    document = a_document()
    for _ in range(rng.randint(1, 3)):
        holder, key = rng.choice(list(_places(document)))
        act = rng.random()
        if act < 0.6:
            holder[key] = copy.deepcopy(rng.choice(STRANGE))
        elif act < 0.8:
            del holder[key]
        elif isinstance(holder, dict):
            holder[rng.choice(["x", "", "__proto__", "constructor", key + " "])] = holder[key]
        else:
            holder.append(rng.choice(STRANGE))
        if not document:
            break
    text = json.dumps(document)
    if rng.random() < 0.15:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(["", "NaN", "{", "\u0000", "1e999", "🧵"]) + text[at + 1 :]
    return text


STRANGE = [
    None, True, False, 0, -1, 1, 1.5, 1e308, -1e308, 10**30, "", "x", "1", "#e69f00", "#E69F00",
    "head", "toString", "__proto__", "衣服", [], {}, [[]], [1, 2, 3], [1, 2], [1, 2, 3, 4],
    {"length": 3}, {"0": 1}, [None, None, None], ["1", "2", "3"], [10**9, 0, 1], [1, 1, 2],
]  # fmt: skip


def _places(holder):
    for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
        yield holder, key
        if isinstance(value, dict | list):
            yield from _places(value)


def is_good(text):
    try:
        strokes.from_json(text)
    except ValueError:
        return False
    return True


@renderers
@languages
def test_a_thousand_malformed_values_are_refused_with_a_sentence(draw, vue_nodes, language):
    rng = random.Random(41)  # noqa: S311 (no secret)
    texts = [text for text in (mutated(rng) for _ in range(2 * MALFORMED)) if not is_good(text)]
    texts = texts[:MALFORMED]
    assert len(texts) == MALFORMED
    drawing = draw(VueNodes_Enabled=vue_nodes, Locale=language)
    results = drawing.page.evaluate(SET_ALL, [drawing.root, texts])
    wrong = [
        (text, result)
        for text, result in zip(texts, results, strict=True)
        if result["isRead"]
        or not result["kept"]  # nothing of a workflow is lost by looking at it
        or result["code"] in ("", "unexpected")
        or (language == "zh") != is_chinese(result["said"].replace("衣服", ""))
    ]
    assert wrong == []
    drawing.text = json.dumps(a_document())
    assert len(drawing.strokes) == 2
    assert drawing.page.errors == []


def test_browser_and_python_accept_the_same_documents(draw):
    rng = random.Random(7)  # noqa: S311 (no secret)
    texts = [mutated(rng) for _ in range(MALFORMED)]
    drawing = draw()
    results = drawing.page.evaluate(SET_ALL, [drawing.root, texts])
    assert 10 < sum(map(is_good, texts)) < MALFORMED
    assert [
        (text, result["said"])
        for text, result in zip(texts, results, strict=True)
        if result["isRead"] != is_good(text)
    ] == []


@renderers
@languages
def test_two_megabytes_are_refused_with_a_sentence(draw, vue_nodes, language):
    text = json.dumps(a_document(count=400, points=290))
    assert len(text) > strokes.MAX_BYTES
    drawing = draw(strokes=text, VueNodes_Enabled=vue_nodes, Locale=language)
    code, sentence = drawing.notice
    assert code == "too-long"
    assert str(strokes.MAX_BYTES) in sentence
    assert is_chinese(sentence) == (language == "zh")
    assert drawing.text == text
    answer = drawing.page.evaluate(
        """async () => {
          const { output } = await app.graphToPrompt()
          const body = JSON.stringify({ prompt: output })
          const answer = await fetch('/prompt', { method: 'POST', body })
          return [answer.status, await answer.text()]
        }"""
    )
    assert answer[0] == 400
    assert drawing.document is None


@renderers
def test_a_stroke_that_would_be_too_much_is_refused_and_the_drawing_stays(draw, vue_nodes):
    drawing = draw(strokes=json.dumps(a_document(count=500)), VueNodes_Enabled=vue_nodes)
    text = drawing.text
    drawing.drag(*DIAGONAL)
    code, sentence = drawing.notice
    assert code == "too-many-strokes"
    assert "500" in sentence
    assert drawing.text == text
    drawing.press("undo") if drawing.find("undo").is_enabled() else None
    drawing.press("eraser")
    drawing.drag((0, 0), (40, 60))
    assert len(drawing.strokes) < 500


@renderers
@languages
def test_every_tool_has_a_name_in_the_language_of_the_editor(draw, vue_nodes, language):
    drawing = draw(VueNodes_Enabled=vue_nodes, Locale=language)
    names = drawing.tell(
        "[...element.querySelectorAll('button, select, input, textarea')]"
        ".map(one => [one.outerHTML.slice(0, 90), one.getAttribute('aria-label') ?? ''])"
    )
    assert len(names) > 20
    assert [one for one, name in names if not name.strip()] == []
    assert [one for one, name in names if is_chinese(name) != (language == "zh")] == []
    repeated = [name for _, name in names]
    assert len(set(repeated)) >= len(repeated) - 1  # clear stands in the toolbar and the notice
    roles = drawing.tell("[...element.querySelectorAll('option')].map(one => one.text)")
    assert len(roles) == len(strokes.ROLES)
    assert all(is_chinese(role) == (language == "zh") for role in roles)


@renderers
@pytest.mark.parametrize(("theme", "language"), [("dark", "en"), ("light", "zh")])
def test_words_stand_out_from_their_ground_in_both_themes(draw, vue_nodes, theme, language):
    drawing = draw("dressform_tee.jpg", VueNodes_Enabled=vue_nodes, ColorPalette=theme,
                   Locale=language)  # fmt: skip
    drawing.drag((360, 60), (420, 130), (380, 160))
    drawing.load_photo("dressform_mannequin.jpg")
    drawing.wait("element.querySelector('[data-notice=photo-changed]:not([hidden])')")
    selectors = [".df-button:not(:disabled):not([aria-pressed=true])", ".df-field", ".df-sentence"]
    selectors += [".df-choice", ".df-number"]
    poor = {one: ratio for one in selectors if (ratio := contrast(drawing, one)) < MIN_CONTRAST}
    drawing.picture(f"theme-{theme}-{language}-{'vue' if vue_nodes else 'classic'}")
    assert poor == {}


def contrast(drawing, selector):
    """The contrast of an element's text to what lies below it."""
    return drawing.tell(
        """(one => {
          // The browser itself turns any way to write a colour into bytes.
          const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
          const layers = []
          for (let at = one; at; at = at.parentElement) layers.unshift(at)
          for (const layer of layers) {
            context.fillStyle = getComputedStyle(layer).backgroundColor
            context.fillRect(0, 0, 1, 1)
          }
          const light = () => {
            const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map(v =>
              v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4)
            return 0.2126 * r + 0.7152 * g + 0.0722 * b
          }
          const below = light()
          context.fillStyle = getComputedStyle(one).color
          context.fillRect(0, 0, 1, 1)
          const [low, high] = [below, light()].sort((a, b) => a - b)
          return (high + 0.05) / (low + 0.05)
        })(element.querySelector(values[0]))""",
        selector,
    )


@renderers
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_all_tools_are_in_sight_in_narrow_and_wide_nodes(draw, vue_nodes, size):
    drawing = draw("dressform_tee.jpg", size=size, VueNodes_Enabled=vue_nodes)
    drawing.drag((360, 60), (420, 130), (380, 160))
    drawing.picture(f"width-{size[0]}-{'vue' if vue_nodes else 'classic'}")
    outside = drawing.tell(
        """(outer => [...element.querySelectorAll('.df-bar button, .df-bar select, .df-bar input')]
          .filter(one => {
            const box = one.getBoundingClientRect()
            return box.width === 0 || box.left < outer.left || box.right > outer.right ||
              box.bottom > outer.bottom
          }).map(one => one.title))(element.getBoundingClientRect())"""
    )
    assert outside == []
    stage = drawing.root.query_selector(".df-stage").bounding_box()
    assert stage["height"] >= 200
