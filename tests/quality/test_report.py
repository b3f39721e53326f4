import base64
import errno
import io
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from dressform.quality import report, verdict
from PIL import Image


class Tags(HTMLParser):
    """Collects tags and addresses, and complains about tags that are never closed."""

    VOID = ("meta", "img", "input", "br")

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.seen = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(tmp_path_factory, model, source, parsing):
    path = report.write(
        tmp_path_factory.mktemp("report") / "new" / "report.html",
        title="Shirt <1> & Co",
        steps=[
            report.Step("Photo", "As it came in <script>alert(1)</script>.", source, "原图"),
            report.Step("Parsed", "What is where.", source, legend=[("garment", (0, 158, 115))]),
            report.Step("Two", "Side by side.", [source, model]),
        ],
        verdict=verdict.check(model, source, parsing),
        timings={"Parse": 1.25, "Try on": 2.5},
        meta={"Engine": "warp", "Seed": 0},
        compare=(source, model),
    )
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def verdict_of_the_model(model, source, parsing):
    return verdict.check(model, source, parsing)


def test_the_page_is_one_file_without_a_network(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.addresses
    assert all(address.startswith("data:image/jpeg;base64,") for address in tags.addresses)
    assert not {"script", "link", "iframe"} & set(tags.seen)
    assert not re.search(r"https?://|@import|url\(", page)


def test_text_is_escaped(page):
    assert "<title>Shirt &lt;1&gt; &amp; Co</title>" in page
    assert "&lt;script&gt;alert(1)" in page


def test_every_text_of_the_caller_is_escaped(tmp_path, source, verdict_of_the_model):
    evil = '"><svg onload=alert(1)>$title'
    path = report.write(
        tmp_path / "r.html",
        title=evil,
        steps=[report.Step(evil, evil, source, evil, legend=[(evil, (1, 2, 3))])],
        verdict=verdict_of_the_model,
        timings={evil: 1.0},
        meta={evil: evil},
    )
    text = path.read_text(encoding="utf-8")
    assert "<svg" not in text
    assert text.count("&lt;svg onload=alert(1)&gt;$title") >= 8
    assert [one.name for one in tmp_path.iterdir()] == ["r.html"]


def test_full_disk_leaves_the_old_report(tmp_path, monkeypatch, verdict_of_the_model):
    path = tmp_path / "r.html"
    path.write_text("old", encoding="utf-8")

    def full(self, text, **options):
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(report.Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        report.write(path, title="t", steps=[], verdict=verdict_of_the_model, timings={}, meta={})
    assert path.read_text(encoding="utf-8") == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["r.html"]


def test_nothing_of_the_template_is_left_over(page):
    assert not re.search(r"\$[a-z{]", page)


def test_the_page_tells_verdict_steps_checks_times_and_origin(page):
    for text in ("PASS", "Ready to publish", "可以发布", "原图", "Veil", "灰雾", "not measured"):
        assert text in page
    assert "width:50.0%" in page  # 1.25 s of 2.5 s
    assert "3.8 s" in page  # the total
    assert "<dt>Seed</dt><dd>0</dd>" in page
    assert "rgb(0,158,115)" in page
    assert page.count("<article") == 3


def test_both_colour_schemes_are_styled(page):
    assert "prefers-color-scheme: dark" in page


def test_large_pictures_are_bounded():
    uri = report.data_uri(np.zeros((3000, 1500, 3), np.uint8))
    picture = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    assert picture.size == (600, 1200)


def test_small_pictures_keep_their_size():
    uri = report.data_uri(np.zeros((30, 20, 3), np.uint8))
    assert Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).size == (20, 30)


def test_a_run_without_times_and_a_slider_still_has_a_report(tmp_path, model, source, parsing):
    moved = verdict.check(np.roll(model, 20, 1), source, parsing)
    path = report.write(
        tmp_path / "r.html", title="t", steps=[], verdict=moved, timings={}, meta={}
    )
    text = path.read_text(encoding="utf-8")
    assert "NOT MEASURED" in text
    assert "No times were recorded" in text


def test_a_float_picture_is_refused():
    with pytest.raises(ValueError, match="picture must be height x width x 3 uint8"):
        report.data_uri(np.zeros((4, 4, 3)))
