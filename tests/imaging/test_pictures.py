"""Every kind of file that a shop may hand in."""

import io

import numpy as np
import pytest
from dressform.imaging import pictures
from PIL import Image, ImageCms

RED = (200, 10, 10)


def save(path, picture, **options):
    picture.save(path, **options)
    return path


def test_picture_is_upright_when_the_camera_was_turned(tmp_path):
    picture = Image.new("RGB", (6, 4), RED)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    path = save(tmp_path / "turned.png", picture, exif=exif)
    assert pictures.open_picture(path).shape == (6, 4, 3)


def test_transparency_is_laid_on_white(tmp_path):
    path = save(tmp_path / "a.png", Image.new("RGBA", (3, 2), (*RED, 0)))
    assert (pictures.open_picture(path) == 255).all()


def test_transparent_palette_is_laid_on_white(tmp_path):
    palette = Image.new("P", (3, 2), 0)
    palette.putpalette([*RED, 0, 0, 0])
    path = save(tmp_path / "p.png", palette, transparency=0)
    assert (pictures.open_picture(path) == 255).all()


def test_palette_becomes_its_colours(tmp_path):
    palette = Image.new("P", (3, 2), 0)
    palette.putpalette([*RED, 0, 0, 0])
    assert tuple(pictures.open_picture(save(tmp_path / "p.png", palette))[0, 0]) == RED


def test_sixteen_bit_is_scaled_not_clipped(tmp_path):
    deep = Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16))
    assert pictures.open_picture(save(tmp_path / "d.png", deep))[0, :, 0].tolist() == [0, 100, 255]


def test_grayscale_becomes_three_channels(tmp_path):
    path = save(tmp_path / "g.jpg", Image.new("L", (5, 4), 128))
    assert pictures.open_picture(path).shape == (4, 5, 3)


def test_cmyk_becomes_rgb(tmp_path):
    path = save(tmp_path / "c.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)))
    r, g, b = pictures.open_picture(path)[4, 4]
    assert r > 200
    assert max(g, b) < 60


def test_embedded_profile_is_applied(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = save(tmp_path / "s.png", Image.new("RGB", (2, 2), RED), icc_profile=srgb)
    assert np.abs(pictures.open_picture(path)[0, 0].astype(int) - RED).max() <= 1
    # A profile of the wrong colour space is ignored rather than fatal.
    path = save(tmp_path / "l.png", Image.new("RGB", (2, 2), RED), icc_profile=profile.tobytes())
    assert tuple(pictures.open_picture(path)[0, 0]) == RED


def test_one_pixel_is_a_picture(tmp_path):
    path = save(tmp_path / "one.png", Image.new("RGB", (1, 1), RED))
    assert pictures.open_picture(path).tolist() == [[list(RED)]]


def test_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), RED), Image.new("RGB", (4, 4), (0, 0, 255))]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert pictures.open_picture(path)[0, 0, 0] > 150


def test_twelve_thousand_pixels_square_is_accepted(tmp_path):
    path = save(tmp_path / "big.png", Image.new("1", (12000, 12000)))
    assert pictures.open_picture(path).shape == (12000, 12000, 3)


@pytest.mark.parametrize("side", [12001, 20000])
def test_larger_pictures_are_refused_with_the_limit(tmp_path, side):
    path = save(tmp_path / "huge.png", Image.new("1", (side, side)))
    with pytest.raises(ValueError, match="at most 144 megapixels"):
        pictures.open_picture(path)


def test_missing_file_names_the_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        pictures.open_picture(tmp_path / "nowhere.png")


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "e.jpg").touch()
    with pytest.raises(ValueError, match="empty file"):
        pictures.open_picture(tmp_path / "e.jpg")


def test_text_is_refused(tmp_path):
    (tmp_path / "t.jpg").write_text("not a picture")
    with pytest.raises(ValueError, match=r"got something else: .*t\.jpg"):
        pictures.open_picture(tmp_path / "t.jpg")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_truncated_file_is_refused(tmp_path, form):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    whole = io.BytesIO()
    Image.fromarray(noise).save(whole, form)
    (tmp_path / "cut").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(ValueError, match=r"damaged|something else"):
        pictures.open_picture(tmp_path / "cut")


def test_masks_are_saved_as_black_and_white(tmp_path):
    pictures.save_picture(tmp_path / "m.png", np.array([[True, False]]))
    assert np.array(Image.open(tmp_path / "m.png")).tolist() == [[255, 0]]
