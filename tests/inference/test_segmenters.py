"""The optional engines load real files: tiny networks in the formats of the big ones."""

import base64
import json
import sys
import warnings

import numpy as np
import pytest
from dressform.comfyui import launch
from dressform.imaging import labels, parse
from dressform.inference.segmenters import figure, registry, shares

# ONNX files that take 1x3x16x16 and give 1x1x16x16: minus four times the sum of the channels
# (normalised as ImageNet's), so that what is dark is figure. As logits, and through a sigmoid.
LOGITS = (
    "CAgSADprCg8KAXgKAXcSAXkiBENvbnYSAWcqGwgBCAMIAQgBEAEiDAAAgMAAAIDAAACAwEIBd1obCgF4EhYKFAgBEhAK"
    "AggBCgIIAwoCCBAKAggQYhsKAXkSFgoUCAESEAoCCAEKAggBCgIIEAoCCBBCBAoAEA0="
)
SIGMOID = (
    "CAgSADp8Cg8KAXgKAXcSAWMiBENvbnYKDwoBYxIBeSIHU2lnbW9pZBIBZyobCAEIAwgBCAEQASIMAACAwAAAgMAAAIDA"
    "QgF3WhsKAXgSFgoUCAESEAoCCAEKAggDCgIIEAoCCBBiGwoBeRIWChQIARIQCgIIAQoCCAEKAggQCgIIEEIECgAQDQ=="
)


@pytest.fixture
def photo():
    """Dark cloth before a light wall."""
    picture = np.full((96, 64, 3), 225, np.uint8)
    picture[24:72, 16:48] = (40, 45, 60)
    return picture


@pytest.mark.parametrize(
    ("name", "content"), [("birefnet", LOGITS), ("u2net", SIGMOID)], ids=["birefnet", "u2net"]
)
def test_an_onnx_file_gives_the_figures_outline(tmp_path, photo, name, content):
    (tmp_path / registry.file(name)).write_bytes(base64.b64decode(content))
    assert registry.available(tmp_path) == [name]
    found = registry.load(name, tmp_path)(photo)
    assert found.shape == (96, 64, 6)
    assert found.dtype == np.float32
    assert np.allclose(found.sum(-1), 1, atol=1e-5)
    assert found[40:56, 24:40, labels.BACKGROUND].max() < 0.01
    assert found[:12, :, labels.BACKGROUND].min() > 0.99


def test_parse_runs_on_an_engine(tmp_path, photo):
    (tmp_path / "u2net.onnx").write_bytes(base64.b64decode(SIGMOID))
    parsing = parse.parse(photo, segment=registry.load("u2net", tmp_path))
    cloth = np.zeros(photo.shape[:2], bool)
    cloth[24:72, 16:48] = True
    figure_found = parsing.label_map != labels.BACKGROUND
    assert (figure_found & cloth).sum() / (figure_found | cloth).sum() > 0.85


def test_without_weights_the_sentence_says_where_from_where_and_the_licence(tmp_path):
    assert registry.available(tmp_path) == []
    for name, engine in registry.ENGINES.items():
        with pytest.raises(FileNotFoundError) as failed:
            registry.load(name, tmp_path)
        sentence = str(failed.value)
        assert str(tmp_path / engine.file) in sentence
        assert engine.licence in sentence
        assert sentence.endswith("or choose the engine built-in.")


def test_an_unknown_engine_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"engine must be one of sam3, .*, got 'rmbg'\. "):
        registry.load("rmbg", tmp_path)


@pytest.mark.parametrize("content", [b"", b"no network", b"<html>Sign in</html>"])
def test_a_file_that_is_no_network_is_named(tmp_path, content):
    path = tmp_path / "birefnet.onnx"
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match=r"birefnet\.onnx must be an ONNX file.*Fetch"):
        figure.load(path, figure.BIREFNET)


