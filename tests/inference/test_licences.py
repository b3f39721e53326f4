"""Who may sell what."""

import pytest
from dressform.inference import licences, weights
from dressform.inference.painter import Lora


@pytest.mark.parametrize("key", list(weights.entries()))
def test_everything_may_be_used_for_research(key):
    assert licences.refusal("research", [key]) is None


@pytest.mark.parametrize("one", weights.entries().values(), ids=lambda one: one.id)
def test_commerce_needs_a_licence_that_is_verified_to_allow_it(one):
    told = licences.refusal("commercial", [one.id])
    assert (told is None) == (one.commercial is True)
    if told:
        assert one.name in told
        assert one.licence in told
        assert one.licence_source in told


def test_unverified_licence_is_not_said_to_forbid():
    assert "is not verified to allow it" in licences.refusal(
        "commercial", ["qwen-image-edit-lightning"]
    )


def test_first_weights_that_forbid_are_named():
    told = licences.refusal("commercial", ["sd15-inpainting", "catvton"])
    assert "CC BY-NC-SA 4.0 forbids it" in told


def test_entries_and_ids_are_taken_alike():
    one = weights.entry("catvton")
    assert licences.refusal("commercial", [one]) == licences.refusal("commercial", ["catvton"])


@pytest.mark.parametrize(("licence", "allowed"), [("unknown", False), ("commercial", True)])
def test_lora_is_for_research_unless_declared(tmp_path, licence, allowed):
    path = tmp_path / "lace.safetensors"
    path.write_bytes(b"weights")
    told = licences.refusal("commercial", [], [Lora(path, 1.0, licence)])
    assert (told is None) is allowed
    assert allowed or "lace.safetensors" in told


def test_listed_lora_has_its_own_licence_whatever_is_declared(tmp_path, monkeypatch):
    path = tmp_path / "renamed.safetensors"
    path.write_bytes(b"weights")
    listed = weights.entry("catvton-flux-lora")
    stated = weights.File("x.safetensors", licences.hashes.sha256(path), 7)
    monkeypatch.setattr(
        weights, "entries", lambda: {"catvton-flux-lora": listed._replace(files=(stated,))}
    )
    lora = Lora(path, 1.0, "commercial")
    assert licences.listing(lora).id == "catvton-flux-lora"
    assert licences.refusal("commercial", [], [lora]) is not None


def test_unknown_usage_is_refused():
    with pytest.raises(ValueError, match="must be one of commercial, research, got 'free'"):
        licences.refusal("free", [])


def test_hash_is_read_again_when_the_file_changes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    first = licences.hashes.known(path)
    path.write_bytes(b"other")
    assert licences.hashes.known(path) != first
