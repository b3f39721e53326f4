"""Product pictures as files: cut out, centred, whole or not at all."""

import errno
import json
import os

import numpy as np
import pytest
from dressform.imaging import provenance, stitch
from dressform.imaging.products import canvas, saving
from PIL import Image

RED = (180, 30, 40)


@pytest.fixture
def disc():
    """A red disc of radius 20 with a soft edge in 100 x 60 pixels: alpha."""
    y, x = np.mgrid[:100, :60]
    return np.clip((22 - np.hypot(y - 40, x - 25)) / 4, 0, 1).astype(np.float32)


def over(color, alpha, ground):
    size = (*alpha.shape, 3)
    behind = np.full(size, ground, np.uint8) if isinstance(ground, tuple) else ground
    return stitch.stitch(behind, np.full(size, color, np.uint8), alpha)


class TestStraightColours:
    @pytest.mark.parametrize("ground", [(255, 255, 255), (242, 242, 242), (0, 0, 0), (20, 90, 30)])
    def test_no_halo_of_the_old_ground_shows_on_another(self, disc, ground):
        straight = canvas.straight(over(RED, disc, ground), disc)
        black = stitch.stitch(np.zeros_like(straight), straight, disc)
        expected = over(RED, disc, (0, 0, 0))
        assert np.abs(black.astype(int) - expected)[disc > 0.1].max() <= 2
        assert np.abs(straight.astype(int) - RED)[disc > 0.5].max() <= 4

    def test_a_ground_that_changes_slowly_is_followed(self, disc):
        ramp = np.repeat(np.linspace(150, 210, 60).astype(np.uint8)[None, :, None], 100, 0)
        ramp = np.repeat(ramp, 3, 2)
        straight = canvas.straight(over(RED, disc, ramp), disc)
        assert np.abs(straight.astype(int) - RED)[disc > 0.5].max() <= 8

    def test_full_and_empty_pixels_stay_bit_equal(self, disc):
        image = over(RED, disc, (255, 255, 255))
        straight = canvas.straight(image, disc)
        certain = (disc == 0) | (disc == 1)
        assert np.array_equal(straight[certain], image[certain])
        assert not np.array_equal(straight, image)

    @pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
    def test_an_alpha_without_edge_or_ground_changes_nothing(self, level):
        image = np.full((3, 4, 3), 77, np.uint8)
        alpha = np.full((3, 4), level, np.float32)
        assert np.array_equal(canvas.straight(image, alpha), image)

    def test_the_argument_is_not_written_to(self, disc):
        image = over(RED, disc, (255, 255, 255))
        before = image.copy()
        canvas.straight(image, disc)
        assert np.array_equal(image, before)


class TestArrange:
    def test_as_given_keeps_every_pixel(self, disc):
        image = over(RED, disc, (9, 8, 7))
        sheet = canvas.arrange(image, disc)
        assert np.array_equal(sheet.image, image)
        assert sheet.alpha is None

    def test_transparent_keeps_colour_and_opacity_apart(self, disc):
        image = np.full((100, 60, 3), RED, np.uint8)
        sheet = canvas.arrange(image, disc, ground="transparent")
        assert np.array_equal(sheet.alpha, np.rint(disc * 255))
        assert np.array_equal(sheet.image, image)

    def test_white_lies_under_the_garment(self, disc):
        image = np.full((100, 60, 3), RED, np.uint8)
        sheet = canvas.arrange(image, disc, ground="white")
        assert sheet.image[0, 0].tolist() == [255] * 3
        assert sheet.image[40, 25].tolist() == list(RED)
        assert sheet.alpha is None

    @pytest.mark.parametrize("side", [50, 200, 1000])
    def test_garment_is_centred_and_fills_the_square_but_the_margin(self, disc, side):
        image = np.full((100, 60, 3), RED, np.uint8)
        sheet = canvas.arrange(image, disc, ground="transparent", side_px=side, margin=0.1)
        assert sheet.image.shape == (side, side, 3)
        seen = sheet.alpha > 127
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        for line in (rows, columns):
            assert abs(line[0] + line[-1] - (side - 1)) <= 2 + side * 0.02
            assert line[0] >= round(side * 0.1) - 1
        assert len(rows) > 0.7 * side * 0.8

    def test_scaled_edges_have_the_garments_own_colour(self, disc):
        image = np.where((disc > 0)[..., None], RED, (0, 255, 0)).astype(np.uint8)
        sheet = canvas.arrange(image, disc, ground="transparent", side_px=30, margin=0)
        assert np.abs(sheet.image.astype(int) - RED)[sheet.alpha > 40].max() <= 3

    def test_without_alpha_the_whole_picture_is_fitted(self):
        image = np.full((40, 20, 3), RED, np.uint8)
        sheet = canvas.arrange(image, ground="white", side_px=100, margin=0.05)
        assert sheet.image[:, 0].min() == 255
        assert (sheet.image == RED).all(-1).sum() == 90 * 45
        assert sheet.enlarged == pytest.approx(2.25)

    def test_map_moves_with_the_picture_and_hides_nothing(self, disc):
        sources = np.zeros((100, 60), np.uint8)
        sources[40, 25] = provenance.INVENTED
        image = np.full((100, 60, 3), RED, np.uint8)
        sheet = canvas.arrange(image, disc, sources, ground="transparent", side_px=20, margin=0.1)
        assert sheet.sources.shape == (20, 20)
        assert sheet.sources.max() == provenance.INVENTED
        y, x = np.argwhere(sheet.sources == provenance.INVENTED).mean(0)
        assert abs(y - 9.5) <= 1.5
        assert abs(x - 9.5) <= 1.5

    @pytest.mark.parametrize("size", [(1, 1), (1, 50), (7, 1)])
    def test_tiny_pictures_and_empty_alphas_pass(self, size):
        image = np.full((*size, 3), 9, np.uint8)
        for alpha in (None, np.zeros(size, np.float32), np.ones(size, np.float32)):
            sheet = canvas.arrange(image, alpha, ground="white", side_px=16, margin=0.45)
            assert sheet.image.shape == (16, 16, 3)

    def test_mistakes_are_told(self, disc):
        image = np.zeros((100, 60, 3), np.uint8)
        with pytest.raises(ValueError, match=r"garment_alpha must be connected .*\. Connect"):
            canvas.arrange(image, ground="transparent")
        with pytest.raises(ValueError, match="background must be one of as given, transparent"):
            canvas.arrange(image, disc, ground="blue")


