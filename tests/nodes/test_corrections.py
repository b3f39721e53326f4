"""Corrections and engines through the node: strokes, painted masks, batches, mistakes."""

import re

import numpy as np
import pytest
from dressform.imaging import labels, strokes
from dressform.imaging.parsing import Parsing

HEIGHT, WIDTH = 96, 64


@pytest.fixture(scope="module")
def torch(nodes):
    import torch

    return torch


@pytest.fixture
def lost(monkeypatch):
    """A parser that finds the left half of the garment only; what it was told is kept."""
    from dressform.imaging import parse

    told = []
    original = parse.parse

    def half(image, small, segment):
        label_map = np.zeros(small.shape[:2], np.uint8)
        label_map[20:80, 10:30] = labels.GARMENT
        shares = np.eye(len(labels.NAMES), dtype=np.float32)[label_map]
        return Parsing(label_map, kind="full", confidence=0.9), shares

    def listening(image, corrections=None, **options):
        told.append(corrections)
        return original(image, corrections, **options)

    monkeypatch.setattr(parse, "_read", half)
    monkeypatch.setattr(parse, "parse", listening)
    return told


@pytest.fixture(scope="module")
def photo(torch):
    """A blue dress before a grey wall."""
    picture = torch.full((1, HEIGHT, WIDTH, 3), 0.8)
    picture[:, 20:80, 10:54] = torch.tensor([0.2, 0.3, 0.6])
    return picture


def stroke(**changes):
    line = strokes.stroke("garment", np.array([(42, 30, 1), (42, 70, 1)]), 2, closed=False)
    return strokes.to_json(
        strokes.StrokeDocument(WIDTH, HEIGHT, strokes=(line,))._replace(**changes)
    )


def iou(mask):
    true = np.zeros((HEIGHT, WIDTH), bool)
    true[20:80, 10:54] = True
    found = mask.numpy() > 0.5
    return (found & true).sum() / (found | true).sum()


def painted(torch, *, scale=1):
    mask = torch.zeros(1, HEIGHT * scale, WIDTH * scale)
    mask[:, 30 * scale : 70 * scale, 41 * scale : 44 * scale] = 1
    return mask


def test_a_stroke_brings_the_lost_half_back(nodes, photo, lost):
    assert iou(nodes.ParsePhoto.execute(image=photo)[1][0]) < 0.6
    assert iou(nodes.ParsePhoto.execute(image=photo, corrections=stroke())[1][0]) > 0.95


@pytest.mark.parametrize("scale", [1, 3])
def test_a_painted_mask_does_the_same(nodes, torch, photo, lost, scale):
    kept = nodes.ParsePhoto.execute(image=photo, keep=painted(torch, scale=scale))
    assert iou(kept[1][0]) > 0.95


def test_what_is_dropped_is_garment_no_more(nodes, torch, photo, lost):
    drop = torch.zeros(1, HEIGHT, WIDTH)
    drop[:, 30:70, 18:22] = 1
    parsed = nodes.ParsePhoto.execute(image=photo, drop=drop)
    assert parsed[1][0][50, 20] == 0
    assert parsed[1][0][drop[0] > 0].sum() == 0


def test_the_empty_mask_of_load_image_says_nothing(nodes, torch, photo, lost):
    empty = torch.zeros(1, 64, 64)
    nodes.ParsePhoto.execute(image=photo, keep=empty, drop=empty, corrections="  ")
    assert lost == [None]


def test_one_document_serves_a_batch_and_a_list_serves_each_picture(nodes, torch, photo, lost):
    batch = torch.cat([photo, photo])
    parsed = nodes.ParsePhoto.execute(image=batch, corrections=stroke())
    assert min(iou(mask) for mask in parsed[1]) > 0.95
    listed = f"[{stroke()},{stroke(strokes=())}]"
    first, second = nodes.ParsePhoto.execute(image=batch, corrections=listed)[1]
    assert iou(first) > 0.95
    assert iou(second) < 0.6


def test_strokes_of_another_photo_are_applied_with_a_warning(nodes, photo, lost):
    parsed = nodes.ParsePhoto.execute(image=photo, corrections=stroke(photo="00ff"))
    assert iou(parsed[1][0]) > 0.95
    assert "another photo" in parsed[0][0].warnings[0]
    assert "another photo" in " ".join(parsed.ui["text"])


