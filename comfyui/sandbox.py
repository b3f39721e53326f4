"""Bubblewrap around a ComfyUI that runs workflows of strangers: where Linux offers it."""

import contextlib
import glob
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

TRIAL_TIMEOUT_S = 20
# Homes, sockets of services, everybody's temporary files: not there for the child.
HIDDEN = ("/home", "/root", "/run", "/tmp", "/var/tmp")  # noqa: S108
DEVICES = ("/dev/nvidia*", "/dev/dri", "/dev/kfd", "/dev/dxg")
SERVER = "DRESSFORM_DATA"  # names the data of a billing server on this machine: its secrets
READ_ONLY = ("models", "custom_nodes")  # of its own folder: what it runs and loads
# Mounted one by one, for they cannot be replaced then by links that lead the parent elsewhere.
WRITABLE = ("input", "output", "temp", "tmp", "user")


def bubblewrap() -> str | None:
    """Returns the path of bwrap where this system lets it work, else None."""
    found = shutil.which("bwrap")
    if not found:
        return None
    trial = [found, "--ro-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "true"]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(  # noqa: S603
            trial, capture_output=True, timeout=TRIAL_TIMEOUT_S, check=False
        )
        return found if done.returncode == 0 else None
    return None


def words(
    bwrap: str, comfyui: Path, base: Path, seen: Iterable[Path], secrets: Iterable[Path] = ()
) -> list[str]:
    """Returns what is put before the command of a ComfyUI.

    It sees the system and `seen` read-only, of the folder around its own and of a server's data
    nothing; it writes into its own alone, sees no process but its own, and ends with its parent. It
    keeps the network: the parent speaks to it over loopback.

    Args:
        bwrap: Path of the program.
        comfyui: The ComfyUI tree, the child's working folder.
        base: The child's folder, with those of READ_ONLY and WRITABLE that it shall have.
        seen: What else it reads: packs, weights.
        secrets: Files that it finds empty, wherever they lie.
    """
    command = [bwrap, "--die-with-parent", "--cap-drop", "ALL"]
    command += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    command += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for pattern in DEVICES:
        for device in sorted(glob.glob(pattern)):
            command += ["--dev-bind-try", device, device]
    hidden = {Path(one).resolve() for one in (os.environ.get(SERVER), base.parent) if one}
    hidden |= {Path(one) for one in HIDDEN if not os.path.islink(one)}
    interpreter = [sys.prefix, sys.base_prefix, Path(sys.executable).resolve().parent]
    interpreter += [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    pack = Path(__file__).resolve().parent
    shown = {Path(one).absolute() for one in (*interpreter, pack, comfyui, *seen)}
    shown |= {one.resolve() for one in shown}
    # Whatever lies in another comes after it: hidden in what is shown, or shown in what is hidden.
    for place in sorted(hidden | shown):
        if place in hidden and place.is_dir():
            command += ["--tmpfs", str(place)]
        elif place.exists():
            command += ["--ro-bind", str(place), str(place)]
    command += ["--bind", str(base), str(base)]
    for way, names in (("--bind-try", WRITABLE), ("--ro-bind-try", READ_ONLY)):
        for name in names:
            command += [way, str(base / name), str(base / name)]
    for file in secrets:
        command += ["--ro-bind", os.devnull, str(file.resolve())]
    return [*command, "--chdir", str(comfyui), "--"]
