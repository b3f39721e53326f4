"""Hosted runs without a server: addresses, the key's file, names of files, what leaves."""

import asyncio
import json
import os
import stat

import pytest

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.fixture
def folders(nodes, tmp_path, monkeypatch):
    """ComfyUI's folders, empty but for a photo."""
    import folder_paths

    for kind in ("input", "temp", "output", "user"):
        (tmp_path / kind).mkdir()
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    (tmp_path / "input" / "photo.png").write_bytes(PNG)
    return tmp_path


@pytest.fixture
def account(folders):
    from dressform.nodes import cloud_account

    return cloud_account


@pytest.fixture
def client(nodes):
    from dressform.nodes import cloud_client

    return cloud_client


@pytest.fixture
def graphs(folders):
    from dressform.nodes import cloud_graph

    return cloud_graph


@pytest.fixture
def keep(folders):
    """A function that keeps bytes under a name."""
    from dressform.nodes import cloud_files

    async def one(name, data, digest):
        async def chunks():
            yield data[:5]
            yield data[5:]

        return await cloud_files.keep(name, chunks(), digest)

    return lambda name, data, digest="": asyncio.run(one(name, data, digest))


class TestAnAddress:
    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ("cloud.example.com", "https://cloud.example.com"),
            (" https://Cloud.example.com:8443/ ", "https://cloud.example.com:8443"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://localhost", "http://localhost"),
            ("http://[::1]:9", "http://[::1]:9"),
        ],
    )
    def test_has_one_form(self, client, given, wanted):
        assert client.address(given) == wanted

    @pytest.mark.parametrize(
        "given",
        [
            "http://cloud.example.com",
            "https://cloud.example.com/api",
            "https://name:word@cloud.example.com",
            "https://cloud.example.com?x=1",
            "http://169.254.169.254",
            "ftp://cloud.example.com",
            "file:///etc/passwd",
            "https://",
            "https://cloud.example.com:99999",
            "https://exämple.com",
            "",
            None,
            7,
            "https://" + "a" * 400,
        ],
    )
    def test_of_another_kind_is_refused(self, client, given):
        with pytest.raises(ValueError, match="server must be an https address"):
            client.address(given)


class TestTheKey:
    def test_lies_in_a_file_of_its_owner_alone(self, account, folders):
        account.keep(account.read("cloud.example.com", " df_secret_key_abcd "))
        (kept,) = (folders / "user").rglob("*.json")
        assert kept.parent.name == "__dressform"
        if os.name == "posix":
            assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert account.load() == ("https://cloud.example.com", "df_secret_key_abcd")
        account.forget()
        assert account.load() is None
        assert list((folders / "user").rglob("*.json")) == []

    def test_is_told_to_nobody(self, account):
        one = account.read("cloud.example.com", "df_secret_key_abcd")
        assert "secret" not in json.dumps(one.view()) + repr(one) + f"{one}"
        assert one.view()["key_hint"] == "abcd"

    @pytest.mark.parametrize("text", ["", "short", "df_with space in it", "df_" + "ä" * 20, None])
    def test_that_can_be_none_is_refused(self, account, text):
        from dressform.nodes.photo_files import Refused

        with pytest.raises(Refused, match="Copy it again"):
            account.read("cloud.example.com", text)

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"server": 1}', '{"server": "a", "key": ""}'])
    def test_file_that_is_broken_is_as_none(self, account, text):
        account.path().write_text(text)
        assert account.load() is None


