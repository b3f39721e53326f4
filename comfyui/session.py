"""A started ComfyUI with this pack in it, whatever has to be fetched or installed for that."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import environment, lock, source
from .server import Server

# The checkout that this file belongs to is the pack that the server gets.
PACK = Path(__file__).resolve().parent.parent
INSTALL_LOG = source.CACHE / "install.log"
LOCK = source.CACHE / "lock"

Notify = Callable[[str], None]


def prepare(notify: Notify = lambda text: None) -> Path:
    """Returns a ComfyUI tree that this interpreter can run; fetches and installs what lacks.

    Raises:
        FileNotFoundError: COMFYUI_PATH is set and is no ComfyUI.
        RuntimeError: the download or the installation failed; says what to do.
    """
    tree = source.locate()
    if tree is not None and environment.is_ready(tree):
        return tree
    with lock.held(LOCK, lambda: notify("Waiting for another run, which gets ComfyUI ready")):
        comfyui = source.locate_or_fetch(notify=notify)
        environment.ensure(comfyui, INSTALL_LOG, notify)
    return comfyui


@contextmanager
def started(notify: Notify = lambda text: None, *, port: int | None = None) -> Iterator[Server]:
    """Starts ComfyUI with this pack; stops it on the way out, whatever happened.

    Raises:
        RuntimeError: it could not be got or started, or could not import the pack.
    """
    with Server(prepare(notify), packs=[PACK], port=port).start(notify) as server:
        # Packs of ComfyUI's own may fail for want of an optional package.
        failures = [line for line in server.import_failures() if "custom_nodes" in line]
        if failures:
            raise RuntimeError(
                f"ComfyUI must be able to import {PACK}, got: {failures[0].strip()}. "
                f"Reinstall the requirements: pip install -r {PACK / 'requirements.txt'}"
            )
        yield server
