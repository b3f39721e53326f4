"""The benchmark of the paste-back finds no change, and finds one where there is one."""

import numpy as np
import pytest
from dressform.inference import warp

SIZES = [((161, 97), 1), ((90, 131), 2), ((128, 67), 1)]


@pytest.fixture(scope="session")
def paste_back(bench):
    return bench("paste_back")


@pytest.mark.parametrize("family", ["warp", "diffusion"])
@pytest.mark.parametrize(("size", "batch"), SIZES)
def test_nothing_changes_outside(paste_back, family, size, batch):
    kept, changed = paste_back.measure(family, size, batch, 3)
    assert kept > 0
    assert changed == 0


def test_a_picture_laid_one_pixel_off_is_counted(paste_back, monkeypatch):
    stitch = warp.stitch.stitch

    def off(person, painted, mask):
        return stitch(person, painted, np.roll(mask, 1, 1))

    monkeypatch.setattr(warp.stitch, "stitch", off)
    assert paste_back.measure("warp", (161, 97), 1, 3)[1] > 0


def test_each_changed_pixel_counts_once(paste_back):
    before = np.zeros((5, 7, 3), np.uint8)
    after, mask = before.copy(), np.zeros((5, 7), np.float32)
    mask[2, 2] = 0.1
    after[2, 2], after[0, 0], after[4, 6] = 9, 1, (0, 0, 1)
    assert paste_back.outside(before, after, mask) == (34, 2)