class TestAFile:
    def test_never_replaces_another(self, keep, folders):
        names = [keep("photo.png", PNG).filename for _ in range(3)]
        assert names == ["photo.png", "photo_2.png", "photo_3.png"]
        assert {path.read_bytes() for path in (folders / "output").rglob("*.png")} == {PNG}

    @pytest.mark.parametrize(
        "name",
        [
            "../../evil.png",
            "..\\..\\evil.png",
            "/etc/evil.png",
            "C:\\evil.png",
            "..",
            ".",
            "",
            ".bashrc",
            "CON.png",
            "a\0b.png",
            "x" * 500,
            None,
            7,
            "\u202egnp.exe",
        ],
    )
    def test_stays_in_its_folder_under_a_plain_name(self, keep, folders, name):
        made = keep(name, PNG)
        assert made.path.parent == (folders / "output" / "hosted").resolve()
        assert made.path.suffix == ".png"
        assert not made.filename.startswith(".")
        assert len(made.filename) <= 110
        assert [path.name for path in folders.rglob("*") if path.is_file()] == [
            "photo.png",
            made.filename,
        ]

    @pytest.mark.parametrize(
        ("name", "data", "suffix", "shown"),
        [
            ("page.html", b"<script>alert(1)</script>", ".txt", ""),
            ("image.svg", b"<svg onload='alert(1)'/>", ".txt", ""),
            ("scores.json", b"{}", ".json", ""),
            ("run.exe", b"MZ\0\0", ".bin", ""),
            ("really.exe", PNG, ".png", "images"),
            ("photo.png", b"\xff\xd8\xff\xe0", ".jpg", "images"),
            ("a.webp", b"RIFF\0\0\0\0WEBPVP8 ", ".webp", "images"),
            ("clip.png", b"\0\0\0\x18ftypmp42", ".mp4", "video"),
        ],
    )
    def test_has_the_suffix_of_its_bytes(self, keep, name, data, suffix, shown):
        made = keep(name, data)
        assert (made.path.suffix, made.shown) == (suffix, shown)

    def test_that_was_only_shown_goes_where_comfyui_empties(self, keep):
        assert keep("ComfyUI_temp_abcde_00001_.png", PNG).type == "temp"
        for name in ("my_temperature_1.png", "color_temp_00001_.png", "temp_00001_.png"):
            assert keep(name, PNG).type == "output"

    def test_is_one_of_as_many_as_a_server_takes(self, folders):
        from dressform.nodes import cloud_files
        from dressform.worker import outputs

        assert cloud_files.MAX_FILES == outputs.MAX_FILES

    def test_with_other_bytes_than_told_is_not_kept(self, keep, folders):
        blake3 = pytest.importorskip("blake3").blake3
        assert keep("a.png", PNG, f"blake3:{blake3(PNG).hexdigest()}").filename == "a.png"
        with pytest.raises(ValueError, match="must arrive whole"):
            keep("b.png", PNG, "blake3:" + "0" * 64)
        left = [path.name for path in (folders / "output").rglob("*") if path.is_file()]
        assert left == ["a.png"]


class TestAWorkflow:
    def test_leaves_without_titles_and_names_of_files(self, graphs):
        given = {
            "1": {
                "class_type": "LoadImage",
                "inputs": {"image": "photo.png"},
                "_meta": {"title": "Anna at the beach"},
                "is_changed": ["x"],
            }
        }
        clean = graphs.clean(given)
        files = graphs.local(clean).files
        assert [path.name for path in (one.path for one in files.values())] == ["photo.png"]
        sent = graphs.bound(clean, dict.fromkeys(files, "asset-1"))
        told = json.dumps(sent)
        assert "Anna" not in told
        assert "photo" not in told
        assert sent["1"]["inputs"]["image"] == {"__type": "core/ASSET", "info": {"id": "asset-1"}}
        assert clean["1"]["inputs"]["image"] == "photo.png"  # the one given stays as it is

    @pytest.mark.parametrize("name", ["gone.png", "../user/__dressform/cloud.json", "/etc/passwd"])
    def test_reaches_no_file_outside_of_comfyuis_folders(self, graphs, account, name):
        account.keep(account.read("cloud.example.com", "df_secret_key_abcd"))
        graph = {"1": {"class_type": "LoadImage", "inputs": {"image": name}}}
        told = graphs.local(graph)
        assert not told.files
        assert list(told.missing.values()) == [name]

    def test_names_what_can_only_run_here(self, graphs):
        graph = {"1": {"class_type": "DressformLoadFolder", "inputs": {}}}
        assert graphs.local(graph).refused == ("DressformLoadFolder",)

    @pytest.mark.parametrize(
        "given",
        [None, {}, [], "x", {"1": {}}, {"1": {"class_type": 7}}, {"nodes": [], "links": []}],
    )
    def test_of_another_form_is_refused(self, graphs, given):
        from dressform.nodes.photo_files import Refused

        with pytest.raises(Refused, match="API form"):
            graphs.clean(given)


