"""Both languages say everything, with the same values."""

import re
from pathlib import Path
from string import Formatter

import pytest

ROOT = Path(__file__).parents[3] / "billing_server"
PAGES = ROOT / "dashboard"
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def catalogues(need):
    flask = pytest.importorskip("flask")
    assert flask
    from dressform.billing_server.dashboard import words

    return {language: words.catalogue(language) for language in words.LANGUAGES}


def values(sentence):
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def named(sections):
    """What templates and Python quote that begins like a sentence's name, whole or in part."""
    files = *PAGES.rglob("*.html"), *PAGES.glob("*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    quoted = re.findall(r"""["']([a-z_]+)\.([a-z_]*)["'{]""", text)
    return {f"{one}.{name}" for one, name in quoted if one in sections and name != "html"}


def test_languages_have_the_same_sentences(catalogues):
    assert catalogues["en"].keys() == catalogues["zh"].keys()


def test_sentences_take_the_same_values(catalogues):
    for name, sentence in catalogues["en"].items():
        assert values(sentence) == values(catalogues["zh"][name]), name


def test_chinese_is_chinese_and_its_punctuation_wide(catalogues):
    for name, sentence in catalogues["zh"].items():
        if name.startswith(("usage.none_day", "usage.none_gpu", "usage.by_gpu", "keys.of")):
            continue
        assert CHINESE.search(sentence), name
        assert not re.search(r"[\u4e00-\u9fff][,:;?!()]", sentence), name


def test_every_sentence_that_a_page_names_exists_and_none_is_left_over(catalogues):
    said = catalogues["en"].keys()
    names = named({one.partition(".")[0] for one in said})
    begun = ("done.", *(one for one in names if one.endswith((".", "_"))))
    assert {one for one in names if not one.endswith((".", "_"))} <= said
    left = {one for one in said - names if not one.startswith(begun)}
    assert {one for one in left if not one.endswith(".title")} == set()


def test_every_state_and_kind_of_the_ledger_and_payments_has_a_word(catalogues):
    from dressform.billing_server.keys import SCOPES
    from dressform.billing_server.ledger.values import GRANT_KINDS, REQUIRED

    said = catalogues["en"]
    wanted = [f"kind.{one}" for one in REQUIRED] + [f"grant.{one}" for one in GRANT_KINDS]
    wanted += [f"scope.{one}" for one in SCOPES]
    states = ("new", "open", "processing", "paid", "failed", "expired")
    wanted += [f"order.{one}" for one in (*states, "partly_refunded", "refunded", "disputed")]
    wanted += [f"order.about_{one}" for one in states]
    stops = ("declined", "authentication_required", "no_card", "disputed", "capped")
    wanted += [f"top_up.{one}" for one in stops]
    assert [one for one in wanted if one not in said] == []
