import pytest
from dressform.quality import thresholds

DEFAULT = (thresholds.FOLDER / "default.toml").read_text(encoding="utf-8")


def test_every_check_has_ordered_limits_in_the_default_profile():
    profile = thresholds.load()
    assert profile.name == "default"
    assert tuple(profile.limits) == thresholds.CHECKS
    assert all(0 < limits.warn < limits.fail for limits in profile.limits.values())


def test_an_own_profile_is_read_by_path(tmp_path):
    path = tmp_path / "strict.toml"
    path.write_text(DEFAULT.replace("warn = 8.0", "warn = 2.0").replace('"default"', '"strict"'))
    profile = thresholds.load(path)
    assert profile.name == "strict"
    assert profile.limits["veil"].warn == 2


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(FileNotFoundError, match=r"one of default or a \.toml file, got nosuch"):
        thresholds.load("nosuch")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 2", "schema = 1, got 2"),
        ("[seam]", "[stitches]", r"under \[seam\]"),
        ("warn = 8.0", "warn = 80.0", "0 <= warn <= fail, got 80.0 and 12.0"),
        ("warn = 8.0", "warn = ", "must be TOML"),
        ("warn = 8.0", "alarm = 8.0", r"unit, warn and fail under \[veil\]"),
    ],
    ids=["schema", "missing", "order", "syntax", "key"],
)
def test_a_broken_profile_is_refused_with_its_place(tmp_path, old, new, message):
    path = tmp_path / "own.toml"
    path.write_text(DEFAULT.replace(old, new))
    with pytest.raises(ValueError, match=message):
        thresholds.load(path)
