import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from dressform.quality.compare import frozen, suite
from PIL import Image


def change(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_suite_is_read_with_paths_beside_it(suite_file):
    found = suite.load(suite_file)
    assert [scene.id for scene in found.scenes] == ["red", "blue"]
    assert found.scenes[0].files["photo"] == suite_file.parent / "red.png"
    assert found.plan.gates[0] == ("veil", 2.0)
    assert suite.slices(found) == {"red": ("garment=dress",), "blue": ("garment=shirt",)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dressform.suite/1", "dressform.suite/9", "must have schema"),
        ("seeds = [1, 2]", "seeds = [1]", "at least 2, got 1"),
        ("seeds = [1, 2]", "seeds = [1, 1]", "different whole numbers"),
        ("seeds = [1, 2]", "seeds = [1, 2]\nnoise_seeds = [2, 3]", "noise_seeds must be 2 other"),
        ("seeds = [1, 2]", "seeds = [1, 2]\nmargins = 3", "got also margins"),
        ("veil = 2.0", "veil = 0.0", "margin of veil must be above 0"),
        ("veil = 2.0", 'veil = "much"', "gates must be like veil = 2.0"),
        ('metric = "edge"', 'slice = "garment=dress"', "targets have a metric"),
        ('metric = "edge"', 'metric = "edge"\nslice = "garment=sock"', "slice must be that of"),
        ('id = "blue"', 'id = "Red"', "ids of scenes must differ"),
        ('id = "blue"', 'id = "../blue"', "must do as a file name"),
        ('["garment=dress"]', '["garment=dress", "garment=coat"]', "one slice of each kind"),
        ('["garment=dress"]', '"dress"', "slices must be words"),
        ('photo = "red.png"', 'photo = "red.png"\nmask = "x.png"', "got also mask at red"),
        ('schema = "', "schema = ", "must be TOML"),
    ],
)
def test_mistakes_are_told_in_a_sentence(suite_file, old, new, message):
    change(suite_file, old, new)
    with pytest.raises(ValueError, match=message):
        suite.load(suite_file)


def test_file_is_as_its_schema_says(suite_file):
    schema = Path(__file__).parents[3] / "docs" / "suite.schema.json"
    document = tomllib.loads(suite_file.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))
    validator.validate(document)
    assert not validator.is_valid({**document, "margins": 3})
    assert set(validator.schema["properties"]) == suite.KEYS


def test_missing_photo_is_named(suite_file):
    change(suite_file, "blue.png", "green.png")
    with pytest.raises(FileNotFoundError, match=r"green\.png"):
        suite.load(suite_file)


def test_missing_suite_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.toml"):
        suite.load(tmp_path / "nowhere.toml")


def test_freezing_twice_is_the_same(suite_file):
    first = frozen.freeze(suite.load(suite_file))
    assert frozen.freeze(suite.load(suite_file)) == first
    assert json.loads(frozen.path_of(suite.load(suite_file)).read_text())["sha256"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds = [1, 2]", "seeds = [1, 3]", r"settings seeds was \[1, 2\], is \[1, 3\]"),
        ("veil = 2.0", "veil = 4.0", "settings gates veil was 2.0, is 4.0"),
        ('metric = "edge"', 'metric = "seam"', "settings targets was"),
        ("garment=shirt", "garment=coat", "scenes blue slices was"),
        ('id = "blue"', 'id = "azure"', "scenes blue is gone; scenes azure is new"),
    ],
)
def test_change_after_freezing_is_an_error_that_names_it(suite_file, old, new, message):
    frozen.freeze(suite.load(suite_file))
    change(suite_file, old, new)
    with pytest.raises(ValueError, match=message):
        frozen.freeze(suite.load(suite_file))


def test_changed_photo_is_named(suite_file):
    frozen.freeze(suite.load(suite_file))
    Image.new("RGB", (8, 12), (1, 2, 3)).save(suite_file.parent / "red.png")
    with pytest.raises(ValueError, match="scenes red photo is another file"):
        frozen.require(suite.load(suite_file))


def test_changed_lock_is_noticed(suite_file):
    frozen.freeze(suite.load(suite_file))
    change(frozen.path_of(suite.load(suite_file)), '"sha256": "', '"sha256": "0')
    with pytest.raises(ValueError, match="the lock itself"):
        frozen.require(suite.load(suite_file))


def test_lock_that_is_no_json_is_told(suite_file):
    frozen.path_of(suite.load(suite_file)).write_text("{")
    with pytest.raises(ValueError, match="lock of a suite must be as it was written"):
        frozen.freeze(suite.load(suite_file))


def test_one_photo_under_two_names_is_refused(suite_file):
    change(suite_file, "blue.png", "red.png")
    with pytest.raises(ValueError, match="got the same for red and blue"):
        frozen.freeze(suite.load(suite_file))
