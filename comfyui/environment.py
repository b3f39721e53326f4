"""Makes sure that this interpreter can run ComfyUI: torch, its companions, the requirements.

The one file that calls pip to install. It serves the demo, the tests and the worker; the node
pack never imports it, and people with a ComfyUI of their own need nothing of it.
"""

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import pinned

LAUNCHER = Path(__file__).resolve().parent / "launch.py"
TRIO = ("torch", "torchvision", "torchaudio")
NEEDED_GB = 8  # seen: 6.8 GB for torch with its CUDA libraries and ComfyUI's requirements

# Runs in a child, behind the same import rule as the server: nothing is imported here.
_PROBE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import launch
sys.path.pop(0)
sys.meta_path.insert(0, launch.TorchaudioWithoutItsLibrary())
import torch, torchvision, torchaudio
cuda = torch.cuda.is_available()
device = torch.cuda.get_device_name(0) if cuda else "cpu"
print(json.dumps({"torch": torch.__version__, "cuda": cuda, "device": device}))
"""

Notify = Callable[[str], None]


def version(package: str) -> str | None:
    """Returns the installed version of a package in this interpreter, None where absent."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def is_ready(comfyui: Path) -> bool:
    """Tells whether `ensure` has nothing to do for this ComfyUI tree."""
    if not all(map(version, TRIO)):
        return False
    needed = (_stamp_path(), comfyui / "requirements.txt")
    return all(path.is_file() for path in needed) and _stamp(comfyui) == _read_stamp()


def ensure(comfyui: Path, log: Path, notify: Notify = lambda text: None) -> None:
    """Installs what this interpreter lacks to run `comfyui`; a stamp makes the next call quick.

    A torch that is there is kept, whatever its version; only what is missing is added.

    Args:
        comfyui: A ComfyUI tree with its requirements.txt.
        log: Takes the output of pip.
        notify: Called with one line of progress at a time.

    Raises:
        RuntimeError: pip failed, or the installed torch packages do not fit each other.
    """
    if is_ready(comfyui):
        return
    requirements = comfyui / "requirements.txt"
    if not requirements.is_file():
        raise RuntimeError(
            f"{comfyui} must have a requirements.txt, got none. Set COMFYUI_PATH to a complete "
            "ComfyUI, or unset it to use the pinned one."
        )
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    for wanted in missing({name: version(name) for name in TRIO}):
        _pip([*wanted], log, notify)
    _pip(["--requirement", str(requirements)], log, notify)
    notify("Trying torch, torchvision and torchaudio")
    probe()
    _stamp_path().write_text(_stamp(comfyui), encoding="utf-8")


def missing(found: dict[str, str | None]) -> list[list[str]]:
    """Returns the arguments of the pip calls that complete torch, torchvision, torchaudio.

    Args:
        found: The installed version of each of TRIO, None where absent.
    """
    torch = found["torch"]
    if torch is None:
        absent = [
            requirement
            for requirement in pinned.TORCH
            if found[requirement.partition("==")[0]] is None
        ]
        return [absent]
    # Without their dependencies: a stock companion asks for a torch that would replace this one.
    wanted = pinned.companions(torch)
    return [["--no-deps", wanted[name]] for name in TRIO[1:] if found[name] is None]


def probe() -> dict:
    """Imports the three in a child; returns torch's version, its device, whether it sees CUDA.

    Raises:
        RuntimeError: they cannot be imported together.
    """
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _PROBE, str(LAUNCHER.parent)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return json.loads(done.stdout.strip().splitlines()[-1])
    versions = ", ".join(f"{name} {version(name) or 'missing'}" for name in TRIO)
    reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
    raise RuntimeError(
        f"torch, torchvision and torchaudio must be builds that fit each other, got {versions}: "
        f"{reason}. Install matching builds: {sys.executable} -m pip install --force-reinstall "
        f"{' '.join(pinned.TORCH)}, or all three from one index of https://pytorch.org."
    )


def sees_cuda() -> bool:
    """Tells whether torch finds a CUDA device; asks torch only where a driver is installed."""
    drivers = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
    if os.name != "nt" and not any(os.path.exists(path) for path in drivers):
        return False
    return bool(probe()["cuda"])


def _pip(arguments: list[str], log: Path, notify: Notify) -> None:
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        kept = [f"{name}=={found}" for name in TRIO if (found := version(name))]
        constraints.write_text("\n".join(kept), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
        command += ["--progress-bar", "off", "--constraint", str(constraints), *arguments]
        lines = _run(command, log, notify)
    if lines is None:
        return
    text = "\n".join(lines)
    if "No space left" in text:
        raise RuntimeError(
            f"torch and ComfyUI's requirements need {NEEDED_GB} GB in {sys.prefix}, got a full "
            f"disk. Free some space and run the command again. pip's output: {log}"
        )
    if "externally-managed-environment" in text:
        raise RuntimeError(
            f"ComfyUI's requirements must go into a virtual environment, got {sys.prefix}, which "
            "the system manages. Run `make demo`, or create one: python3 -m venv .venv"
        )
    if "No module named pip" in text:
        raise RuntimeError(
            f"pip is required to install ComfyUI's requirements, got {sys.executable} without it. "
            f"Run: {sys.executable} -m ensurepip"
        )
    if arguments[0] == "--no-deps" and "No matching distribution" in text:
        raise RuntimeError(
            f"torch {version('torch')} must have a {arguments[1]} that fits it, got none from this "
            f"package index. Install three that fit: {sys.executable} -m pip install "
            f"{' '.join(pinned.TORCH)}"
        )
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    raise RuntimeError(
        f"pip must be able to install {' '.join(arguments)}, got: "
        f"{errors[-1].removeprefix('ERROR: ')}. Check the network or name a mirror that works "
        f"(PIP_INDEX_URL), then run the command again. pip's output: {log}"
    )


def _run(command: list[str], log: Path, notify: Notify) -> list[str] | None:
    """Runs a command into the log; returns None, or its lines where it failed."""
    lines: list[str] = []
    with log.open("a", encoding="utf-8") as record:
        child = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        try:
            for line in child.stdout or ():
                record.write(line)
                lines.append(line.rstrip())
                words = line.split()
                if words and words[0] in ("Collecting", "Downloading", "Installing", "Building"):
                    notify(f"Installing ComfyUI's requirements ({' '.join(words)[:120]})")
            child.wait()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
            if child.stdout:
                child.stdout.close()
    return lines if child.returncode else None


def _stamp_path() -> Path:
    # In the environment itself, so that it goes when the environment goes.
    return Path(sys.prefix) / "dressform-comfyui.stamp"


def _stamp(comfyui: Path) -> str:
    digest = hashlib.sha256((comfyui / "requirements.txt").read_bytes()).hexdigest()
    return f"{digest} {sys.version_info.major}.{sys.version_info.minor} {version('torch')}"


def _read_stamp() -> str:
    return _stamp_path().read_text(encoding="utf-8")
