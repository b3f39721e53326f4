"""The canvas's three questions to the server, without one; tests/comfyui asks the real one."""

import asyncio
import io
import json
import os

import numpy as np
import pytest
from dressform.imaging import labels, strokes
from dressform.imaging.parsing import Parsing
from PIL import Image

HEIGHT, WIDTH = 160, 120
JOINTS = ((60.0, 20.0, 0.5),) * 18


@pytest.fixture
def routes(nodes):
    from dressform.nodes import hint_routes

    hint_routes._read.cache_clear()
    return hint_routes


@pytest.fixture
def files(nodes):
    from dressform.nodes import photo_files

    return photo_files


@pytest.fixture
def folders(nodes, tmp_path, monkeypatch):
    """ComfyUI's three folders, with a photo in input and a secret beside them."""
    import folder_paths

    for kind in ("input", "temp", "output"):
        (tmp_path / kind / "shop").mkdir(parents=True)
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    picture = np.full((HEIGHT, WIDTH, 3), 204, np.uint8)
    picture[30:130, 35:85] = (51, 77, 153)
    Image.fromarray(picture).save(tmp_path / "input" / "photo.png")
    Image.fromarray(picture).save(tmp_path / "secret.png")
    return tmp_path


@pytest.fixture
def parsed(monkeypatch, files):
    """Photos read without ComfyUI's loader, and a parser that finds a dress; counts its calls."""
    from dressform.imaging import parse, pictures

    calls = []

    def read(image):
        calls.append(image.shape)
        label_map = np.zeros(image.shape[:2], np.uint8)
        height, width = image.shape[:2]
        label_map[height // 5 : height * 4 // 5, width // 3 : width * 2 // 3] = labels.GARMENT
        found = Parsing(label_map, kind="ghost", region="dress", warnings=("Look at it.",))
        return found._replace(photo=strokes.fingerprint(image))

    def load(file):
        files._require_picture(file)
        return pictures.open_picture(file.path)

    monkeypatch.setattr(parse, "parse", read)
    monkeypatch.setattr(files, "load", load)
    return calls


def photo(filename="photo.png", **more):
    return {"filename": filename, "subfolder": "", "type": "input"} | more


def document(**changes):
    line = strokes.stroke("head", np.array([[60, 10, 1], [70, 12, 0.5]]), 2, closed=False)
    made = strokes.StrokeDocument(WIDTH, HEIGHT, "00ff", (line,), JOINTS)
    return json.loads(strokes.to_json(made)) | changes


class TestFind:
    @pytest.mark.parametrize(
        "named",
        [
            photo(),
            photo("photo.png [input]", type="temp"),
            photo("photo.png[input]"),
            {"filename": "photo.png"},
            photo("../input/photo.png"),
        ],
        ids=["plain", "annotated", "annotated-tight", "default", "around"],
    )
    def test_a_photo_is_found_as_load_image_names_it(self, files, folders, named):
        found = files.find(named)
        assert found.path == (folders / "input" / "photo.png").resolve()
        assert found.name == "photo.png [input]"

    def test_subfolders_and_other_folders(self, files, folders):
        (folders / "temp" / "shop" / "a b.png").write_bytes(b"x")
        assert files.find(photo("a b.png", subfolder="shop", type="temp")).name == (
            "shop/a b.png [temp]"
        )
        assert files.find(photo("shop/a b.png", type="temp")).name == "shop/a b.png [temp]"

    @pytest.mark.parametrize(
        "named",
        [
            photo("../secret.png"),
            photo("../../../../../../etc/passwd"),
            photo("secret.png", subfolder=".."),
            photo("secret.png", subfolder="shop/../.."),
            photo("passwd", subfolder="/etc"),
            photo("/etc/passwd"),
            photo("../secret.png [output]"),
        ],
    )
    def test_a_path_that_leads_out_is_refused(self, files, folders, named):
        with pytest.raises(files.Refused, match="leads out of it") as caught:
            files.find(named)
        assert (caught.value.status, caught.value.code) == (400, "photo-outside")

    @pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
    def test_a_link_that_leads_out_is_refused(self, files, folders):
        (folders / "input" / "link.png").symlink_to(folders / "secret.png")
        (folders / "input" / "linked").symlink_to(folders, target_is_directory=True)
        for named in (photo("link.png"), photo("secret.png", subfolder="linked")):
            with pytest.raises(files.Refused, match="leads out of it"):
                files.find(named)

    @pytest.mark.parametrize(
        "named",
        [
            photo("nothing.png"),
            photo("shop"),
            photo("photo.png", type="output"),
            photo("photo.png", subfolder="nothing"),
            photo("x" * 999),
            photo("nul\0.png"),
            photo("\ud800.png"),
        ],
        ids=["missing", "folder", "other-type", "other-folder", "long", "nul", "surrogate"],
    )
    def test_what_is_no_file_is_not_found(self, files, folders, named):
        with pytest.raises(files.Refused, match="which is not there") as caught:
            files.find(named)
        assert (caught.value.status, caught.value.code) == (404, "photo-not-found")
        assert len(str(caught.value)) < 300

    @pytest.mark.parametrize(
        "named",
        [
            None,
            "photo.png",
            [],
            {},
            photo(""),
            photo(None),
            photo(["photo.png"]),
            photo("x" * 1001),
            photo(subfolder=None),
            photo(type="models"),
            photo(type=3),
        ],
    )
    def test_what_names_no_photo_is_refused(self, files, folders, named):
        with pytest.raises(files.Refused, match=r"must be") as caught:
            files.find(named)
        assert (caught.value.status, caught.value.code) == (400, "bad-photo")


class TestRequirePicture:
    def require(self, files, folders, data):
        (folders / "input" / "file.png").write_bytes(data)
        files._require_picture(files.find(photo("file.png")))

    @pytest.mark.parametrize("share", [0, 0.5])
    def test_half_a_picture_is_none(self, files, folders, share):
        whole = (folders / "input" / "photo.png").read_bytes()
        with pytest.raises(files.Refused, match="must be a whole picture") as caught:
            self.require(files, folders, whole[: int(len(whole) * share)])
        assert caught.value.code == "not-an-image"

    @pytest.mark.parametrize("data", [b"\0" * 5000, b"<svg onload='alert(1)'/>", b"#!/bin/sh"])
    def test_other_files_are_no_pictures(self, files, folders, data):
        with pytest.raises(files.Refused, match="must be a whole picture"):
            self.require(files, folders, data)

    def test_a_picture_beyond_the_limit_is_not_decoded(self, files, folders, monkeypatch):
        from dressform.imaging import pictures

        monkeypatch.setattr(files, "MAX_PIXELS", HEIGHT * WIDTH - 1)
        monkeypatch.setattr(pictures, "open_picture", lambda path: pytest.fail("was decoded"))
        with pytest.raises(files.Refused) as caught:
            files._require_picture(files.find(photo()))
        assert (caught.value.status, caught.value.code) == (413, "photo-too-large")

    def test_all_frames_of_an_animation_count(self, files, folders, monkeypatch):
        frames = [Image.new("RGB", (20, 20), (level, 0, 0)) for level in (0, 99, 200)]
        path = folders / "input" / "moving.gif"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        monkeypatch.setattr(files, "MAX_PIXELS", 1199)
        with pytest.raises(files.Refused, match="megapixels"):
            files._require_picture(files.find(photo("moving.gif")))


class TestPhoto:
    def test_size_and_fingerprint_are_told(self, routes, folders, parsed):
        told = routes.tell({"photo": photo()})
        picture = np.asarray(Image.open(folders / "input" / "photo.png"))
        assert told == {
            "width": WIDTH,
            "height": HEIGHT,
            "fingerprint": strokes.fingerprint(picture),
        }
        assert parsed == []

    def test_what_the_browser_knows_already_is_believed(self, routes, folders, parsed):
        known = {"width": 1200, "height": 1600, "fingerprint": "00aa"}
        assert routes.tell({"photo": photo(**known)}) == known

    @pytest.mark.parametrize(
        "more",
        [
            {"width": 5},
            {"width": 0, "height": 5},
            {"width": "9", "height": 9},
            {"width": float("nan"), "height": 9},
            {"fingerprint": "../.."},
            {"fingerprint": ["00"]},
            {"width": 10**9, "height": 9},
        ],
    )
    def test_a_size_or_fingerprint_that_cannot_be_is_refused(self, routes, folders, parsed, more):
        with pytest.raises(routes.Refused, match="must be") as caught:
            routes.tell({"photo": photo(**more)})
        assert caught.value.code == "bad-photo"

    def test_keys_that_are_not_known_are_refused(self, routes, folders):
        with pytest.raises(routes.Refused, match="got also") as caught:
            routes.tell({"photo": photo(), "path": "/etc/passwd"})
        assert caught.value.code == "bad-request"


class TestPropose:
    def test_a_document_for_the_photo_comes_back_with_warnings(self, routes, folders, parsed):
        told = routes.propose({"photo": photo()})
        found = strokes.from_content(told["document"])
        assert (found.width, found.height) == (WIDTH, HEIGHT)
        assert found.photo == routes.tell({"photo": photo()})["fingerprint"]
        assert found.strokes
        assert {stroke.source for stroke in found.strokes} == {"proposed"}
        assert told["warnings"] == ["Look at it."]

    def test_a_photo_is_parsed_once_until_its_file_changes(self, routes, folders, parsed):
        routes.propose({"photo": photo()})
        routes.propose({"photo": photo(), "options": {"all_parts": True}})
        assert len(parsed) == 1
        Image.new("RGB", (30, 40)).save(folders / "input" / "photo.png")
        routes.propose({"photo": photo()})
        assert len(parsed) == 2

    def test_the_answer_for_a_smaller_picture_is_of_the_photos_size(self, routes, folders, parsed):
        asked = photo(width=3 * WIDTH, height=3 * HEIGHT, fingerprint="00aa")
        large = strokes.from_content(routes.propose({"photo": asked})["document"])
        small = strokes.from_content(routes.propose({"photo": photo()})["document"])
        assert large == strokes.resized(small, (3 * HEIGHT, 3 * WIDTH))._replace(photo="00aa")

    @pytest.mark.parametrize(
        "options",
        [[], None, {"pose": "implied"}, {"photo": "00"}, {"all_parts": 1}, {"stance": "flying"}],
    )
    def test_options_that_are_not_known_are_refused(self, routes, folders, parsed, options):
        with pytest.raises(routes.Refused) as caught:
            routes.propose({"photo": photo(), "options": options})
        assert (caught.value.status, caught.value.code) == (400, "bad-options")

    def test_every_option_is_one_of_propose(self, routes):
        import inspect

        from dressform.imaging import hints

        taken = set(inspect.signature(hints.propose).parameters) - {"parsing", "pose", "photo"}
        assert set(routes.OPTIONS) == taken

    def test_a_photo_without_a_body_is_refused_in_words(self, routes, folders, parsed, monkeypatch):
        from dressform.imaging import parse

        nothing = Parsing(np.zeros((HEIGHT, WIDTH), np.uint8))
        monkeypatch.setattr(parse, "parse", lambda image: nothing)
        with pytest.raises(routes.Refused, match="neither is found") as caught:
            routes.propose({"photo": photo()})
        assert caught.value.code == "no-body"


class TestRefit:
    def test_strokes_come_back_for_the_photo(self, routes, folders, parsed):
        told = routes.refit({"photo": photo(), "document": document()})
        found = strokes.from_content(told["document"])
        assert found.photo == routes.tell({"photo": photo()})["fingerprint"]
        assert [stroke.role for stroke in found.strokes] == ["head"]

    def test_strokes_without_landmarks_bring_a_warning(self, routes, folders, parsed):
        told = routes.refit({"photo": photo(), "document": document(landmarks=None)})
        assert "only scaled" in told["warnings"][0]

    @pytest.mark.parametrize(
        "bad", [None, [], "text", {}, {"version": 2}, [[[]]]], ids=lambda value: str(value)[:9]
    )
    def test_a_malformed_document_is_refused_in_words(self, routes, folders, parsed, bad):
        with pytest.raises(routes.Refused, match="strokes must") as caught:
            routes.refit({"photo": photo(), "document": bad})
        assert (caught.value.status, caught.value.code) == (400, "bad-document")
        assert parsed == []


class TestBody:
    """What comes over HTTP before anything is looked at, with aiohttp's own server."""

    @pytest.fixture
    def post(self, routes, folders, parsed):
        from aiohttp import web
        from aiohttp.test_utils import TestClient, TestServer

        async def ask(body, **headers):
            app = web.Application(client_max_size=100 << 20)
            app.router.add_post("/ask", routes._answer(routes.propose))
            async with TestClient(TestServer(app)) as client:
                answer = await client.post("/ask", data=body, headers=headers)
                return answer.status, await answer.json()

        return lambda body, **headers: asyncio.run(ask(body, **headers))

    def test_a_good_request_is_answered(self, post):
        status, told = post(json.dumps({"photo": photo()}))
        assert status == 200
        assert told["document"]["version"] == 1

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "not-json"),
            (b"{", "not-json"),
            (b"\xff\xfe\xfa", "not-json"),
            (b"[" * 1_000_000, "not-json"),
            (b'{"photo":' * 100_000, "not-json"),
            (b"[]", "bad-request"),
            (b'"photo.png"', "bad-request"),
            (b"{}", "bad-photo"),
        ],
        ids=["empty", "cut", "bytes", "deep-list", "deep-object", "list", "text", "bare"],
    )
    def test_malformed_bodies_are_refused(self, post, body, code):
        status, told = post(body)
        assert (status, told["code"]) == (400, code)
        assert told["error"].endswith(".")

    def test_a_huge_body_is_refused(self, post):
        status, told = post(io.BytesIO(b" " * 2_100_001))
        assert (status, told["code"]) == (413, "body-too-large")

    def test_a_huge_body_of_unknown_length_is_refused(self, post):
        async def endless():
            for _ in range(40):
                yield b" " * 65_536

        status, told = post(endless())
        assert (status, told["code"]) == (413, "body-too-large")

    def test_the_event_loop_goes_on_while_a_photo_is_read(self, routes, monkeypatch):
        import threading

        names = []
        monkeypatch.setattr(
            routes, "parsed", lambda body: names.append(threading.current_thread().name) or {}
        )

        class Request:
            content_length = 2

            class content:  # noqa: N801
                @staticmethod
                async def iter_chunked(_):
                    yield b"{}"

        asyncio.run(routes._answer(lambda content: content)(Request()))
        assert names[0].startswith("dressform-hints")
