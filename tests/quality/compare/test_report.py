from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from dressform.quality.compare import document, junit, report, verdict
from dressform.quality.compare.exhibits import Exhibit
from dressform.quality.compare.factors import Factor

NASTY = "<script>alert(1)</script>"


class Tags(HTMLParser):
    """Collects tags and ids, and complains about tags that are never closed."""

    VOID = ("meta", "img", "input", "br", "path", "use", "rect")

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture
def told(make_table, plan, rng):
    gains = {
        f"garment={NASTY}": {"veil": rng.normal(-2, 1, 30), "edge": rng.normal(1, 1, 30)},
        "garment=shirt": {"veil": rng.normal(0, 1, 30), "edge": rng.normal(1, 1, 30)},
        "garment=sock": {"veil": rng.normal(0, 1, 3), "edge": rng.normal(1, 1, 3)},
    }
    table = make_table(gains)
    return document.build(
        table,
        plan,
        verdict.decide(table, plan),
        noise=None,
        suite={"name": f"shop {NASTY}", "sha256": "0" * 64, "profile": "0" * 64},
        factors=[Factor("LoRA", f"Load {NASTY}", "v3", "v4")],
        pictures={"baseline/a/1": "1" * 64},
    )


@pytest.fixture
def page(told):
    picture = np.full((40, 30, 3), 200, np.uint8)
    shown = [Exhibit(entry, picture, picture, None) for entry in told["worst"]]
    return report.build(told, shown)


def test_page_is_whole_and_runs_nothing_that_a_name_brings(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.seen.count("script") == 1
    assert tags.seen.count("svg") == 2
    assert NASTY not in page


def test_page_has_every_slice_and_the_worst_pairs(page, told):
    assert len(told["worst"]) == 12
    assert page.count("<figure>") == 12
    assert "garment=sock" in page
    assert 'lang="zh"' in page
    assert "v3" in page


def test_worst_pairs_are_of_different_scenes_and_in_order(told):
    scenes = [entry["scene"] for entry in told["worst"]]
    weights = [entry["weight"] for entry in told["worst"]]
    assert len(set(scenes)) == 12
    assert weights == sorted(weights, reverse=True)


def test_plots_take_the_colours_of_the_page_and_keep_their_bytes(told):
    from dressform.quality.compare import plots

    drawn = plots.forest(told)
    assert drawn == plots.forest(told)
    assert "var(--ink)" in drawn
    assert "http://www.w3.org" in drawn  # the namespace, which is no request
    assert "<image" not in drawn


def test_table_is_drawn_as_a_picture(told):
    from dressform.quality.compare import plots

    picture = plots.picture(told)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.std() > 5


def test_numbers_are_finite_and_short():
    assert document.rounded({"a": [float("nan"), 1 / 3, "x", 2]}) == {"a": [None, 0.333333, "x", 2]}


def test_junit_counts_what_is_not_passed(told):
    suite = ElementTree.fromstring(junit.build(told))  # noqa: S314 (our own)
    cases = suite.findall("testcase")
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    assert int(suite.get("tests")) == len(cases) == 3 + 3
    assert int(suite.get("failures")) == len(failed)
    assert "verdict" in failed
    assert f"veil in garment={NASTY}" in failed
    assert "veil in garment=shirt" not in failed
