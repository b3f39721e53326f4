"""Check Quality: what may be left out, profiles, and pictures that are none."""

import json

import numpy as np
import pytest
from dressform.imaging.parsing import Parsing


@pytest.fixture(scope="module")
def torch(nodes):
    return __import__("torch")


@pytest.fixture(scope="module")
def worn(torch):
    """A woven shirt before a pale wall, and its parsing."""
    rows, columns = np.mgrid[:240, :200].astype(np.float32)
    weave = 1 + 0.3 * np.sin(columns) * np.sin(rows)
    cloth = (0.75 + 0.25 * np.sin(columns / 11 + rows / 37)) * weave
    photo = np.full((240, 200, 3), 0.92, np.float32)
    photo[40:200, 40:160] = (cloth[..., None] * (0.5, 0.3, 0.2))[40:200, 40:160]
    label_map = np.zeros((240, 200), np.uint8)
    label_map[40:200, 40:160] = 1
    return torch.from_numpy(photo)[None], [Parsing(label_map, "flatlay", confidence=0.95)]


def checks(done):
    return {one["name"]: one for one in json.loads(done.args[1])["checks"]}


def test_without_a_source_the_baseline_alone_is_compared(nodes, worn):
    photo, parsing = worn
    hazy = photo * 0.8 + 0.2 * 0.88
    done = nodes.CheckQuality.execute(result=hazy, parsing=parsing, baseline=photo)
    found = checks(done)
    assert done.args[0] == "fail"
    assert found["veil_vs_baseline"]["state"] == "fail"
    assert "veil" not in found


def test_neither_source_nor_baseline_is_told(nodes, worn):
    with pytest.raises(ValueError, match="source or baseline must be given"):
        nodes.CheckQuality.execute(result=worn[0])


def test_a_black_picture_as_from_a_nan_fails_in_a_sentence(nodes, torch, worn):
    photo, parsing = worn
    done = nodes.CheckQuality.execute(
        result=torch.full_like(photo, float("nan")), source=photo, parsing=parsing
    )
    [only] = checks(done).values()
    assert done.args[0] == "fail"
    assert "one colour all over" in only["sentence"]


def test_an_own_profile_is_taken_by_its_name(nodes, worn, tmp_path, monkeypatch):
    import folder_paths
    from dressform.quality import thresholds

    folder = tmp_path / "dressform" / "profiles"
    folder.mkdir(parents=True)
    text = (thresholds.FOLDER / "default.toml").read_text(encoding="utf-8")
    strict = text.replace('name = "default"', 'name = "strict"').replace("fail = 6.0", "fail = 3.0")
    (folder / "strict.toml").write_text(strict, encoding="utf-8")
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    photo, parsing = worn
    done = nodes.CheckQuality.execute(result=photo, source=photo, parsing=parsing, profile="strict")
    assert json.loads(done.args[1])["profile"] == "strict"
    assert checks(done)["color"]["thresholds"]["fail"] == 3.0


@pytest.mark.parametrize("name", ["../default", "/etc/passwd.toml", "", "a.toml"])
def test_a_profile_cannot_be_a_path(nodes, worn, name):
    photo, parsing = worn
    with pytest.raises(ValueError, match="profile must be a name"):
        nodes.CheckQuality.execute(result=photo, source=photo, parsing=parsing, profile=name)


def test_an_unknown_profile_is_told(nodes, worn):
    photo, parsing = worn
    with pytest.raises(FileNotFoundError, match="profile must be one of default"):
        nodes.CheckQuality.execute(result=photo, source=photo, parsing=parsing, profile="no")
