"""Names and places: whatever a file or a workflow says, nothing leaves its folder."""

import os
from pathlib import Path

import pytest
from dressform.imaging.products import naming, places

ALLOW = "Ask the operator."


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("A1001", "A1001"),
        ("连衣裙 红", "连衣裙 红"),
        ("..", "product"),
        ("../../etc/passwd", "__.._etc_passwd"),
        (".hidden", "_hidden"),
        ("a/b\\c:d", "a_b_c_d"),
        ("nul\0byte\n", "nul_byte_"),
        ("CON", "_CON"),
        ("com1.front", "_com1.front"),
        ("lpt\u00b9", "_lpt\u00b9"),
        ("trailing. . ", "trailing"),
        ("", "product"),
        ("   ", "product"),
        ("a\u202egnp.exe", "a_gnp.exe"),
        ("broken\udc80", "broken_"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
    ],
)
def test_name_is_one_entry_on_every_system(name, expected):
    assert naming.safe(name) == expected


def test_safe_names_stay_as_they_are():
    for name in ("A-1", "红", "x.y", "a'b", "50%"):
        assert naming.safe(naming.safe(name)) == naming.safe(name) == name


def test_long_names_are_cut_between_letters_and_stay_apart():
    one, other = naming.safe("裙" * 200 + "1"), naming.safe("裙" * 200 + "2")
    assert one != other
    for name in (one, other):
        assert len(name.encode()) <= naming.MAX_BYTES
        assert name.startswith("裙" * 40)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("summer/A1", "summer/A1"),
        ("summer\\A1", "summer/A1"),
        ("../../A1", "A1"),
        ("/etc/A1", "etc/A1"),
        ("C:\\A1", "C_/A1"),
        ("..", "product"),
        ("//", "product"),
    ],
)
def test_path_stays_below(name, expected):
    path = naming.safe_path(name)
    assert path.as_posix() == expected
    assert not path.is_absolute()


@pytest.mark.parametrize(
    ("file", "sku", "name"),
    [
        ("A1.jpg", "A1", "A1"),
        ("A1/front.jpg", "A1", "front"),
        ("brand/A1/back.v2.png", "brand/A1", "back.v2"),
    ],
)
def test_sku_is_the_folder_or_the_name(file, sku, name):
    assert naming.of_file(file) == (sku, name)


def test_taken_names_are_numbered():
    assert naming.free("A", {"a", "a-2"}) == "A-3"
    assert naming.free("A", set()) == "A"


class TestReading:
    @pytest.fixture
    def shop(self, tmp_path):
        for folder in ("input/skus", "secret", "allowed/deep"):
            (tmp_path / folder).mkdir(parents=True)
        return tmp_path

    def read(self, shop, text, *more):
        return places.readable(text, shop / "input", [shop / "input", *more], ALLOW)

    @pytest.mark.parametrize("text", ["skus", " skus ", "./skus", "skus/"])
    def test_names_count_from_the_input_folder(self, shop, text):
        assert self.read(shop, text) == shop / "input" / "skus"

    def test_a_folder_has_one_label_however_it_is_written(self, shop):
        base = shop / "input"
        for text in ("skus", "./skus/", str(base / "skus"), "skus/../skus"):
            assert places.label(self.read(shop, text), base) == "skus"
        outside = shop / "allowed" / "deep"
        assert places.label(outside, base) == outside.as_posix()

    def test_whole_paths_are_fine_within_the_roots(self, shop):
        wanted = shop / "allowed" / "deep"
        assert self.read(shop, str(wanted), shop / "allowed") == wanted

    @pytest.mark.parametrize(
        "text",
        ["../secret", "skus/../../secret", "/", "/etc", "//host/share", "../missing", "/missing"],
    )
    def test_what_lies_outside_is_refused_whether_or_not_it_exists(self, shop, text):
        with pytest.raises(ValueError, match=r"folder must lie inside .*Ask the operator\."):
            self.read(shop, text)

    @pytest.mark.parametrize("text", ["\\\\host\\share", "C:\\Users"])
    def test_paths_of_windows_are_refused(self, shop, text):
        with pytest.raises((ValueError, FileNotFoundError), match="folder must"):
            self.read(shop, text)

    @pytest.mark.parametrize("text", ["", "  ", "a\0b"])
    def test_no_name_is_refused(self, shop, text):
        with pytest.raises(ValueError, match="folder must name a folder of photos"):
            self.read(shop, text)

    def test_link_out_of_the_roots_is_refused(self, shop):
        (shop / "input" / "door").symlink_to(shop / "secret")
        with pytest.raises(ValueError, match="folder must lie inside"):
            self.read(shop, "door")
        assert self.read(shop, "door", shop / "secret") == shop / "input" / "door"

    def test_folder_with_a_longer_name_is_another_folder(self, shop):
        (shop / "input-2").mkdir()
        with pytest.raises(ValueError, match="folder must lie inside"):
            self.read(shop, str(shop / "input-2"))

    def test_missing_folder_and_file_are_told(self, shop):
        (shop / "input" / "photo.jpg").touch()
        for text in ("missing", "photo.jpg"):
            with pytest.raises(FileNotFoundError, match="which is none"):
                self.read(shop, text)


class TestWriting:
    def test_folder_need_not_exist(self, tmp_path):
        assert places.writable("shop/summer", tmp_path) == tmp_path / "shop" / "summer"
        assert places.writable("夏季\\A", tmp_path) == tmp_path / "夏季" / "A"

    @pytest.mark.parametrize(
        "text", ["", "..", "../x", "a/../../x", "/etc", "\\\\host\\share", "C:\\x", "c:x", "con"]
    )
    def test_other_places_are_refused(self, tmp_path, text):
        with pytest.raises(ValueError, match=r"save_to must name a folder inside .*Write for"):
            places.writable(text, tmp_path)

    def test_link_out_of_the_output_is_refused(self, tmp_path):
        root, outside = tmp_path / "output", tmp_path / "outside"
        root.mkdir()
        outside.mkdir()
        (root / "door").symlink_to(outside)
        with pytest.raises(ValueError, match="which a link leads elsewhere"):
            places.writable("door", root)
        with pytest.raises(ValueError, match="which a link leads elsewhere"):
            places.require_within(root / "door" / "A.png", root)

    def test_loop_of_links_is_no_place(self, tmp_path):
        os.symlink(tmp_path / "b", tmp_path / "a")
        os.symlink(tmp_path / "a", tmp_path / "b")
        assert not places.is_within(Path("x\0y"), [tmp_path])
        assert places.is_within(tmp_path / "a", [tmp_path])