class TestFiles:
    @pytest.fixture
    def picture(self):
        levels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5
        return levels

    def test_png_is_exact_with_alpha_and_texts(self, tmp_path, picture):
        alpha = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16
        saving.write(tmp_path / "a" / "b.png", picture, alpha, texts={"prompt": "{}"})
        with Image.open(tmp_path / "a" / "b.png") as file:
            assert file.text == {"prompt": "{}"}
            assert np.array_equal(np.asarray(file), np.dstack([picture, alpha]))

    @pytest.mark.parametrize("ending", [".jpg", ".webp"])
    def test_other_formats_carry_texts_as_exif(self, tmp_path, picture, ending):
        saving.write(tmp_path / f"a{ending}", picture, texts={"key": "红"})
        with Image.open(tmp_path / f"a{ending}") as file:
            assert json.loads(file.getexif()[0x010E]) == {"key": "红"}
            assert file.size == (4, 4)

    def test_texts_that_exif_cannot_hold_are_left_out(self, tmp_path, picture):
        saving.write(tmp_path / "a.jpg", picture, texts={"key": "x" * 70_000})
        with Image.open(tmp_path / "a.jpg") as file:
            assert not file.getexif()

    def test_jpeg_has_no_alpha(self, tmp_path, picture):
        saving.write(tmp_path / "a.jpg", picture, np.zeros((4, 4), np.uint8))
        with Image.open(tmp_path / "a.jpg") as file:
            assert file.mode == "RGB"

    def test_colours_are_sharp_from_quality_90_on(self, tmp_path):
        stripes = np.zeros((16, 16, 3), np.uint8)
        stripes[:, ::2, 0] = 255
        sizes = []
        for quality in (89, 90):
            saving.write(tmp_path / "a.jpg", stripes, quality=quality)
            with Image.open(tmp_path / "a.jpg") as file:
                sizes.append(np.ptp(np.asarray(file)[8, 4:12, 0].astype(int)))
        assert sizes[1] > 200 > sizes[0]

    def test_too_large_for_webp_is_told(self, tmp_path):
        with pytest.raises(ValueError, match=r"at most 16383 pixels .* got 1x16384\. Choose png"):
            saving.write(tmp_path / "a.webp", np.zeros((1, 16_384, 3), np.uint8))

    def test_unknown_format_is_told(self, tmp_path, picture):
        with pytest.raises(ValueError, match=r"format must be one of png, jpg, webp, got '\.bmp'"):
            saving.write(tmp_path / "a.bmp", picture)

    @pytest.mark.parametrize(
        ("number", "sentence"),
        [(errno.ENOSPC, "got a full disk"), (errno.EACCES, "must be writable")],
    )
    def test_full_disk_leaves_the_old_file_and_no_half_one(
        self, tmp_path, picture, monkeypatch, number, sentence
    ):
        saving.write(tmp_path / "a.png", picture)
        before = (tmp_path / "a.png").read_bytes()

        def refuse(_):
            raise OSError(number, "no")

        monkeypatch.setattr(saving.os, "fsync", refuse)
        with pytest.raises(saving.DiskError, match=sentence):
            saving.write(tmp_path / "a.png", 255 - picture)
        assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
        assert (tmp_path / "a.png").read_bytes() == before

    def test_what_a_killed_process_left_is_swept_up_later(self, tmp_path, picture):
        old, new = tmp_path / ".a.1.partial.png", tmp_path / ".b.2.partial.png"
        for path in (old, new):
            path.touch()
        os.utime(old, (1, 1))
        saving.write(tmp_path / "c.png", picture)
        assert not old.exists()
        assert new.exists()

    def test_really_full_disk_is_told(self, picture):
        """Where the system has a device that is always full."""
        from pathlib import Path

        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full: this test needs Linux")
        with pytest.raises(saving.DiskError, match="got a full disk"), saving._told(Path("a.png")):
            with open("/dev/full", "wb", buffering=0) as file:
                file.write(b"x")
