"""docs/strokes.schema.json and imaging/strokes.py say the same, and survive malformed texts."""

import contextlib
import json
import re
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from dressform.imaging import body, hints, labels, pose, refit, strokes
from dressform.imaging.parsing import Parsing
from hypothesis import given, settings
from hypothesis import strategies as st

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "strokes.schema.json").read_text(encoding="utf-8")
)
STROKE = SCHEMA["$defs"]["stroke"]["properties"]
# The one rule on values that a schema cannot say (docs/strokes.md).
BEYOND_THE_PHOTO = re.compile(r"stroke \d+, point \d+: [xy] must be a number from -\d+ to \d+, got")


@pytest.fixture(scope="module")
def schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def numbers(low, high):
    return st.floats(low, high).map(lambda value: round(value, 2) + 0.0)


@st.composite
def documents(draw):
    """Stroke documents as Dressform builds them."""
    width, height = draw(st.integers(1, 16384)), draw(st.integers(1, 16384))
    point = st.tuples(numbers(-width, 2 * width), numbers(-height, 2 * height), numbers(0, 1))
    stroke = st.builds(
        strokes.Stroke,
        st.sampled_from(list(strokes.ROLES)),
        st.lists(point, min_size=1, max_size=4).map(tuple),
        numbers(0.1, 1000),
        st.from_regex(r"#[0-9a-f]{6}", fullmatch=True),
        st.booleans(),
        st.sampled_from(strokes.SOURCES),
    )
    far = strokes.MAX_LANDMARK_PX
    joint = st.tuples(numbers(-far, far), numbers(-far, far), numbers(0, 1))
    landmarks = st.just(()) | st.lists(joint, min_size=18, max_size=18).map(tuple)
    photo = draw(st.from_regex(r"[0-9a-f]{0,64}", fullmatch=True))
    listed = tuple(draw(st.lists(stroke, max_size=3)))
    return strokes.StrokeDocument(width, height, photo, listed, draw(landmarks))


@settings(max_examples=200)
@given(documents())
def test_what_is_written_fits_the_schema_and_reads_back_equal(document):
    text = strokes.to_json(document)
    jsonschema.validate(json.loads(text), SCHEMA, jsonschema.Draft202012Validator)
    assert strokes.from_json(text) == document


def test_proposed_and_fitted_documents_fit_the_schema(schema):
    label_map = np.zeros((160, 120), np.uint8)
    label_map[30:130, 35:85] = labels.GARMENT
    parsing = Parsing(label_map, kind="ghost", region="dress")
    located = body.locate(parsing)
    proposed = hints.propose(parsing, located, all_parts=True, photo="00ff")
    assert proposed.strokes
    for document in (
        proposed,
        refit.refit(proposed, located._replace(width=300)),
        strokes.resized(proposed, (999, 33)),
        strokes.StrokeDocument(1, 1),
    ):
        schema.validate(json.loads(strokes.to_json(document)))


def test_the_schema_takes_what_the_reader_takes(schema, changed):
    outcomes = []

    @settings(max_examples=600)
    @given(changed)
    def compare(content):
        try:
            strokes.from_content(content)
        except ValueError as error:
            refusal = str(error)
        else:
            refusal = ""
        outcomes.append(not refusal)
        assert schema.is_valid(content) is not bool(refusal) or BEYOND_THE_PHOTO.match(refusal)

    compare()
    assert outcomes.count(True) > 20  # harmless changes, or the comparison would say little
    assert outcomes.count(False) > 300


def test_the_limits_are_those_of_the_schema():
    side, listed = SCHEMA["$defs"]["side"], SCHEMA["properties"]["strokes"]
    points, radius = STROKE["points"], STROKE["radius_px"]
    landmarks = SCHEMA["properties"]["landmarks"]["oneOf"][1]
    assert SCHEMA["properties"]["version"]["const"] == strokes.VERSION
    assert (side["minimum"], side["maximum"]) == (1, strokes.MAX_SIDE_PX)
    assert listed["maxItems"] == strokes.MAX_STROKES
    assert (points["minItems"], points["maxItems"]) == (1, strokes.MAX_POINTS)
    assert (radius["minimum"], radius["maximum"]) == (
        strokes.MIN_RADIUS_PX,
        strokes.MAX_RADIUS_PX,
    )
    assert landmarks["minItems"] == landmarks["maxItems"] == len(pose.NAMES)
    x = SCHEMA["$defs"]["landmark"]["prefixItems"][0]
    assert (x["minimum"], x["maximum"]) == (-strokes.MAX_LANDMARK_PX, strokes.MAX_LANDMARK_PX)
    assert STROKE["role"]["enum"] == list(strokes.ROLES)
    assert STROKE["source"]["enum"] == list(strokes.SOURCES)


def test_the_documentation_says_the_limits_and_lists_every_role():
    page = (Path(__file__).parents[2] / "docs" / "strokes.md").read_text(encoding="utf-8")
    assert f"{strokes.MAX_BYTES:,} bytes" in page
    assert f"at most {strokes.MAX_STROKES}" in page
    for role, color in strokes.ROLES.items():
        assert f"`{role}`" in page
        assert f"`{color}`" in page
    assert ", ".join(pose.NAMES) in " ".join(page.split())


def test_malformed_texts_get_one_sentence_and_nothing_else(malformed):
    refused = []
    for text in malformed:
        try:
            read = strokes.from_json(text)
        except ValueError as error:
            refused.append(str(error))
        else:
            assert strokes.from_json(strokes.to_json(read)) == read
    assert len(refused) >= 1000
    for sentence in refused:
        assert re.search(r" must (be|have) .*\.$", sentence, re.DOTALL), sentence
        assert len(sentence) < 500
        assert sentence.isprintable(), repr(sentence)


def largest():
    """Texts of nearly the largest size, each the worst of its kind."""
    head = '{"version":1,"width":9,"height":9,"photo":"","strokes":['
    stroke = '{"role":"free","points":[%s],"radius_px":1,"color":"#ffffff",'
    stroke += '"closed":true,"source":"drawn"}'
    room = strokes.MAX_BYTES - 200
    return {
        "deep": "[" * room,
        "deep objects": '{"a":' * (room // 5),
        "lists": "[" + "[]," * (room // 3) + "[]]",
        "strokes": head + "0," * (room // 2) + "0]}",
        "keys": "{" + ",".join(f'"k{i}":0' for i in range(room // 12)) + "}",
        "one number": head + stroke % ("[" + "9" * room + ",1,1]") + "]}",
        "one text": '{"version":"' + "x" * room + '"}',
        "escapes": '"' + "\\u20ac" * (room // 6) + '"',
        "points": head + ",".join([stroke % ",".join(["[1,1,1]"] * 4900)] * 50) + "]}",
    }


@pytest.mark.parametrize("kind", list(largest()))
def test_the_largest_texts_cost_little_time(kind):
    text = largest()[kind]
    assert len(text) <= strokes.MAX_BYTES
    started = time.process_time()
    with contextlib.suppress(ValueError):  # some are good documents
        strokes.from_json(text)
    assert time.process_time() - started < 5  # under a second on an idle machine
