"""Clones in folders with unusual names: their help pages and templates are found all the same."""

import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest
from dressform.comfyui.server import Server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def served(nodes):
    from dressform.nodes import served

    return served


@pytest.mark.parametrize(
    ("folder", "name"),
    [("dressform", "dressform"), ("my pack-1.0", "my pack-1"), ("dressform@2.1", "dressform")],
)
def test_the_editor_cuts_the_name_at_a_dot(served, folder, name):
    assert served.looked_up_name(folder) == name


@pytest.mark.parametrize(
    ("folder", "plain"),
    [("comfyui-dressform", True), ("my pack", False), ("pack-1.0", False), ("人台", False)],
)
def test_only_unusual_names_need_help(served, folder, plain):
    assert served.is_plain(folder) is plain


def test_files_outside_of_the_folder_are_not_found(served, tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "web" / "page.md").write_text("x")
    assert served.find(tmp_path / "web", "page.md") == (tmp_path / "web" / "page.md").resolve()
    assert served.find(tmp_path / "web", "../secret") is None
    assert served.find(tmp_path / "web", str(tmp_path / "secret")) is None
    assert served.find(tmp_path / "web", "nothing.md") is None
    assert served.find(tmp_path / "web", ".") is None


@pytest.fixture(scope="module")
def url(comfyui_folder, tmp_path_factory):
    """Address of a second server, whose clone of the pack lies in `my pack-1.0`."""
    base = tmp_path_factory.mktemp("unusual")
    (base / "custom_nodes").mkdir()
    (base / "custom_nodes" / "my pack-1.0").symlink_to(ROOT, target_is_directory=True)
    with Server(comfyui_folder, base=base).start() as server:
        assert not [line for line in server.import_failures() if "my pack" in line]
        yield server.url


@pytest.mark.comfyui
class TestUnusualFolder:
    @staticmethod
    def read(url, path):
        with urllib.request.urlopen(url + quote(path)) as answer:  # noqa: S310 (loopback)
            return answer.read()

    @pytest.mark.parametrize("page", ["DressformTryOn.md", "DressformTryOn/zh.md"])
    def test_help_pages_are_where_the_editor_looks(self, url, page):
        expected = (ROOT / "web" / "docs" / page).read_bytes()
        assert self.read(url, f"/extensions/my pack-1/docs/{page}") == expected

    @pytest.mark.parametrize("file", ["mannequin_to_model.json", "mannequin_to_model.jpg"])
    def test_template_is_served_with_its_picture(self, url, file):
        expected = (ROOT / "workflows" / file).read_bytes()
        assert self.read(url, f"/api/workflow_templates/my pack-1.0/{file}") == expected

    @pytest.mark.parametrize(
        "path", ["/extensions/my pack-1/../README.md", "/extensions/another/docs/DressformTryOn.md"]
    )
    def test_nothing_else_is_served(self, url, path):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            self.read(url, path)

    def test_the_nodes_are_there(self, url):
        assert b"DressformTryOn" in self.read(url, "/object_info/DressformTryOn")
