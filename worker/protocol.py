"""What a worker and the server say to each other: version 1 of the worker protocol, as values."""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

VERSION = 1
PHASES = ("provisioning", "loading", "executing", "uploading")
COMMANDS = ("go", "cancel", "stop")
BLAKE3 = SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_NAME_BYTES = 255  # of a file, on the usual file systems
MAX_LEASE_S = 3600
# Windows gives these names to devices, whatever follows a dot.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))}
)
_FORBIDDEN = frozenset('/\\:*?"<>|[]')  # the brackets: ComfyUI reads `x.png [output]` as a folder


class WorkflowError(Exception):
    """The run's own fault: it is told and not tried again.

    Attributes:
        code: A word for programs.
        node: Id of the node, None where none is to blame.
    """

    fault = "workflow"

    def __init__(self, code: str, message: str, node: str | None = None):
        super().__init__(message)
        self.code, self.node = code, node


class WorkerError(Exception):
    """The fault of this machine: the run is tried elsewhere and costs nothing.

    Attributes:
        code: A word for programs.
        node: Always None.
    """

    fault = "worker"
    node = None

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class Input(NamedTuple):
    """A file that the workflow reads: its name there, and where it is to be had."""

    name: str
    asset: str
    url: str
    blake3: str
    bytes: int


class Model(NamedTuple):
    """Weights of the account's own: the folder and name that the workflow knows them by."""

    folder: str
    name: str
    url: str
    sha256: str
    bytes: int


class Lease(NamedTuple):
    """One attempt of one run.

    Attributes:
        run, attempt, token: The token names both and is carried by every call.
        workflow: In API format.
        inputs, models: To be fetched first.
        max_gpu_ms: What the hold pays for; heartbeats may raise it.
        lease_s: After so long without a heartbeat the server gives the run to another.
        tenant: Whose run it is; says nothing but same or other.
    """

    run: str
    attempt: int
    token: str
    workflow: dict[str, Any]
    inputs: tuple[Input, ...]
    models: tuple[Model, ...]
    max_gpu_ms: int
    lease_s: float
    tenant: str


class Answer(NamedTuple):
    """What the server says to a heartbeat."""

    command: str
    max_gpu_ms: int
    lease_s: float


def lease(told: Any) -> Lease:
    """Reads a lease.

    Raises:
        WorkerError: the server sent something else.
        WorkflowError: a name in it could leave its folder.
    """
    return Lease(
        run=_text(told, "run"),
        attempt=_whole(told, "attempt"),
        token=_text(told, "token"),
        workflow=_mapping(told, "workflow"),
        inputs=tuple(_input(one) for one in _rows(told, "inputs")),
        models=tuple(_model(one) for one in _rows(told, "models")),
        max_gpu_ms=_whole(told, "max_gpu_ms"),
        lease_s=_seconds(told, "lease_s"),
        tenant=_text(told, "tenant"),
    )


def answer(told: Any) -> Answer:
    """Reads the answer to a heartbeat.

    Raises:
        WorkerError: the server sent something else.
    """
    return Answer(command(told), _whole(told, "max_gpu_ms"), _seconds(told, "lease_s"))


def command(told: Any) -> str:
    """Reads what is to be done.

    Raises:
        WorkerError: the server sent something else.
    """
    word = _text(told, "command")
    if word not in COMMANDS:
        raise _unlike("command", " or ".join(COMMANDS), word)
    return word


def require_plain(name: str) -> str:
    """Returns the name of a file if it means one entry of a folder on every system.

    Raises:
        WorkflowError: it could mean another place.
    """
    good = (
        name
        and name == name.strip(" .")
        and name.isprintable()
        and not _FORBIDDEN & set(name)
        and len(name.encode("utf-8", "surrogatepass")) <= MAX_NAME_BYTES
        and name.partition(".")[0].strip().lower() not in _DEVICES
    )
    if not good:
        raise WorkflowError(
            "file_name",
            f"the name of a file must be one plain name, got {name!a:.80}. Rename the file.",
        )
    return name


def _input(told: Any) -> Input:
    name = require_plain(_text(told, "name"))
    return Input(
        name,
        _text(told, "asset"),
        _text(told, "url"),
        _digest(told, "blake3"),
        _whole(told, "bytes"),
    )


def _model(told: Any) -> Model:
    folder, name = (require_plain(_text(told, key)) for key in ("folder", "name"))
    return Model(folder, name, _text(told, "url"), _digest(told, "sha256"), _whole(told, "bytes"))


def _mapping(told: Any, key: str) -> dict[str, Any]:
    value = told.get(key) if isinstance(told, Mapping) else None
    if not isinstance(value, dict):
        raise _unlike(key, "an object", value)
    return value


def _rows(told: Any, key: str) -> list[Any]:
    value = told.get(key, [])
    if not isinstance(value, list):
        raise _unlike(key, "a list", value)
    return value


def _text(told: Any, key: str) -> str:
    value = told.get(key) if isinstance(told, Mapping) else None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise _unlike(key, "a text", value)
    return value


def _digest(told: Any, key: str) -> str:
    value = _text(told, key)
    if not SHA256.fullmatch(value):
        raise _unlike(key, "64 hexadecimal digits", value)
    return value


def _whole(told: Any, key: str) -> int:
    value = told.get(key) if isinstance(told, Mapping) else None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _unlike(key, "a whole number from 0", value)
    return value


def _seconds(told: Any, key: str) -> float:
    value = told.get(key) if isinstance(told, Mapping) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value) and 0 < value <= MAX_LEASE_S:
            return float(value)
    raise _unlike(key, f"seconds up to {MAX_LEASE_S}", value)


def _unlike(key: str, expected: str, got: Any) -> WorkerError:
    return WorkerError(
        "protocol",
        f"{key} must be {expected}, got {got!a:.80}. Bring worker and server to one version.",
    )
