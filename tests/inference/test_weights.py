"""What weights.json states, and how installed weights are found."""

import json
import re

import pytest
from dressform.inference import downloads, engine, weights

ENTRIES = list(weights.entries().values())
by_id = pytest.mark.parametrize("one", ENTRIES, ids=lambda one: one.id)


@by_id
def test_entry_states_where_its_licence_was_read(one):
    assert one.licence_source.startswith("https://")
    assert one.licence_read
    assert one.commercial in (True, False, "unverified")
    assert one.revision is None or re.fullmatch(r"[0-9a-f]{40}", one.revision)


@by_id
def test_files_hold_no_program_and_hashes_are_whole(one, tmp_path):
    assert len(downloads.plan(one, tmp_path).files) == len(one.files)
    for file in one.files:
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert not set(file.path) & set("*?[]")
    stated = all(file.sha256 and file.size_bytes is not None for file in one.files)
    assert one.verified is stated
    assert one.size_bytes > 0


@pytest.mark.parametrize("name", engine.ENGINES)
def test_every_engine_has_its_weights_listed(name):
    of = engine.ENGINES[name]
    assert set(of.weights) | set(of.optional) <= set(weights.entries())


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


def test_weights_in_other_files_than_listed_are_as_good(tmp_path):
    put(tmp_path / "sd15-inpainting", "unet/model.safetensors", "vae/model.safetensors")
    assert weights.find("sd15-inpainting", [tmp_path]) == tmp_path / "sd15-inpainting"


def test_missing_network_is_named(tmp_path):
    put(tmp_path / "sd15-inpainting", "unet/model.safetensors")
    assert weights.find("sd15-inpainting", [tmp_path]) is None
    told = weights.missing("sd15-inpainting", [tmp_path])
    assert "vae/*.safetensors is missing" in told
    assert f'dressform weights get sd15-inpainting --to "{tmp_path}"' in told


def test_gguf_file_takes_the_place_of_the_transformer_and_of_nothing_else(tmp_path):
    folder = tmp_path / "flux2-klein-4b"
    put(folder, "vae/m.safetensors", "text_encoder/m.safetensors", "transformer/config.json")
    assert weights.find("flux2-klein-4b", [tmp_path]) is None
    put(folder, "any-Q4_K_M.gguf")
    assert weights.find("flux2-klein-4b", [tmp_path]) == folder
    (folder / "vae" / "m.safetensors").unlink()
    assert weights.lacking(weights.entry("flux2-klein-4b"), folder) == ["vae/*.safetensors"]


def test_missing_shard_is_named(tmp_path):
    folder = tmp_path / "sd15-inpainting"
    put(folder, "vae/m.safetensors", "unet/m-00001-of-00002.safetensors")
    index = folder / "unet" / "m.safetensors.index.json"
    names = {"a": "m-00001-of-00002.safetensors", "b": "m-00002-of-00002.safetensors"}
    for content, gap in (
        (json.dumps({"weight_map": names}), "unet/m-00002-of-00002.safetensors"),
        ("{", "unet/*.safetensors.index.json"),
    ):
        index.write_text(content)
        assert weights.lacking(weights.entry("sd15-inpainting"), folder) == [gap]
    put(folder, "unet/m-00002-of-00002.safetensors")
    index.write_text(json.dumps({"weight_map": names}))
    assert weights.find("sd15-inpainting", [tmp_path]) == folder


def test_lora_is_found_as_its_file(tmp_path):
    put(tmp_path / "qwen-image-edit-lightning", "any.safetensors")
    found = weights.find("qwen-image-edit-lightning", [tmp_path / "none", tmp_path])
    assert found == tmp_path / "qwen-image-edit-lightning" / "any.safetensors"


def test_command_names_no_folder_where_it_is_the_usual_one(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    assert "--to" not in weights.missing("catvton", weights.folders())


def test_unknown_id_is_refused():
    with pytest.raises(ValueError, match="Run: dressform weights list"):
        weights.find("nothing", [])
