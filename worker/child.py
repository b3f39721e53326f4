"""The ComfyUI of this worker: on loopback alone, without Manager, and never shared by tenants."""

import asyncio
import contextlib
import os
import shutil
import site
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..comfyui import sandbox
from ..comfyui.client import Client
from ..comfyui.server import Server
from . import models
from .protocol import WorkerError

WIPED = ("input", "output", "temp")
POLL_S = 0.1
STATS_TIMEOUT_S = 2
# What a GPU program needs of its surroundings; above all not the worker's key.
KEPT = frozenset(
    "COMSPEC LANG LD_LIBRARY_PATH OMP_NUM_THREADS PATH PATHEXT SYSTEMDRIVE SYSTEMROOT TZ "
    "VIRTUAL_ENV WINDIR".split()
)
KEPT_PREFIXES = ("CUDA_", "HIP_", "LC_", "NVIDIA_", "PYTORCH_", "ROCR_")
WEIGHTS_VARIABLE, WEIGHTS = "DRESSFORM_WEIGHTS", "~/.cache/dressform/weights"
# Nothing outlives the next prompt; the usual way keeps what memory allows.
ARGUMENTS = ("--cache-classic", "--preview-method", "latent2rgb")


class Child:
    """One ComfyUI after another, each in its own process group and folder.

    Between tenants it is replaced: a new process holds nothing of the old one, neither in its
    execution cache nor in a module of some pack nor in the memory of the GPU.

    Attributes:
        tenant: Whose run it saw; None where it is fresh.
        schemas: Of its nodes, by class.
        system: What it says of versions and devices.
        resident: Weights that its last run used.
        runs: How many it has seen.
    """

    def __init__(
        self,
        comfyui: Path,
        folder: Path,
        *,
        packs: Sequence[Path] = (),
        weights: Iterable[models.Local] = (),
        arguments: Sequence[str] = (),
        bwrap: str | None = None,
        secrets: Sequence[Path] = (),
    ):
        self._bwrap, self._secrets = bwrap, secrets
        self._comfyui = comfyui
        self._folder = folder
        self._packs = packs
        self.weights = tuple(weights)
        self._arguments = (*ARGUMENTS, *arguments)
        self._server: Server | None = None
        self._starting: asyncio.Future[None] | None = None
        self._shown: list[Path] = []
        self._fresh()
        self.schemas: dict[str, Any] = {}
        self.system: dict[str, Any] = {}

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return bool(self._server and self._server.url and self._server.pid)

    @property
    def pid(self) -> int | None:
        """Of the process that leads its group."""
        return self._server.pid if self._server else None

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._server.url if self._server else ""

    @property
    def base(self) -> Path:
        """Its folder, with input, output and temp."""
        return self._folder / "comfyui"

    async def ready(self, tenant: str | None = None) -> None:
        """Makes sure that a ComfyUI runs that no other tenant has used.

        Raises:
            WorkerError: it does not start.
        """
        if self._starting is not None:  # somebody who waited for it was cancelled
            with contextlib.suppress(RuntimeError, OSError):
                await asyncio.shield(self._starting)
        if not self.alive or (tenant and self.tenant not in (None, tenant)):
            await self._restart()
        self.tenant = tenant or self.tenant

    async def refresh(self) -> None:
        """Replaces it by a fresh one, where it has seen a tenant.

        Raises:
            WorkerError: it does not start.
        """
        if self.tenant:
            await self._restart()

    async def stop(self) -> None:
        """Ends it and removes its folder."""
        if self._starting is not None:
            self.kill()
            with contextlib.suppress(RuntimeError, OSError):
                await asyncio.shield(self._starting)
        await asyncio.to_thread(self._remove)

    def kill(self) -> None:
        """Kills its process group at once."""
        if self._server:
            self._server.kill()

    def lease(self, seconds: float | None) -> None:
        """Lets it live for so long, by its own clock; None without an end."""
        if self._server:
            self._server.lease(seconds)

    async def ended(self) -> None:
        """Waits until its process is gone."""
        while self.alive:
            await asyncio.sleep(POLL_S)

    async def free_vram(self) -> int:
        """Returns the free bytes of its device, 0 where it does not say."""
        with contextlib.suppress(RuntimeError, OSError, TimeoutError):
            async with asyncio.timeout(STATS_TIMEOUT_S), Client(self.url) as client:
                return free_bytes(await client.system_stats())
        return 0

    def show(self, found: Mapping[tuple[str, str], Path]) -> None:
        """Makes weights of the run's own seen, by folder and name, until the next wipe."""
        for (folder, name), path in found.items():
            place = self.base / "models" / folder / name
            if place.exists():
                raise WorkerError(
                    "model_name", f"{folder}/{name} must be free here, got one that is there."
                )
            models.show(path, place)
            self._shown.append(place)

    async def wipe(self) -> None:
        """Removes everything that a run left: files, weights of its own, the history."""
        if self.alive:
            try:
                async with asyncio.timeout(STATS_TIMEOUT_S), Client(self.url) as client:
                    await client.forget()
            except (RuntimeError, OSError, TimeoutError):
                self.kill()
        try:
            await asyncio.to_thread(self._wipe)
        except OSError:
            self.kill()  # the next start takes a new folder

    def _wipe(self) -> None:
        for place in self._shown:
            place.unlink(missing_ok=True)
        self._shown = []
        for name in WIPED:
            try:
                empty(self.base / name)
            except (FileNotFoundError, NotADirectoryError):
                self.kill()  # no node of a good pack does that

    async def _restart(self) -> None:
        self._starting = asyncio.ensure_future(asyncio.to_thread(self._replace))
        try:
            await asyncio.shield(self._starting)
            async with Client(self.url) as client:
                self.schemas = await client.object_info()
                self.system = await client.system_stats()
        except (RuntimeError, OSError) as error:
            raise WorkerError("comfyui_start", str(error)) from error

    def _replace(self) -> None:
        self._remove()
        self._fresh()
        for one in self.weights:
            models.show(one.path, self.base / "models" / one.folder / one.name)
        for name in (*sandbox.WRITABLE, *sandbox.READ_ONLY):
            (self.base / name).mkdir(parents=True, exist_ok=True)
        variables = surroundings(self.base)
        before = []
        if self._bwrap:
            weights = {one.path.parent for one in self.weights}
            seen = [*self._packs, *weights, Path(variables[WEIGHTS_VARIABLE])]
            before = sandbox.words(self._bwrap, self._comfyui, self.base, seen, self._secrets)
        self._server = Server(
            self._comfyui,
            packs=self._packs,
            base=self.base,
            arguments=self._arguments,
            variables=variables,
            before=before,
        )
        self._server.start()
        failures = [line for line in self._server.import_failures() if "custom_nodes" in line]
        if failures:  # it would be taken for a worker that never had the pack
            raise RuntimeError(
                f"ComfyUI must be able to import its packs, got: {failures[0].strip()}. Install "
                "their requirements."
            )

    def _remove(self) -> None:
        if self._server:
            self._server.kill()  # it has nothing to save
            self._server.stop()
        self._server = None
        if self.base.exists():
            shutil.rmtree(self.base)

    def _fresh(self) -> None:
        self.tenant: str | None = None
        self.resident: frozenset[str] = frozenset()
        self.runs = 0


def empty(folder: Path) -> None:
    """Removes all that a folder holds; of links not what they lead to.

    Raises:
        NotADirectoryError: a link stands in its place, which is left alone.
    """
    if folder.is_symlink():
        raise NotADirectoryError(f"{folder.name} must be a folder, got a link.")
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def surroundings(base: Path) -> dict[str, str]:
    """Returns the environment of a ComfyUI that lives in `base` and knows nothing of its owner."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in KEPT or name.upper().startswith(KEPT_PREFIXES)
    }
    weights = os.environ.get(WEIGHTS_VARIABLE) or WEIGHTS
    return {
        **kept,
        "HOME": str(base),
        "USERPROFILE": str(base),
        "TMPDIR": str(base / "tmp"),
        "TEMP": str(base / "tmp"),
        "TMP": str(base / "tmp"),
        "PYTHONUSERBASE": site.getuserbase(),  # where packages are that this interpreter sees
        WEIGHTS_VARIABLE: str(Path(weights).expanduser()),
    }


def free_bytes(stats: Mapping[str, Any]) -> int:
    """Returns the free memory of the first device in /system_stats."""
    devices = stats.get("devices") or [{}]
    return int(devices[0].get("vram_free") or 0)