class TestShares:
    def test_the_garment_goes_before_the_mannequin_that_wears_it(self):
        everywhere, nowhere = np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)
        found = shares.from_concepts(everywhere, everywhere, nowhere)
        assert (found.argmax(-1) == labels.GARMENT).all()
        found = shares.from_concepts(nowhere, everywhere, everywhere)
        assert (found.argmax(-1) == labels.MANNEQUIN).all()
        half = np.full((2, 2), 0.5, np.float32)
        assert shares.from_concepts(half, half, half)[0, 0].tolist() == [
            0.125,
            0.5,
            0.25,
            0.125,
            0,
            0,
        ]

    def test_a_figures_outline_corrects_the_label_map(self):
        label_map = np.zeros((1, 8), np.uint8)
        label_map[0, 1:4] = labels.GARMENT
        label_map[0, 4] = labels.MANNEQUIN
        opacity = np.float32([[0, 0, 1, 1, 1, 1, 1, 0.25]])
        found = shares.from_figure(opacity, label_map)
        assert found.argmax(-1)[0].tolist() == [0, 0, 1, 1, 2, 2, 2, 0]
        assert found[0, 7].tolist() == [0.75, 0, 0.25, 0, 0, 0]

    def test_where_the_parser_found_nothing_the_figure_is_garment(self):
        found = shares.from_figure(np.ones((3, 3), np.float32), np.zeros((3, 3), np.uint8))
        assert (found.argmax(-1) == labels.GARMENT).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, need):
    """A SAM 3 of random weights and tiny size, as `save_pretrained` writes it."""
    if not any(isinstance(f, launch.TorchaudioWithoutItsLibrary) for f in sys.meta_path):
        sys.meta_path.insert(0, launch.TorchaudioWithoutItsLibrary())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of transformers' own imports
        try:
            import torch
            import transformers
            from transformers import Sam3Model
        except ImportError:
            need("transformers with SAM 3", "Run: pip install --upgrade torch transformers")
        torch.manual_seed(0)
        folder = tmp_path_factory.mktemp("models") / "sam3"
        Sam3Model(tiny(transformers)).save_pretrained(folder)
        letters = [a + end for a in "abcdefghijklmnopqrstuvwxyz" for end in ("", "</w>")]
        words = ["<|startoftext|>", "<|endoftext|>", *letters]
        (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
        (folder / "merges.txt").write_text("#version: 0.2\n")
        tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
        pictures = transformers.Sam3ImageProcessor(
            size={"height": 112, "width": 112}, mask_size={"height": 32, "width": 32}
        )
        transformers.Sam3Processor(pictures, tokenizer).save_pretrained(folder)
    return folder


class TestSam3:
    def test_a_checkpoint_gives_shares_of_the_photos_size(self, folder, photo, monkeypatch):
        from dressform.inference.segmenters import sam3

        monkeypatch.setattr(sam3, "LEAST_SCORE", 0.0)  # random weights are sure of nothing
        assert registry.available(folder.parent) == ["sam3"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = registry.load("sam3", folder.parent)(photo)
        assert found.shape == (96, 64, 6)
        assert found.dtype == np.float32
        assert np.allclose(found.sum(-1), 1, atol=1e-4)
        assert found[..., labels.GARMENT].max() > 0
        assert (found[..., [labels.INTERIOR, labels.CLUTTER]] == 0).all()

    def test_an_incomplete_folder_is_named(self, folder, tmp_path):
        (tmp_path / "sam3").mkdir()
        (tmp_path / "sam3" / "model.safetensors").write_bytes(b"")
        with pytest.raises(RuntimeError, match=r"sam3 must hold all files of facebook/sam3"):
            registry.load("sam3", tmp_path)


def tiny(transformers):
    small = {"hidden_size": 32, "num_attention_heads": 2}
    layers = {**small, "num_layers": 1, "intermediate_size": 48}
    return transformers.Sam3Config(
        vision_config={
            "backbone_config": {
                **small,
                "model_type": "sam3_vit_model",
                "intermediate_size": 48,
                "num_hidden_layers": 2,
                "image_size": 112,
                "patch_size": 14,
                "pretrain_image_size": 56,
                "window_size": 4,
                "global_attn_indexes": [1],
            },
            "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        text_config={
            **small,
            "model_type": "clip_text_model",
            "vocab_size": 54,
            "intermediate_size": 48,
            "projection_dim": 16,
            "num_hidden_layers": 1,
            "max_position_embeddings": 32,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 1,
        },
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config={**layers, "num_queries": 5},
        mask_decoder_config=small,
    )
