"""An engine in the real server: stopped, short of memory, with a LoRA, unloaded, without weights.

    pytest tests/comfyui/test_engines.py -rP

prints what was measured.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from dressform import install
from dressform.comfyui import session
from dressform.comfyui.client import Client
from dressform.comfyui.server import Server
from dressform.imaging import pictures
from dressform.inference import weights
from PIL import Image

pytestmark = pytest.mark.comfyui

HERE = Path(__file__).parent
TRY_ON, REPORT, PICTURE = "5", "6", "7"
REPORT_OUTPUT = 5
STEPS = 100
# A press that comes between two steps finds the next one beginning.
STEPS_AFTER_STOP = 1
FREED_WITHIN_MB = 50
LOADED_MB = 150  # the least that must show of the engine, or nothing would be proved
PATIENCE_S = 60  # the server frees within a second; busy machines take longer


@pytest.fixture(scope="module")
def server(comfyui_folder, tmp_path_factory):
    """A ComfyUI whose models folder has FLUX.2 klein, with random weights, and nothing else."""
    base = tmp_path_factory.mktemp("comfyui")
    folder = base / "models" / "dressform"
    folder.mkdir(parents=True)  # else models is a link to the user's own
    subprocess.run([sys.executable, HERE / "tiny_weights.py", "wide_flux2", folder], check=True)
    (base / "custom_nodes").mkdir()
    shutil.copy(HERE / "trouble.py", base / "custom_nodes")
    with Server(comfyui_folder, packs=[session.PACK], base=base).start() as started:
        assert started.import_failures() == []
        for copy in install.lend_samples(base / "input"):
            with Image.open(copy) as photo:
                photo.thumbnail((384, 384))
                photo.save(copy, format="PNG")  # decoded alike by all
        yield started


def prompt(*, lora=None, **chosen):
    """A try-on in API format; `chosen` are widgets of Try On."""
    widgets = {
        "engine": "flux2-klein",
        "region": "auto",
        "steps": 1,
        "when_weights_missing": "stop",
    }
    linked = {
        "person": ["1", 0],
        "garment": ["2", 0],
        "garment_mask": ["3", 1],
        "garment_parsing": ["3", 0],
    }
    nodes = {
        "1": node("LoadImage", image="dressform_person_full.jpg"),
        "2": node("LoadImage", image="dressform_flat_tee.jpg"),
        "3": node("DressformParsePhoto", image=["2", 0], engine="built-in"),
        REPORT: node("PreviewAny", source=[TRY_ON, REPORT_OUTPUT]),
        PICTURE: node("PreviewImage", images=[TRY_ON, 0]),
    }
    if lora is not None:
        nodes["8"] = node("DressformEngineLora", lora=lora, strength=1.0, licence="commercial")
        auto = {name: "auto" for name in ("precision", "offload", "vae_tiling", "attention")}
        nodes["9"] = node("DressformEngineSettings", loras=["8", 0], speed="exact", **auto)
        linked["settings"] = ["9", 0]
    return {**nodes, TRY_ON: node("DressformTryOn", **{**linked, **widgets, **chosen})}


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def execute(server, wanted, on_event=lambda event: None):
    """Runs a prompt to its end; gives the history's outputs by node."""

    async def act():
        async with Client(server.url) as client:
            return await client.execute(wanted, on_event)

    return asyncio.run(act()).history["outputs"]


def report(outputs):
    return json.loads(outputs[REPORT]["text"][0])


def picture(server, outputs):
    [shown] = outputs[PICTURE]["images"]
    return pictures.open_picture(server.base / shown["type"] / shown["filename"])