def test_body_hints_correct_nothing_and_say_so(nodes, photo, lost):
    line = strokes.stroke("arm_left", np.array([(42, 30, 1), (42, 70, 1)]), 2, closed=False)
    parsed = nodes.ParsePhoto.execute(image=photo, corrections=stroke(strokes=(line,)))
    assert iou(parsed[1][0]) < 0.6
    assert "nothing was corrected" in parsed[0][0].warnings[0]


@pytest.mark.parametrize("text", ["not json", "[]", "[1]", "{}"])
def test_corrections_that_are_no_stroke_document_end_the_branch(nodes, photo, lost, text):
    refused = nodes.ParsePhoto.execute(image=photo, corrections=text)
    assert re.match(
        r"(strokes|corrections) must be .*\. .*\. 笔画文档无效", refused.block_execution
    )
    assert refused.ui["text"] == [refused.block_execution]
    assert nodes.ParsePhoto.validate_inputs(corrections=text) == refused.block_execution
    assert lost == []


def test_a_document_written_into_the_socket_is_checked_before_the_run(nodes):
    good = stroke()
    assert nodes.ParsePhoto.validate_inputs(corrections=good) is True
    for node in (nodes.RenderHints, nodes.TryOn):
        assert node.validate_inputs(hints=good) is node.validate_inputs() is True
        assert "must be an object" in node.validate_inputs(hints="{}")


def test_hints_that_are_no_stroke_document_end_try_on_before_its_work(nodes, torch, photo):
    refused = nodes.TryOn.execute(
        person=photo,
        garment=photo,
        garment_mask=torch.zeros(1, 8, 8),
        engine="warp",
        region="auto",
        hints="[1, 2]",
    )
    assert refused.block_execution.startswith("hints, document 0: strokes must be an object")


def test_a_mask_of_other_proportions_is_refused(nodes, torch, photo, lost):
    with pytest.raises(ValueError, match=r"keep must be 96x64 like image, got 50x50\. "):
        nodes.ParsePhoto.execute(image=photo, keep=torch.ones(1, 50, 50))


def test_as_many_documents_as_pictures_are_needed(nodes, torch, photo, lost):
    with pytest.raises(ValueError, match="image and corrections must have the same batch size"):
        nodes.ParsePhoto.execute(
            image=torch.cat([photo] * 3), corrections=f"[{stroke()},{stroke()}]"
        )


class TestEngines:
    @pytest.fixture
    def folder(self, nodes, monkeypatch, tmp_path):
        """The weights' folder of a ComfyUI that keeps its models in a temporary one."""
        import folder_paths

        monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
        monkeypatch.setattr(folder_paths, "folder_names_and_paths", {})
        return tmp_path / "dressform"

    def test_without_weights_the_run_is_refused_before_it_starts(self, nodes, photo, folder):
        assert nodes.ParsePhoto.validate_inputs() is True
        assert nodes.ParsePhoto.validate_inputs(engine="built-in") is True
        sentence = nodes.ParsePhoto.validate_inputs(engine="u2net")
        assert f"must have its weights at {folder / 'u2net.onnx'}" in sentence
        assert "must be one of" in nodes.ParsePhoto.validate_inputs(engine="rmbg")
        with pytest.raises(FileNotFoundError, match=r"engine u2net must have its weights at"):
            nodes.ParsePhoto.execute(image=photo, engine="u2net")

    def test_an_engine_takes_the_place_of_the_built_in_one(self, nodes, photo, folder, monkeypatch):
        from dressform.inference.segmenters import registry

        def load(name, place, device):
            assert (name, place) == ("u2net", folder)

            def segment(image):
                found = np.zeros((*image.shape[:2], 6), np.float32)
                found[..., labels.BACKGROUND] = 1
                found[20:80, 10:54] = (0, 1, 0, 0, 0, 0)
                return found

            return segment

        folder.mkdir()
        (folder / "u2net.onnx").write_bytes(b"weights")
        assert nodes.ParsePhoto.validate_inputs(engine="u2net") is True
        monkeypatch.setattr(registry, "load", load)
        parsed = nodes.ParsePhoto.execute(image=photo, engine="u2net")
        assert iou(parsed[1][0]) > 0.95
