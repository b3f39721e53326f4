"""The command as a user calls it: exit status, sentences, and no process left behind."""

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from dressform import cli, failure


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "dressform.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


@pytest.fixture
def photo(tmp_path):
    """A grey torso with a blue shirt on a white wall."""
    picture = np.full((160, 120, 3), 245, np.uint8)
    cv2.ellipse(picture, (60, 30), (10, 14), 0, 0, 360, (200, 205, 210), -1)
    cv2.rectangle(picture, (35, 45), (85, 120), (150, 60, 30), -1)
    path = tmp_path / "shirt.png"
    cv2.imwrite(str(path), picture)
    return path


def test_parse_writes_every_file_of_a_photo(photo, tmp_path, capsys):
    assert cli.main(["parse", str(photo), "--out", str(tmp_path / "out")]) == 0
    folder = tmp_path / "out" / "shirt"
    for name in ("garment", "mannequin", "interior"):
        mask = cv2.imread(str(folder / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (160, 120)
        assert set(np.unique(mask)) <= {0, 255}
    told = json.loads((folder / "parsing.json").read_text(encoding="utf-8"))
    assert set(told) == {"kind", "region", "view", "confidence", "warnings", "size"}
    assert told["size"] == [120, 160]
    points = json.loads((folder / "keypoints.json").read_text(encoding="utf-8"))
    assert len(points["keypoints"]) == 18
    assert "shirt" in capsys.readouterr().out


def test_bad_photo_does_not_end_the_batch(photo, tmp_path, capsys):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    status = cli.main(["parse", str(photo.parent), "--out", str(tmp_path / "out"), "--jobs", "2"])
    assert status == 1
    assert (tmp_path / "out" / "shirt" / "garment.png").is_file()
    told = capsys.readouterr()
    assert "FAILED" in told.out
    assert "1 of 2 photos failed" in told.err


def test_parse_needs_neither_torch_nor_aiohttp(photo, tmp_path):
    code = (
        "import sys\n"
        "for name in ('torch', 'aiohttp', 'comfy_api'): sys.modules[name] = None\n"
        "from dressform import cli\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    arguments = ["parse", str(photo), "--out", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["parse", "gone.png", "--out", "o"], 1, "gone.png, which does not exist"),
        (["parse", ".", "--out", "o"], 1, "or image files, got . without any"),
        (["run", "gone.json", "--out", "o"], 1, "gone.json, which does not exist"),
        (["demo", "--photo", "gone.png"], 1, "no file at gone.png. Check the path."),
        (["run", "x.json"], 2, "--out"),
        (["run", "x.json", "--out", "a file"], 2, "must be a folder, got a file"),
        (["parse", "x", "--out", "a file/deeper"], 2, "a file is a file. Name another folder."),
        (["demo", "--out", "a file"], 2, "must be a folder"),
        (["demo", "--photo", "a file"], 1, "a picture is required, got an empty file"),
        (["run", "w.json", "--out", "o", "--server", "127.0.0.1:9"], 1, "must listen at http://"),
        (["run", "w.json", "--out", "o", "--server", "ftp://x"], 1, "must be like http://127"),
        (["parse", "x", "--out", "o", "--jobs", "0"], 2, "must be a whole number from 1"),
        (["run", "x", "--out", "o", "--port", "70000"], 2, "must be a port from 1 to 65535"),
        ([], 2, "COMMAND"),
    ],
)
def test_mistake_gets_a_sentence_and_no_traceback(tmp_path, arguments, status, sentence):
    (tmp_path / "a file").touch()
    document = {"1": {"class_type": "EmptyImage", "inputs": {}}}
    (tmp_path / "w.json").write_text(json.dumps(document), encoding="utf-8")
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == status
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_console_of_another_alphabet_gets_the_table_all_the_same(photo, tmp_path):
    named = photo.rename(tmp_path / "照片.png")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    done = command("parse", named, "--out", tmp_path / "out", env=environment)
    assert done.returncode == 0
    assert "\\u7167\\u7247" in done.stdout
    assert (tmp_path / "out" / "照片" / "garment.png").is_file()


def test_missing_system_library_is_named_with_the_package():
    error = ImportError("libGL.so.1: cannot open shared object file")
    assert "apt-get install libgl1 libglib2.0-0" in failure.sentence(error)


def test_debug_shows_the_traceback(tmp_path):
    assert "Traceback" in command("--debug", "parse", "gone", "--out", "o", cwd=tmp_path).stderr


def test_comfyui_that_cannot_start_is_explained(tmp_path):
    (tmp_path / "main.py").write_text("raise SystemExit('no kernel image')", encoding="utf-8")
    document = {"1": {"class_type": "EmptyImage", "inputs": {}}}
    (tmp_path / "w.json").write_text(json.dumps(document), encoding="utf-8")
    code = (
        "import sys\n"
        "from dressform import cli\n"
        "from dressform.comfyui import environment\n"
        "environment.ensure = lambda *arguments: None\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", str(tmp_path / "w.json"), "--out", str(tmp_path)],
        env={**os.environ, "COMFYUI_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "must start and answer, got an end with status 1" in done.stderr
    assert "no kernel image" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.comfyui
@pytest.mark.skipif(os.name == "nt", reason="asks for signals. Run it on Linux or macOS.")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_stop_while_it_runs_leaves_no_process(comfyui_folder, tmp_path, number, status):
    # Large enough to be at work for seconds when the signal comes.
    document = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 1024, "height": 1024, "batch_size": 64, "color": 5},
        },
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": "x"},
        },
    }
    (tmp_path / "w.json").write_text(json.dumps(document), encoding="utf-8")
    run = subprocess.Popen(
        [sys.executable, "-m", "dressform.cli", "run", "w.json", "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "COMFYUI_PATH": str(comfyui_folder), "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
        # A shell ignores the keyboard's signal for what it starts in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with run:
        for line in run.stderr:
            if line.startswith("2 of 2"):
                break
        assert processes_in(tmp_path)
        run.send_signal(number)
        rest = run.stderr.read()
    assert run.returncode == status, rest
    assert "Traceback" not in rest
    deadline = time.monotonic() + 15
    while processes_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_in(tmp_path) == []
    assert list(tmp_path.glob("dressform-comfyui-*")) == []


def processes_in(folder):
    """Ids of the processes with the folder in their arguments."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,args="],  # noqa: S607
        capture_output=True,
        text=True,
    ).stdout
    return [
        int(line.split()[0]) for line in listed.splitlines() if f"--base-directory {folder}" in line
    ]
