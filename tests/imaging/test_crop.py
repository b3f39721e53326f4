import cv2
import numpy as np
import pytest
from dressform.imaging import crop
from dressform.imaging.masks import Bounds
from hypothesis import given, settings
from hypothesis import strategies as st

SIZES = [(1, 1), (5, 7), (64, 33), (513, 70), (40, 900), (301, 299)]


def _region(size):
    mask = np.zeros(size, np.float32)
    height, width = size
    mask[height // 3 : height // 3 + 1 + height // 3, width // 4 : width // 4 + 1 + width // 3] = 1
    return mask


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_crop_fits_the_engine_and_stretches_by_a_pixel_at_most(size):
    found = crop.plan(_region(size), pixels=256 * 256, multiple=16)
    assert found.height % 16 == found.width % 16 == 0
    assert 0.8 < found.height * found.width / 256**2 < 1.25
    ideal = found.bounds.width * found.height / found.width
    assert abs(found.bounds.height - ideal) <= 1 + found.height / found.width


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_what_lies_outside_of_the_mask_stays_bit_identical(size):
    photo = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    mask = crop.feather(_region(size), 4)
    found = crop.plan(mask, pixels=128 * 128, multiple=8)
    result, share = crop.paste(photo, 255 - crop.cut(photo, found), found, mask)
    assert crop.changed_outside(photo, result, mask) == 0
    assert ((share > 0) == (mask > 0)).all()


def test_a_picture_that_is_not_painted_comes_back_nearly_equal():
    photo = np.zeros((120, 90, 3), np.uint8)
    photo[...] = np.linspace(0, 200, 120, dtype=np.uint8)[:, None, None]
    mask = _region((120, 90))
    found = crop.plan(mask, pixels=256 * 256, multiple=16)
    result, _ = crop.paste(photo, crop.cut(photo, found), found, mask)
    assert np.abs(result.astype(int) - photo).max() <= 2


def test_a_feather_goes_inward_only():
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    soft = crop.feather(mask, 4)
    assert ((soft > 0) == mask).all()
    assert soft[20, 20] == 1
    assert 0 < soft[10, 20] < 0.2


def test_changes_outside_are_counted_by_pixel():
    before = np.zeros((3, 3, 3), np.uint8)
    after = before.copy()
    after[0, 0], after[1, 1], after[2, 2, 0] = 9, 9, 1
    mask = np.zeros((3, 3), np.float32)
    mask[1, 1] = 0.1
    assert crop.changed_outside(before, after, mask) == 2


def test_an_empty_mask_is_explained():
    with pytest.raises(ValueError, match="mask must select what to repaint, got an empty mask"):
        crop.plan(np.zeros((4, 4), bool), pixels=64, multiple=8)


def test_a_painting_of_another_size_is_explained():
    photo, mask = np.zeros((32, 32, 3), np.uint8), np.ones((32, 32), np.float32)
    found = crop.plan(mask, pixels=64 * 64, multiple=8)
    with pytest.raises(ValueError, match="painted must be 64x64 like the crop, got 32x32"):
        crop.paste(photo, photo, found, mask)


# What `cut` and `paste` shall do, pixel by pixel, in exact numbers. OpenCV's fixed point may be one
# level off where it resizes, and rounds once; a blend rounds once more.
RESIZED, ROUNDED = 1.0, 0.501


def mirrored(index, length):
    """The pixel seen at an index beyond the edge: the edge's own pixel is not repeated."""
    if length == 1:
        return 0
    index %= 2 * length - 2
    return min(index, 2 * length - 2 - index)


def resized(part, height, width):
    """Areas where the picture gets smaller, else cubic, in float64."""
    smaller = height * width < part.shape[0] * part.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    if part.shape[:2] == (height, width):
        return part.astype(np.float64)
    return cv2.resize(part.astype(np.float64), (width, height), interpolation=way)


def cut_by_hand(photo, planned):
    box, (rows, columns) = planned.bounds, photo.shape[:2]
    part = np.zeros((box.height, box.width, 3), np.uint8)
    for y in range(box.height):
        for x in range(box.width):
            part[y, x] = photo[mirrored(box.top + y, rows), mirrored(box.left + x, columns)]
    return np.clip(resized(part, planned.height, planned.width), 0, 255)


def pasted_by_hand(photo, painted, planned, mask):
    """The exact colours and shares, and by how much rounding may move each colour."""
    box = planned.bounds
    whole = np.clip(resized(painted, box.height, box.width), 0, 255)
    result, share = photo.astype(np.float64), np.zeros(mask.shape, np.float32)
    slack = np.zeros(mask.shape)
    for y in range(max(0, box.top), min(photo.shape[0], box.bottom)):
        for x in range(max(0, box.left), min(photo.shape[1], box.right)):
            much = share[y, x] = mask[y, x]
            if much > 0:
                new = whole[y - box.top, x - box.left]
                result[y, x] = much * new + (1 - much) * photo[y, x]
                slack[y, x] = ROUNDED + (RESIZED if painted.shape != whole.shape else 0) * much
    return result, share, slack[..., None]


@st.composite
def pastes(draw):
    """A photo, what was painted, any crop that touches the photo, and a soft mask."""
    side = st.integers(1, 31)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    height, width = draw(side), draw(side)
    photo = rng.integers(0, 256, (height, width, 3), np.uint8)
    top, left = draw(st.integers(-9, height - 1)), draw(st.integers(-9, width - 1))
    bottom = draw(st.integers(max(1, top + 1), height + 9))
    right = draw(st.integers(max(1, left + 1), width + 9))
    planned = crop.Crop(Bounds(top, left, bottom, right), draw(side), draw(side))
    if draw(st.booleans()):  # nothing to resize
        planned = planned._replace(height=bottom - top, width=right - left)
    mask = rng.random((height, width), np.float32)
    mask[rng.random((height, width)) < 0.4] = 0
    mask[rng.random((height, width)) < 0.3] = 1
    painted = rng.integers(0, 256, (planned.height, planned.width, 3), np.uint8)
    return photo, painted, planned, mask


@settings(max_examples=150)
@given(pastes())
def test_a_paste_is_the_blend_of_each_pixel(given_paste):
    photo, painted, planned, mask = given_paste
    result, share = crop.paste(photo, painted, planned, mask)
    expected, shares, slack = pasted_by_hand(photo, painted, planned, mask)
    assert np.array_equal(share, shares)
    assert np.array_equal(result[shares == 0], photo[shares == 0])
    assert (np.abs(result - expected) <= slack).all()


@settings(max_examples=60)
@given(pastes())
def test_outside_of_the_crop_a_selected_pixel_stays_too(given_paste):
    photo, painted, planned, mask = given_paste
    box, away = planned.bounds, np.ones(mask.shape, bool)
    away[max(0, box.top) : box.bottom, max(0, box.left) : box.right] = False
    result, share = crop.paste(photo, painted, planned, np.ones_like(mask))
    assert np.array_equal(result[away], photo[away])
    assert np.array_equal(share == 0, away)


def asked(draw, largest=40):
    side = st.integers(1, largest)
    size = draw(side), draw(side)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = np.where(rng.random(size) < draw(st.sampled_from((0.01, 0.3, 1.0))), 1, 0)
    mask[rng.integers(size[0]), rng.integers(size[1])] = 1
    multiple = draw(st.sampled_from((1, 8, 16)))
    planned = crop.plan(
        mask.astype(np.float32),
        pixels=draw(st.integers(8, 48)) ** 2,
        multiple=multiple,
        context=draw(st.sampled_from((0.0, 0.25, 1.5))),
    )
    return rng.integers(0, 256, (*size, 3), np.uint8), mask, planned, multiple


@settings(max_examples=100)
@given(st.data())
def test_any_plan_holds_the_mask_and_fits_the_engine(data):
    _, mask, planned, multiple = asked(data.draw, largest=300)
    rows, columns = np.nonzero(mask)
    box = planned.bounds
    assert box.top <= rows.min()
    assert rows.max() < box.bottom
    assert box.left <= columns.min()
    assert columns.max() < box.right
    assert planned.height % multiple == planned.width % multiple == 0
    # Past the edge only where the whole photo is seen.
    whole = box.height > mask.shape[0], box.width > mask.shape[1]
    assert whole[0] or (box.top >= 0 and box.bottom <= mask.shape[0])
    assert whole[1] or (box.left >= 0 and box.right <= mask.shape[1])


@settings(max_examples=60)
@given(st.data())
def test_a_cut_shows_the_photo_and_beyond_its_edge_the_photo_mirrored(data):
    photo, _, planned, _ = asked(data.draw)
    shown = crop.cut(photo, planned)
    assert shown.shape == (planned.height, planned.width, 3)
    assert np.abs(shown - cut_by_hand(photo, planned)).max() <= ROUNDED + RESIZED


def test_a_cut_to_half_the_size_shows_the_means_of_four_pixels():
    photo = np.random.default_rng(2).integers(0, 256, (6, 8, 3), np.uint8)
    shown = crop.cut(photo, crop.Crop(Bounds(0, 0, 6, 8), 3, 4))
    for y in range(3):
        for x in range(4):
            four = photo[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].reshape(4, 3)
            assert np.abs(shown[y, x] - four.mean(0)).max() <= 0.5