def ask(server, path, body=None):
    """Gives the answer to a request; a body makes it a POST."""
    request = urllib.request.Request(  # noqa: S310 (loopback)
        server.url + path,
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 (loopback)
        assert answer.status == 200
        return json.loads(answer.read() or b"null")


def trouble(server):
    return ask(server, "/trouble")


def say(text):
    """Shows a measured figure to whoever runs pytest with -rP."""
    sys.stdout.write(f"{text}\n")


def test_an_engine_loads_and_paints_and_calls_nobody(server):
    before = trouble(server)
    outputs = execute(server, prompt(seed=1))
    after, told = trouble(server), report(outputs)
    assert after["loads"] > before["loads"]
    assert after["steps"] == before["steps"] + 1
    assert (told["engine"], told["changed_outside"]) == ("flux2-klein", 0)
    assert told["generated_share"] > 0.02
    assert picture(server, outputs).std() > 2
    assert after["strangers"] == []
    nobody = "203.0.113.1"  # RFC 5737: an address of documentation
    ask(server, "/trouble", {"look_up": nobody})
    assert trouble(server)["strangers"] == [nobody], "the watch must see whom it watches for"


def test_a_press_of_stop_ends_within_a_step_and_the_next_run_succeeds(server):
    pressed = []

    def press_at_two(event):
        told = (event.kind, event.node, event.maximum) == ("progress", TRY_ON, STEPS)
        if told and event.value >= 2 and not pressed:
            pressed.append(event.value)
            ask(server, "/interrupt", {})

    before = trouble(server)["steps"]
    with pytest.raises(RuntimeError, match="interrupted"):
        execute(server, prompt(steps=STEPS, seed=2), press_at_two)
    seen = trouble(server)
    begun, further = seen["steps"] - before, seen["steps"] - seen["interrupted_at"]
    say(f"stop pressed at step {pressed[0]:.0f} of {STEPS}: {further} further steps were begun")
    assert further <= STEPS_AFTER_STOP
    assert 2 <= begun < STEPS / 2
    told = report(execute(server, prompt(seed=2)))
    assert (told["engine"], told["changed_outside"]) == ("flux2-klein", 0)
    assert trouble(server)["loads"] == seen["loads"], "a stopped engine stays in memory"


@pytest.mark.parametrize(
    ("shortages", "expected"),
    [(1, ("float32", True)), (2, ("bfloat16", True))],
    ids=["once", "twice"],
)
def test_memory_that_ends_is_met_with_a_smaller_setup(server, shortages, expected):
    ask(server, "/free", {"unload_models": True, "free_memory": True})
    ask(server, "/trouble", {"shortages": shortages})
    told = report(execute(server, prompt(seed=10 + shortages)))
    assert trouble(server)["shortages"] == 0
    assert (told["setup"]["dtype"], told["setup"]["vae_tiling"]) == expected
    assert [one for one in told["notices"] if "memory of cpu ended" in one][shortages - 1 :]
    assert (told["engine"], told["changed_outside"]) == ("flux2-klein", 0)


def test_memory_that_never_suffices_is_told_and_the_next_run_succeeds(server):
    ask(server, "/free", {"unload_models": True, "free_memory": True})
    ask(server, "/trouble", {"shortages": 1000})
    with pytest.raises(RuntimeError, match=r"flux2-klein needs more memory .*Close other programs"):
        execute(server, prompt(seed=20))
    ask(server, "/trouble", {"shortages": 0})
    assert report(execute(server, prompt(seed=20)))["setup"]["vae_tiling"] is False


def test_a_lora_comes_and_goes_without_loading_the_engine_again(server):
    def painted(lora):
        outputs = execute(server, prompt(seed=3, lora=lora))
        return picture(server, outputs), report(outputs)["loras"], trouble(server)["loads"]

    bare, none, loads = painted(None)
    worn, one, loads_with = painted("shiny.safetensors")
    # Other nodes than at first, else ComfyUI would show again what it has.
    again, none_again, loads_after = painted("none")
    assert (none, none_again) == ([], [])
    assert [lora["name"] for lora in one] == ["shiny.safetensors"]
    assert (worn != bare).any(-1).sum() > 1000
    assert np.abs(again.astype(int) - bare).max() <= 1  # but for rounding
    assert loads == loads_with == loads_after


def freed(server, limit_mb):
    """Presses Unload; waits until the server holds less than that; gives what it holds."""
    ask(server, "/free", {"unload_models": True, "free_memory": True})
    deadline = time.monotonic() + PATIENCE_S
    while trouble(server)["resident_mb"] > limit_mb and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1)  # the server collects garbage after it has unloaded
    return trouble(server)["resident_mb"]


def test_unload_gives_the_memory_of_an_engine_back(server):
    execute(server, prompt(seed=4))
    before = freed(server, trouble(server)["resident_mb"] - LOADED_MB)
    told = report(execute(server, prompt(seed=5)))
    loaded = trouble(server)["resident_mb"]
    assert told["engine"] == "flux2-klein"
    assert loaded > before + LOADED_MB
    after = freed(server, before + FREED_WITHIN_MB)
    held = f"{before:.0f} MB before, {loaded:.0f} MB loaded, {after:.0f} MB after unload"
    say(f"resident: {held}")
    assert after < before + FREED_WITHIN_MB, held


def missing_sentence(server):
    """What must be said of the weights that the server does not have, up to its command."""
    folder = server.base / "models" / "dressform"
    sentence = weights.missing("qwen-image-edit-2511", [folder])
    command = f'Run: dressform weights get qwen-image-edit-2511 --to "{folder}"'
    assert command in sentence
    return sentence[: sentence.index(command) + len(command)]


def test_missing_weights_refuse_with_the_command_that_gets_them(server):
    with pytest.raises(ValueError, match="dressform weights get") as refusal:
        execute(server, prompt(engine="qwen-edit"))
    assert missing_sentence(server) in str(refusal.value)


def test_missing_weights_fall_back_to_warp_with_a_notice(server):
    outputs = execute(server, prompt(engine="qwen-edit", when_weights_missing="warp"))
    told = report(outputs)
    notice = f"The engine warp was used instead: {missing_sentence(server)}"
    assert (told["engine"], told["changed_outside"], told["weights"]) == ("warp", 0, [])
    assert any(one.startswith(notice) for one in told["notices"])
    assert any(one.startswith(notice) for one in outputs[TRY_ON]["text"])
