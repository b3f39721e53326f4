"""The page on which people vote, in a real browser: keys, fingers, languages, light and dark."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from dressform.imaging import pictures
from dressform.quality.votes import journal
from PIL import Image

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "out" / "browser"  # where a person looks at screenshots
STEP_TIMEOUT_MS = 30_000


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    """Three garments, as they are and a little hazy, and their photos."""
    base = tmp_path_factory.mktemp("vote")
    for name in ("headless", "full", "armless"):
        model = pictures.open_picture(ROOT / "samples" / name / "model.jpg")
        for arm, picture in (("plain", model), ("hazy", (model * 0.8 + 44).astype("uint8"))):
            (base / arm).mkdir(exist_ok=True)
            Image.fromarray(picture).resize((384, 512)).save(base / arm / f"{name}.png")
        (base / "photos").mkdir(exist_ok=True)
        photo = Image.open(ROOT / "samples" / name / "photo.jpg")
        photo.resize((384, 512)).save(base / "photos" / f"{name}.jpg")
    return base


@pytest.fixture
def session(arms, tmp_path):
    """Returns a function: starts the command; gives its address."""
    started = []

    def start(*options):
        command = [sys.executable, "-m", "dressform.cli", "vote", arms / "plain", arms / "hazy"]
        command += ["--out", tmp_path / "out", "--no-browser", *options]
        process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return re.search(r"http\S+", process.stdout.readline())[0]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def open_page(chromium):
    """Returns a function: a page of its own with some settings; it must log no error."""
    contexts, errors = [], []

    def start(address, rater="Ann", **settings):
        settings = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **settings}
        context = chromium.new_context(**settings)
        contexts.append(context)
        context.set_default_timeout(STEP_TIMEOUT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: said.type == "error" and errors.append(said.text))
        page.goto(address)
        if rater:
            page.fill("#rater", rater)
            page.click("#start")
            ready(page)
        page.errors = errors
        return page

    yield start
    for context in contexts:
        context.close()
    assert errors == []


def ready(page):
    page.wait_for_selector("#vote:not([hidden]):not(.loading)")


def wait_done(page, count):
    page.wait_for_function(
        "count => document.querySelector('#progress').getAttribute('aria-valuenow') == count",
        arg=str(count),
    )


def votes(tmp_path):
    return list(journal.read(tmp_path / "out" / "votes.jsonl"))


def shoot(page, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SHOTS / f"vote_{name}.png"))


def test_a_person_votes_with_the_keyboard_and_takes_one_back(session, open_page, arms, tmp_path):
    page = open_page(session("--photos", str(arms / "photos")), color_scheme="dark")
    assert page.inner_text("#question") == "Which picture would you put in your shop?"
    for figure in ("left", "photo", "right"):
        assert page.eval_on_selector(f"#{figure} img", "image => image.naturalWidth") == 384
    shoot(page, "dark")
    page.keyboard.press("ArrowLeft")
    wait_done(page, 1)
    ready(page)
    page.keyboard.press("z")
    page.wait_for_selector('[data-choice="left"][aria-pressed="true"]')
    ready(page)
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('[aria-pressed="true"]', state="detached")
    ready(page)
    page.keyboard.press("ArrowDown")
    wait_done(page, 2)
    ready(page)
    page.keyboard.press("s")
    wait_done(page, 3)
    page.wait_for_selector("#end:not([hidden])")
    shoot(page, "end")
    assert [vote.choice for vote in votes(tmp_path)] == ["left", "right", "same", "skip"]
    assert {vote.rater for vote in votes(tmp_path)} == {"Ann"}
    assert all(vote.seconds > 0 for vote in votes(tmp_path))


def test_reloading_goes_on_where_it_stopped(session, open_page, tmp_path):
    page = open_page(session())
    page.click('[data-choice="left"]')
    wait_done(page, 1)
    page.reload()
    ready(page)
    assert page.inner_text("#count") == "1 of 3"


def test_fingers_vote_on_a_telephone_in_chinese(session, open_page, arms, tmp_path):
    page = open_page(
        session("--photos", str(arms / "photos")),
        rater="小李",
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        locale="zh-CN",
        color_scheme="light",
    )
    assert page.inner_text("#question") == "您会把哪张图放进店铺?"
    shoot(page, "telephone_zh_light")
    for button in page.query_selector_all("footer button, header button"):
        box = button.bounding_box()
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["y"] + box["height"] <= 844
    page.tap('[data-choice="right"]')
    wait_done(page, 1)
    assert [(vote.choice, vote.rater) for vote in votes(tmp_path)] == [("right", "小李")]


def test_language_and_theme_change_and_stay(session, open_page):
    page = open_page(session(), color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    shoot(page, "light")
    page.click("#theme")
    assert page.evaluate(ground) != light
    page.click("#language")
    assert page.inner_text('[data-choice="same"] span') == "没有区别"
    dark = page.evaluate(ground)
    page.reload()
    ready(page)
    assert page.evaluate(ground) == dark
    assert page.inner_text('[data-choice="same"] span') == "没有区别"


def test_a_click_shows_the_same_place_of_both_pictures_closer(session, open_page, tmp_path):
    page = open_page(session())
    box = page.query_selector("#left").bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    moved = [
        page.eval_on_selector(f"#{side} img", "image => image.style.transform")
        for side in ("left", "right")
    ]
    assert moved[0] == moved[1]
    assert "scale(3)" in moved[0]
    shoot(page, "zoom")
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    assert page.eval_on_selector("#left img", "image => image.style.transform") == ""
    assert votes(tmp_path) == []


def test_hasty_keys_answer_one_question_once(session, open_page, tmp_path):
    page = open_page(session())
    page.evaluate(
        """() => { for (const key of ["ArrowLeft", "ArrowRight", "ArrowLeft"])
            dispatchEvent(new KeyboardEvent("keydown", { key })); }"""
    )
    wait_done(page, 1)
    ready(page)
    assert [vote.choice for vote in votes(tmp_path)] == ["left"]


def test_an_answer_that_was_not_saved_says_so(session, open_page, tmp_path):
    page = open_page(session())
    page.route("**/api/vote", lambda route: route.abort())
    page.click('[data-choice="left"]')
    page.wait_for_selector("#notice:not([hidden])")
    assert "Not saved" in page.inner_text("#notice")
    assert page.inner_text("#count") == "0 of 3"
    page.errors.clear()  # the browser's own word on the lost connection
    page.unroute("**/api/vote")
    page.click('[data-choice="left"]')
    wait_done(page, 1)
    assert page.is_hidden("#notice")
    assert len(votes(tmp_path)) == 1


def test_the_welcome_tells_what_will_happen(session, open_page):
    page = open_page(session(), rater="")
    assert page.is_visible("#about")
    shoot(page, "welcome")
    page.click("#start")  # no name: the browser asks for one
    assert page.is_visible("#welcome")
