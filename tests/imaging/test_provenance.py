import json
import zlib
from base64 import b64encode

import numpy as np
import pytest
from dressform.imaging import provenance
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SIZES = [(1, 1), (1, 9), (5, 4), (64, 33), (301, 7)]


def _map(size, seed=3):
    return np.random.default_rng(seed).integers(0, 4, size, np.uint8)


def _blocky(size, seed=3):
    return np.kron(_map((4, 4), seed), np.ones((size // 4, size // 4), np.uint8))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_the_map_survives_a_real_png(tmp_path, size):
    sources, chunks = _map(size), PngInfo()
    for key, text in provenance.to_metadata(sources).items():
        chunks.add_text(key, text)
    chunks.add_text("prompt", "{}")
    Image.new("RGBA", size[::-1]).save(tmp_path / "product.png", pnginfo=chunks)
    with Image.open(tmp_path / "product.png") as file:
        read = provenance.from_metadata(file.text)
    assert read.dtype == np.uint8
    assert (read == sources).all()


def test_the_header_tells_what_the_codes_mean_and_how_many_there_are():
    sources = np.array([[0, 1, 1], [2, 3, 1]], np.uint8)
    header = json.loads(provenance.to_metadata(sources)[provenance.HEADER_KEY])
    assert header["codes"] == {"0": "nothing", "1": "photo", "2": "second_photo", "3": "invented"}
    assert header["pixels"] == {"nothing": 1, "photo": 3, "second_photo": 1, "invented": 1}
    assert (header["width"], header["height"], header["scale"]) == (3, 2, 1)


def test_the_bytes_are_those_of_the_specification():
    text = provenance.to_metadata(np.array([[0, 1, 2, 3, 3]], np.uint8))[provenance.MAP_KEY]
    assert text == b64encode(zlib.compress(bytes([0b00_01_10_11, 0b11_00_00_00]), 9)).decode()


def test_the_map_of_a_large_photo_is_small():
    chunks = provenance.to_metadata(_blocky(4000))
    assert sum(map(len, chunks.values())) < 20_000


def test_a_map_too_intricate_is_stored_coarser_and_hides_no_invention(monkeypatch):
    monkeypatch.setattr(provenance, "MAX_MAP_CHARS", 2_000)
    sources = _map((150, 161))
    sources[40:] = provenance.PHOTO
    chunks = provenance.to_metadata(sources)
    read = provenance.from_metadata(chunks)
    assert len(chunks[provenance.MAP_KEY]) <= 2_000
    assert json.loads(chunks[provenance.HEADER_KEY])["scale"] > 1
    assert read.shape == sources.shape
    assert (read >= sources).all()
    assert (read[64:] == provenance.PHOTO).all()


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (np.zeros((0, 4), np.uint8), "height x width array of uint8, got uint8"),
        (np.zeros((4, 4)), "got float64"),
        (np.full((2, 2), 4, np.uint8), "codes must be 0 to 3, got 4"),
        (np.zeros((1, 20_000), np.uint8), "at most 16384 pixels a side, got 1x20000"),
    ],
    ids=["empty", "float", "code", "huge"],
)
def test_what_is_no_map_is_explained(sources, words):
    with pytest.raises(ValueError, match=words):
        provenance.to_metadata(sources)


class TestHostileMetadata:
    """Anybody can write text chunks."""

    def good(self, **changes):
        chunks = provenance.to_metadata(_map((20, 30)))
        header = json.loads(chunks[provenance.HEADER_KEY]) | changes
        return {**chunks, provenance.HEADER_KEY: json.dumps(header)}

    def test_without_changes_it_is_read(self):
        assert provenance.from_metadata(self.good()).shape == (20, 30)

    def test_a_picture_without_a_map_is_explained(self):
        with pytest.raises(ValueError, match=r"got one without\. Choose a PNG"):
            provenance.from_metadata({"prompt": "{}"})

    @pytest.mark.parametrize(
        "changes",
        [
            {"width": 33},
            {"height": 21},
            {"height": 19},
            {"width": -1},
            {"width": True},
            {"height": 10**9},
            {"scale": 0},
            {"scale": 2},
            {"scale": "1"},
            {"width": None},
        ],
        ids=str,
    )
    def test_a_wrong_size_is_explained(self, changes):
        with pytest.raises(ValueError, match=r"got a damaged one \(.*\)\. Save"):
            provenance.from_metadata(self.good(**changes))

    def test_another_version_is_explained(self):
        with pytest.raises(ValueError, match=r"got version 2\. Update"):
            provenance.from_metadata(self.good(version=2))

    @pytest.mark.parametrize("header", ["", "[]", "nonsense", "[" * 4_000, "{" * 5_000])
    def test_a_header_that_is_none_is_explained(self, header):
        with pytest.raises(ValueError, match="got a damaged one"):
            provenance.from_metadata({**self.good(), provenance.HEADER_KEY: header})

    @pytest.mark.parametrize("text", ["", "AAAA", "A", "é", "*", "A" * 10**6])
    def test_a_map_that_is_none_is_explained(self, text):
        with pytest.raises(ValueError, match="got a damaged one"):
            provenance.from_metadata({**self.good(), provenance.MAP_KEY: text})

    def test_a_stream_that_unpacks_to_more_is_not_unpacked(self):
        bomb = b64encode(zlib.compress(bytes(10_000_000), 9)).decode()
        with pytest.raises(ValueError, match="another size than its header"):
            provenance.from_metadata({**self.good(), provenance.MAP_KEY: bomb})


class TestMasks:
    def test_invention_wins_over_the_second_photo_and_that_over_the_first(self):
        shown = np.array([[0, 0.2, 1, 1, 1]], np.float32)
        generated = np.array([[0, 0, 0, 1, 1]], np.float32)
        second = np.array([[0, 0, 1, 1, 0]], np.float32)
        assert provenance.from_masks(shown, generated, second).tolist() == [[0, 1, 2, 3, 3]]

    def test_the_second_photo_may_be_missing(self):
        ones = np.ones((2, 2), bool)
        assert (provenance.from_masks(ones, ~ones) == provenance.PHOTO).all()

    def test_another_size_is_explained(self):
        with pytest.raises(ValueError, match="generated must be 2x2 like garment_alpha, got 3x2"):
            provenance.from_masks(np.ones((2, 2)), np.ones((3, 2)))


def test_the_summary_counts_only_what_is_shown():
    sources = np.array([[0] * 10 + [1] * 6 + [2] * 3 + [3]], np.uint8)
    assert provenance.summary(sources) == (
        "Of the garment shown 60.0 % was photographed, 30.0 % from the second photo, "
        "10.0 % was made up."
    )
    assert provenance.summary(sources * 0) == "The picture shows no garment."


def test_the_legend_colours_what_was_invented_and_leaves_the_photo():
    image = np.full((400, 300, 3), 128, np.uint8)
    sources = np.ones((400, 300), np.uint8)
    sources[100:200] = provenance.INVENTED
    shown = provenance.legend(image, sources)
    assert (shown[250, 250] == image[250, 250]).all()
    assert np.abs(shown[150, 150] - (0.6 * np.array([213, 94, 0]) + 51.2)).max() <= 1
    assert (shown[-40:, :150] != 128).any()  # the key
    assert (image == 128).all()
