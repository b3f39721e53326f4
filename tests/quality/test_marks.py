import cv2
import numpy as np
import pytest
from dressform.quality import marks


@pytest.fixture(scope="module")
def shirt():
    """A shirt with words and shapes printed on it."""
    picture = np.full((400, 300, 3), 235, np.uint8)
    picture[40:360, 40:260] = (70, 90, 120)
    rng = np.random.default_rng(3)
    for text, row in (("DRESS", 130), ("FORM 26", 190), ("SAMPLE", 250)):
        cv2.putText(picture, text, (60, row), cv2.FONT_HERSHEY_DUPLEX, 1.4, (240, 235, 90), 3)
    for x, y in rng.integers((60, 270), (240, 340), (12, 2)):
        cv2.circle(picture, (int(x), int(y)), 7, (230, 60, 60), 2)
    return picture


@pytest.fixture(scope="module")
def mask(shirt):
    found = np.zeros(shirt.shape[:2], bool)
    found[40:360, 40:260] = True
    return found


def test_the_same_print_is_found_again(shirt, mask):
    found = marks.measure(shirt, shirt, mask, mask)
    assert found.value < 0.05
    assert found.details["marks"] >= marks.MIN_MARKS


def test_a_print_on_a_smaller_turned_garment_is_found(shirt, mask):
    turn = cv2.getRotationMatrix2D((150, 200), 10, 0.8)
    size = shirt.shape[1::-1]
    result = cv2.warpAffine(shirt, turn, size, borderMode=cv2.BORDER_REPLICATE)
    worn = cv2.warpAffine(mask.astype(np.uint8), turn, size) > 0
    assert marks.measure(result, shirt, worn, mask).value < 0.7


def test_a_wiped_and_a_mirrored_print_are_lost(shirt, mask):
    wiped = cv2.GaussianBlur(shirt, (0, 0), 8)
    mirrored = np.ascontiguousarray(shirt[:, ::-1])
    for result in (wiped, mirrored):
        assert marks.measure(result, shirt, mask, mask).value > 0.75


def test_a_plain_garment_is_unmeasurable_and_says_so(shirt, mask):
    plain = shirt.copy()
    plain[mask] = (70, 90, 120)
    found = marks.measure(shirt, plain, mask, mask)
    assert found.value is None
    assert "no logo or print" in found.reason


def test_a_result_without_any_mark_has_lost_all(shirt, mask):
    plain = shirt.copy()
    plain[mask] = (70, 90, 120)
    assert marks.measure(plain, shirt, mask, mask).value == 1


def test_a_second_run_says_the_same(shirt, mask):
    blurred = cv2.GaussianBlur(shirt, (0, 0), 1.5)
    values = {marks.measure(blurred, shirt, mask, mask).value for _ in range(3)}
    assert len(values) == 1
