"""The demo on a real ComfyUI, and its report."""

import json
import re

import pytest
from dressform import demo

pytestmark = pytest.mark.comfyui


@pytest.fixture(scope="module")
def out(comfyui, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    demo.demonstrate(folder, url=comfyui.url)
    return folder


@pytest.fixture(scope="module")
def page(out):
    return (out / "report.html").read_text(encoding="utf-8")


def test_the_report_tells_the_whole_story_in_order(page):
    titles = ["The photo", *(title for title, _, _ in demo.STEPS.values())]
    places = [page.index(title) for title in titles]
    assert places == sorted(places)
    # Before and after, the photo, five steps, and two pictures beside a step.
    assert len(re.findall(r'src="data:image/(?:jpeg|png);base64,', page)) == 2 + 1 + 5 + 2


def test_the_report_needs_no_network_and_names_no_path(page, out):
    assert not re.findall(r'(?:src|href)="(?!data:)[^"#]', page)
    assert str(out) not in page


def test_the_report_says_what_the_scores_say(page, out):
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    found = {entry["title"]: entry for entry in record["outputs"].values()}
    scores = json.loads((out / found[demo.SCORES]["files"][0]).read_text(encoding="utf-8"))
    assert scores["summary"] in page
    assert all(check["sentence"] in page.replace("&#x27;", "'") for check in scores["checks"])


def test_the_report_counts_the_start_only_where_it_started(page, out):
    assert "Starting ComfyUI" not in page
    assert "Make Model Photo" in page
    started = demo.report(out, demo.PHOTO, demo.PERSON, start_s=12.5).read_text(encoding="utf-8")
    assert "Starting ComfyUI" in started
    assert "12.5 s" in started


def test_without_weights_the_report_names_the_engine_that_stepped_in_and_why(page):
    assert "warp (no weights, deterministic)" in page
    assert "The engine warp was used instead" in page
    assert "weights get flux2-klein-4b" in page


def test_outputs_of_another_workflow_are_refused(tmp_path):
    (tmp_path / "run.json").write_text('{"outputs": {}}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"outputs of mannequin_to_model\.json are required"):
        demo.report(tmp_path, demo.PHOTO, demo.PERSON)