class TestAPreview:
    def test_is_a_picture_or_nothing(self, nodes):
        from dressform.nodes import cloud_calls

        good = {"node_id": "3", "content_type": "image/jpeg", "data_base64": "/9j/4AAQ"}
        assert cloud_calls.preview(good) == {
            "node": "3",
            "image": "data:image/jpeg;base64,/9j/4AAQ",
        }
        for change in (
            {"content_type": "image/svg+xml"},
            {"content_type": "text/html"},
            {"data_base64": "PHN2Zz4="},
            {"data_base64": '/9j/4AAQ" onload="x'},
            {"data_base64": None},
            {"data_base64": "/9j/" * 200_000},
        ):
            assert cloud_calls.preview(good | change) is None


class TestAHostedGraph:
    @pytest.fixture
    def hosted(self, folders, monkeypatch):
        import folder_paths
        from dressform.nodes import hosted_graphs

        monkeypatch.setattr(folder_paths, "models_dir", str(folders / "models"))
        own = folders / "models" / "dressform" / "workflows"
        own.mkdir(parents=True)
        (own / "shop.json").write_text('{"1": {"class_type": "LoadImage", "inputs": {}}}')
        (own / "editor.json").write_text('{"nodes": [], "links": []}')
        (own / "broken.json").write_text("{")
        return hosted_graphs

    def test_is_chosen_from_the_shops_folder_and_those_shipped(self, hosted):
        names = hosted.names()
        assert names[:3] == ["broken", "editor", "shop"]
        assert {"remove_mannequin", "mannequin_to_model"} <= set(names)
        assert "batch_cutout" not in names  # it reads a folder of this computer

    @pytest.mark.parametrize("name", ["../shop", "/etc/passwd", "gone", "", "editor", "broken"])
    def test_of_no_such_name_or_form_is_refused(self, hosted, name):
        with pytest.raises(ValueError, match=r"Export \(API\)"):
            hosted.load(name)

    def test_takes_pictures_in_the_order_of_its_nodes(self, hosted):
        graph = hosted.graph_of(hosted.load("mannequin_to_model"))
        assert [place.node for place in hosted.loaders(graph)] == ["1", "2"]

    def test_takes_a_seed_in_place_of_its_own(self, hosted):
        graph = {"1": {"class_type": "K", "inputs": {"seed": 5, "noise_seed": ["2", 0]}}}
        assert hosted.seeded(graph, -1) == graph
        assert hosted.seeded(graph, 9)["1"]["inputs"] == {"seed": 9, "noise_seed": ["2", 0]}

    def test_gives_the_pictures_of_a_node_by_title(self, hosted):
        told = hosted.load("remove_mannequin")
        assert hosted.result(told, "", {"5", "4"}) == "4"
        assert hosted.result(told, "White square JPG", {"5", "4"}) == "5"
        with pytest.raises(ValueError, match=r"These have some: 4 \(Transparent PNG\)"):
            hosted.result(told, "9", {"4"})

    def test_of_a_try_on_has_the_inputs_of_the_node(self, hosted, listed):
        graph, places = hosted.try_on(hints="{}", engine="warp", region="auto")
        (schema,) = (n.GET_SCHEMA() for n in listed if n.GET_SCHEMA().node_id == "DressformTryOn")
        step = graph["4"]["inputs"]
        assert set(step) <= {entry.id for entry in schema.inputs}
        assert {e.id for e in schema.inputs if not e.optional} <= set(step)
        assert {graph[place.node]["class_type"] for place in places.values()} == {
            "LoadImage",
            "LoadImageMask",
        }
        with pytest.raises(ValueError, match="at most 20000 characters"):
            hosted.try_on(hints="x" * 20_001)
