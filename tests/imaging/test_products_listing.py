"""Which photos a folder has, in which order, and how fast that is told."""

import os
import time

import pytest
from dressform.imaging.products import listing


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def names(folder, **options):
    return [photo.file for photo in listing.photos(folder, **options)]


def test_numbers_count_as_numbers(tmp_path):
    touch(tmp_path, "10.jpg", "2.jpg", "B1.png", "a10.webp", "a9.tif", "01.jpg")
    assert names(tmp_path) == ["01.jpg", "2.jpg", "10.jpg", "a9.tif", "a10.webp", "B1.png"]


def test_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    touch(tmp_path, *(f"{n}.jpg" for n in range(30)))
    expected = names(tmp_path)
    entries = listing._entries
    monkeypatch.setattr(listing, "_entries", lambda place: entries(place)[::-1])
    assert names(tmp_path) == expected == [f"{n}.jpg" for n in range(30)]


def test_hidden_files_and_other_kinds_are_left_out(tmp_path):
    touch(tmp_path, "A.JPG", ".b.jpg", "~$c.jpg", "notes.txt", "manifest.csv", ".git/d.jpg")
    assert names(tmp_path) == ["A.JPG"]


def test_subfolders_are_entered_or_not(tmp_path):
    touch(tmp_path, "a.jpg", "A1/front.jpg", "A1/deep/x.jpg")
    assert names(tmp_path) == ["A1/deep/x.jpg", "A1/front.jpg", "a.jpg"]
    assert names(tmp_path, subfolders=False) == ["a.jpg"]


def test_results_inside_the_folder_are_no_photos(tmp_path):
    touch(tmp_path, "a.jpg", "products/a/a.png")
    assert names(tmp_path, without=[tmp_path / "products"]) == ["a.jpg"]


@pytest.mark.parametrize("suffix", [".heic", ".PSD", ".nef"])
def test_kinds_that_cannot_be_read_are_told(tmp_path, suffix):
    touch(tmp_path, f"a{suffix}", "b.jpg")
    skipped, photo = listing.photos(tmp_path)
    assert f"the kind {suffix.lower()} are not read" in skipped.reason
    assert photo.reason == ""


def test_a_loop_of_links_ends(tmp_path):
    touch(tmp_path, "A1/a.jpg")
    (tmp_path / "A1" / "up").symlink_to(tmp_path)
    os.symlink(tmp_path / "two", tmp_path / "one.jpg")
    os.symlink(tmp_path / "one.jpg", tmp_path / "two")
    found = listing.photos(tmp_path)
    assert [photo.file for photo in found if not photo.reason] == ["A1/a.jpg"]


def test_links_are_followed_within_the_roots_and_told_beyond(tmp_path):
    touch(tmp_path, "in/a.jpg", "other/b.jpg", "secret/c.jpg")
    (tmp_path / "in" / "other").symlink_to(tmp_path / "other")
    (tmp_path / "in" / "secret").symlink_to(tmp_path / "secret")
    (tmp_path / "in" / "c.jpg").symlink_to(tmp_path / "secret" / "c.jpg")
    found = listing.photos(tmp_path / "in", roots=[tmp_path / "in", tmp_path / "other"])
    assert [photo.file for photo in found if not photo.reason] == ["a.jpg", "other/b.jpg"]
    told = [photo for photo in found if photo.reason]
    assert [photo.file for photo in told] == ["c.jpg", "secret"]
    assert all("link out of the folders" in photo.reason for photo in told)


def test_pipes_are_not_opened(tmp_path):
    touch(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "b.jpg")
    assert names(tmp_path) == ["a.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
def test_subfolder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    touch(tmp_path, "a.jpg", "closed/b.jpg")
    entries = listing._entries

    def refuse(place):
        if place.name == "closed":
            raise PermissionError(13, "Permission denied", str(place))
        return entries(place)

    monkeypatch.setattr(listing, "_entries", refuse)
    photo, told = listing.photos(tmp_path)
    assert photo.file == "a.jpg"
    assert "cannot be read: Permission denied" in told.reason


@pytest.mark.parametrize("files", [(), ("notes.txt",), (".a.jpg",)])
def test_folder_without_photos_is_told(tmp_path, files):
    touch(tmp_path, *files)
    with pytest.raises(ValueError, match=r"folder must have photos, got .* Put picture files"):
        listing.photos(tmp_path)


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "MAX_FILES", 3)
    touch(tmp_path, *(f"{n}.jpg" for n in range(4)))
    with pytest.raises(ValueError, match="at most 3 photos"):
        listing.photos(tmp_path)


def test_ten_thousand_files_are_listed_at_once(tmp_path):
    for number in range(10_000):
        (tmp_path / f"{number}.jpg").touch()
    started = time.process_time()
    found = listing.photos(tmp_path)
    assert time.process_time() - started < 3  # 0.2 s seen
    assert [photo.file for photo in found[::5000]] == ["0.jpg", "5000.jpg"]
