"""What the tests share: the real ComfyUI, and what happens where a part is missing.

A test whose part is missing is skipped with a sentence that says how to get it. With
DRESSFORM_REQUIRE=all the same is a failure, so that nothing is silently left out; but for tests
marked `outside`, whose part no installation brings.
"""

import copy
import hashlib
import importlib
import importlib.util
import json
import math
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from types import MappingProxyType

import pytest
from dressform.comfyui import environment, launch, session, source
from dressform.comfyui.server import Server
from dressform.inference import weights
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# The same examples on every machine: a failure elsewhere can be repeated here.
settings.register_profile(
    "dressform",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("dressform")

REQUIRE_ALL = os.environ.get("DRESSFORM_REQUIRE") == "all"


def _failed(report):
    _, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, "")
    report.outcome = "failed"
    report.longrepr = f"DRESSFORM_REQUIRE=all allows no skip. {reason or report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    allowed = _is_xfail(report) or item.get_closest_marker("outside")
    return _failed(report) if REQUIRE_ALL and report.skipped and not allowed else report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    return _failed(report) if REQUIRE_ALL and report.skipped else report


def _is_xfail(report):
    return hasattr(report, "wasxfail")


@pytest.fixture(scope="session")
def need():
    """A function that skips the test, or fails it where everything is required."""

    def say(what, how):
        pytest.skip(f"{what} is missing. {how}")

    return say


@pytest.fixture(scope="session")
def comfyui_folder(need):
    """The tree of a ComfyUI that this interpreter can run."""
    tree = source.locate()
    if tree is None:
        need("ComfyUI", "Run `dressform comfyui`, or set COMFYUI_PATH to one of your own.")
    if not environment.is_ready(tree):
        need("a package that ComfyUI requires", "Run `dressform comfyui`.")
    if not any(isinstance(f, launch.TorchaudioWithoutItsLibrary) for f in sys.meta_path):
        # As the server does it, for tests that import ComfyUI's modules.
        sys.meta_path.insert(0, launch.TorchaudioWithoutItsLibrary())
    return tree


@pytest.fixture(scope="session")
def comfyui(comfyui_folder, tmp_path_factory):
    """A running ComfyUI with this pack; one start serves all tests."""
    base = tmp_path_factory.mktemp("comfyui")
    with Server(comfyui_folder, packs=[session.PACK], base=base).start() as server:
        yield server


@pytest.fixture(scope="session")
def tiny(need, tmp_path_factory):
    """A function that writes random weights, tiny("flux2"), and returns their folders by id.

    Each is written once; whoever changes one copies it first. See tests/inference/tiny_*.py.
    """
    if not all(importlib.util.find_spec(name) for name in ("torch", "diffusers", "transformers")):
        need("diffusers", "Run: pip install torch diffusers transformers accelerate peft")
    if not any(isinstance(f, launch.TorchaudioWithoutItsLibrary) for f in sys.meta_path):
        sys.meta_path.insert(0, launch.TorchaudioWithoutItsLibrary())
    helpers = str(Path(__file__).parent / "inference")
    if helpers not in sys.path:  # tiny_*.py are modules of no package
        sys.path.append(helpers)
    written = {}

    def write(name):
        if name not in written:
            module = importlib.import_module(f"tiny_{name}")
            written[name] = module.write(tmp_path_factory.mktemp(name))
        return written[name]

    return write


