"""`dressform worker`: runs workflows for a billing server on this machine's GPU."""

import argparse
import asyncio
import ctypes
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

KEY_VARIABLE = "DRESSFORM_WORKER_KEY"
DATA = Path("~/.cache/dressform/worker")
CACHE_GB = 50.0
DRAIN_S = 120.0
ACTIONS = ("calibrate",)
WITH_PARENT = "--with-parent"
PARENT_HELP = "end when standard input closes: for a program that starts this one"
FURTHER_FOLDERS = "extra_model_paths.yaml"  # main.py reads it from beside itself
PR_SET_DUMPABLE = 4  # linux/prctl.h
LAST_S = 10.0  # to end by itself when the parent is gone: the server is gone with it


def add(commands: Any) -> None:
    """Adds the subcommand to a parser."""
    entry = commands.add_parser("worker", help="run workflows of a billing server on this GPU")
    entry.add_argument(
        "action", nargs="?", choices=ACTIONS, help="calibrate: measure the GPU and keep the figure"
    )
    entry.add_argument("--server", metavar="URL", help="https://..., or http:// on this machine")
    entry.add_argument(
        "--key", metavar="KEY", help=f"of scope worker, or @FILE with it; else ${KEY_VARIABLE}"
    )
    entry.add_argument("--name", default=socket.gethostname(), help="as people know this worker")
    entry.add_argument("--gpu-class", metavar="CLASS", help="instead of what the device is called")
    entry.add_argument(
        "--data", type=Path, default=DATA, metavar="DIR", help="of this worker alone"
    )
    entry.add_argument(
        "--models", type=Path, metavar="DIR", help="safetensors, as ComfyUI has them"
    )
    entry.add_argument("--pack", type=Path, action="append", default=[], metavar="DIR")
    entry.add_argument("--model-cache-gb", type=float, default=CACHE_GB, metavar="N")
    entry.add_argument("--drain-s", type=float, default=DRAIN_S, metavar="S", help="for SIGTERM")
    entry.add_argument("--checkpoint", metavar="NAME", help="calibrate: one to time steps with")
    told = "on: refuse to work without bubblewrap; auto: use it where it works"
    entry.add_argument("--sandbox", choices=("auto", "on", "off"), default="auto", help=told)
    entry.add_argument(WITH_PARENT, action="store_true", help=PARENT_HELP)
    entry.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Works until SIGTERM, or measures the device."""
    from .comfyui import session
    from .comfyui.terminal import Line

    if options.with_parent:
        end_with_parent()
    url, key = ("", "") if options.action else (_server(options), _key(options.key))
    close_to_others()
    with Line() as line:
        comfyui = session.prepare(line.show)
    require_own_folders(comfyui)
    from .worker import shift  # needs what ComfyUI requires, which may only now be there

    told = shift.Options(
        url=url,
        key=key,
        comfyui=comfyui,
        data=options.data.expanduser().resolve(),
        packs=(session.PACK, *options.pack),
        weights=options.models.expanduser() if options.models else comfyui / "models",
        name=options.name,
        gpu_class=options.gpu_class,
        cache_bytes=int(options.model_cache_gb * shift.GIB),
        drain_s=options.drain_s,
        bwrap=_bubblewrap(options.sandbox),
        secrets=tuple(filter(None, [_key_file(options.key)])),
    )
    if options.action:
        return _calibrate(told, options.checkpoint)
    shift.run(told, _say)
    return 0


def require_own_folders(comfyui: Path) -> None:
    """Checks that ComfyUI reads weights of no folders but those that the worker gives it.

    Raises:
        RuntimeError: a file in its tree names others.
    """
    file = comfyui / FURTHER_FOLDERS
    if file.exists():
        raise RuntimeError(
            f"a worker's ComfyUI must read weights from --models alone, got {file}. Move the file "
            "away, or set COMFYUI_PATH to a ComfyUI without one."
        )


def close_to_others() -> None:
    """Keeps programs of this user, ComfyUI among them, from reading this process: its key.

    Linux alone offers it. Programs that this one starts are as open as ever.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)


def end_with_parent() -> None:
    """Lets this process end when standard input does; before, it hands back what is at work."""
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    while os.read(0, 1024):
        pass
    for _ in range(2):  # the second hands the run back at once
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.5)
    time.sleep(LAST_S)
    os._exit(1)  # ComfyUI sees its own pipe close


def _calibrate(options: Any, checkpoint: str | None) -> int:
    from .worker import calibration, shift

    async def measure() -> dict[str, Any]:
        child = shift.new_child(options)
        try:
            return await calibration.measure(child, options.data, checkpoint)
        finally:
            await child.stop()

    with shift.owned(options.data):
        kept = asyncio.run(measure())
    for name in ("gpu_class", "speed", "calibrated_at"):
        _say(f"{name}: {kept[name]}")
    return 0


def _server(options: argparse.Namespace) -> str:
    if not options.server:
        raise ValueError("--server is required, got none. Give the address of the billing server.")
    return options.server


def _key(given: str | None) -> str:
    file = _key_file(given)
    key = file.read_text(encoding="utf-8") if file else given or os.environ.get(KEY_VARIABLE, "")
    if not key.strip():
        raise ValueError(
            f"--key or {KEY_VARIABLE} is required, got neither. Make a key of scope worker on the "
            "server."
        )
    return key.strip()


def _key_file(given: str | None) -> Path | None:
    told = given or os.environ.get(KEY_VARIABLE, "")
    return Path(told[1:]) if told.startswith("@") else None


def _bubblewrap(wanted: str) -> str | None:
    from .comfyui import sandbox

    found = sandbox.bubblewrap() if wanted != "off" else None
    if wanted == "on" and not found:
        raise RuntimeError(
            "bubblewrap is required by --sandbox on, got none that works. Install it (Linux), "
            "allow user namespaces, or leave the option out."
        )
    _say("ComfyUI runs in a sandbox." if found else "ComfyUI runs without a sandbox.")
    return found


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 (a log is read while it is written)