class Hub:
    """Answers as the hub does for one repository; faults are switched on by the tests."""

    SOURCE, COMMIT = "makers/tiny", "a" * 40
    CONTENT = MappingProxyType(
        {
            "config.json": b"{}",
            "net/model.safetensors": bytes(range(256)) * 400,
            "net/model.bin": b"pickle",
        }
    )

    def __init__(self):
        self.files = dict(self.CONTENT)
        self.gated = False
        self.cut_after = None  # bytes after which a transfer breaks
        self.hold_after = None  # bytes after which a transfer stands still
        self.asked = []  # (path, Range)
        self.requests = 0
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                outer.answer(self, body=False)

            def do_GET(self):
                outer.answer(self, body=True)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler, body):
        self.requests += 1
        path = handler.path.split("?")[0]
        if path.startswith(f"/api/models/{self.SOURCE}/tree/"):
            listed = [
                {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                for name, data in self.files.items()
            ]
            return self.send(handler, 200, json.dumps(listed).encode(), body)
        name = path.removeprefix(f"/{self.SOURCE}/resolve/{self.COMMIT}/")
        if name not in self.files:
            return self.send(handler, 404, b"", body, {"X-Error-Code": "EntryNotFound"})
        if self.gated:
            return self.send(handler, 403, b"", body, {"X-Error-Code": "GatedRepo"})
        data, start = self.files[name], 0
        headers = {"X-Repo-Commit": self.COMMIT, "ETag": f'"{hashlib.sha1(data).hexdigest()}"'}  # noqa: S324
        asked = handler.headers.get("Range")
        if body:
            self.asked.append((name, asked))
        if asked and body:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.send(handler, 206 if start else 200, data[start:], body, headers)

    def send(self, handler, status, data, body, headers=()):
        handler.send_response(status)
        for name, value in dict(headers).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if body and self.cut_after is not None and len(data) > self.cut_after:
            handler.wfile.write(data[: self.cut_after])
            handler.wfile.flush()
            handler.connection.close()
        elif body and self.hold_after is not None and len(data) > self.hold_after:
            handler.wfile.write(data[: self.hold_after])
            handler.wfile.flush()
            self.released.wait(60)
        elif body:
            handler.wfile.write(data)

    def listed(self, name):
        """A file as weights.json has it."""
        data = self.CONTENT[name]
        return weights.File(name, hashlib.sha256(data).hexdigest(), len(data))

    def carried(self, folder):
        """Writes what the hub has into a folder and returns it."""
        for name, data in self.CONTENT.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return folder

    def asked_from(self):
        """The byte from which the weights were asked for, the only time that they were."""
        [asked] = [asked for name, asked in self.asked if name.endswith("safetensors")]
        return int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0


@pytest.fixture
def served():
    """A small simulator of the hub on this machine."""
    hub = Hub()
    yield hub
    hub.released.set()
    hub.server.shutdown()
    hub.server.server_close()


# Whole documents drawn step by step by hypothesis take it a hundred times longer.
SEEDS = st.integers(0, 2**64 - 1)
STROKES = {
    "version": 1,
    "width": 60,
    "height": 80,
    "photo": "00ff",
    "strokes": [
        {
            "role": "head",
            "points": [[1, 2, 0.5], [3.25, 4, 1]],
            "radius_px": 3,
            "color": "#e69f00",
            "closed": True,
            "source": "drawn",
        }
    ],
    "landmarks": [[10.5, 20, 0.25]] * 18,
}
PLACES = (
    ("version",),
    ("width",),
    ("height",),
    ("photo",),
    ("strokes",),
    ("landmarks",),
    ("landmarks", 17),
    ("landmarks", 17, 0),
    ("strokes", 0),
    *(("strokes", 0, key) for key in STROKES["strokes"][0]),
    ("strokes", 0, "points", 1),
    ("strokes", 0, "points", 1, 0),
    ("strokes", 0, "points", 1, 2),
)


NUMBERS = (0, 1, -1, 1.0, 0.1, 18, 500, 60.5, -61, 121, 1e6, 1e-9, 10**30, -0.0, 1e308, 2**53)
SCALARS = (*NUMBERS, None, True, False, "", "head", "tail", "#E69F00", "#e69f00\n", "00ff\n", "1")
HOSTILE = ("../..", "__proto__", "\ud800", "\0", "\u202e", "x" * 9000, "'; DROP TABLE", "{}", "[")
HOLDERS = ([], {}, [[]], [None], [1, 2], [[1, 2, 3]] * 18, [[0, 0, 0.5]] * 18, [{"role": "head"}])


def changed_document(random, *, special=()):
    """A stroke document, as Python has it from JSON, with one to three things put wrong."""
    document = copy.deepcopy(STROKES)
    for place in random.sample(PLACES, random.randint(1, 3)):
        holder = document
        put = random.choice((*SCALARS, *HOSTILE, *HOLDERS, random.uniform(-99, 99), *special))
        try:
            for step in place[:-1]:
                holder = holder[step]
            kind = random.randrange(6)
            if kind == 0:
                del holder[place[-1]]
            elif kind == 1:
                holder[random.choice(HOSTILE)] = put
            elif kind == 2:
                holder[place[-1]] = [holder[place[-1]]] * random.choice((2, 501))
            else:
                holder[place[-1]] = put
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    return document


def spoiled_text(random):
    """The text of a document, cut, with something put in, or none at all."""
    text = json.dumps(STROKES)
    at = random.randrange(len(text))
    letters = "".join(chr(random.randrange(0x2FFFF)) for _ in range(random.randrange(6)))
    put = random.choice((letters, "NaN", "-Infinity", "1e999", "9" * 5000, "[" * 9000, "\\u", '"'))
    return random.choice((text[:at], text[:at] + put + text[at:], text[at:], put, put * 9))


@pytest.fixture(scope="session")
def changed():
    """A hypothesis strategy: stroke documents with something wrong, as parsed JSON without NaN."""
    return SEEDS.map(lambda seed: changed_document(Random(seed)))  # noqa: S311


@pytest.fixture(scope="session")
def malformed():
    """1,400 texts that a stranger's workflow may hold as strokes; all but a few are malformed."""
    texts = []

    @settings(max_examples=1400)
    @given(SEEDS)
    def collect(seed):
        random = Random(seed)  # noqa: S311
        special = (math.nan, math.inf, -math.inf)
        document = json.dumps(changed_document(random, special=special))
        texts.append(random.choice((document, document, spoiled_text(random))))

    collect()
    return list(dict.fromkeys(texts))
