"""The worker protocol, version 1: JSON over HTTPS, and only ever asked for by the worker."""

import contextlib
import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote

import sqlalchemy as sa
from blake3 import blake3
from flask import Blueprint, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from .. import problems
from ..api.calls import caller
from ..assets import kinds
from ..problems import CallError
from ..services import services
from .attempts import Step
from .leases import token_digest
from .values import HEARTBEAT_S, LEASE_S, MAX_WAIT_S, PHASES, Run, RunError

PATH = "/api/worker/v1"
TOKEN = "X-Attempt-Token"  # noqa: S105 (the name of a header)
MAX_TOLD = 8 << 20  # bytes of a call: an introduction names thousands of classes and models
MAX_TEXT = 1 << 16  # bytes of an output that is a text
MAX_PREVIEW = 128 << 10  # bytes
MAX_MESSAGE = 2000  # characters of what went wrong that are kept

blueprint = Blueprint("worker", __name__, url_prefix=PATH)
blueprint.register_error_handler(
    RunError, lambda error: problems.answer(error.status, error.code, str(error), **error.details)
)
blueprint.register_error_handler(
    sa.exc.DataError, lambda _: problems.answer(422, "invalid", "A NUL came. Leave it out.")
)
View = Callable[..., Any]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Phases = dict[Literal[PHASES], Annotated[int, Field(ge=0, le=10**12)]]  # type: ignore[valid-type]
Number = Annotated[float, Field(allow_inf_nan=False)]
T = TypeVar("T", bound=BaseModel)


class In(BaseModel):
    """What workers say."""

    model_config = ConfigDict(extra="ignore", frozen=True)  # the protocol may only grow


class Model(In):
    """A model that a worker has."""

    folder: Name
    name: Name
    sha256: str | None = None


class HelloIn(In):
    """What a worker is."""

    protocol: Literal[1]
    name: Name
    gpu_class: Name
    gpu: dict[str, Any]
    speed: dict[str, Any] = {}
    calibrated_at: str | None = None
    environment: dict[str, Any]
    node_classes: Annotated[dict[Name, Name], Field(max_length=20_000)]
    models: Annotated[list[Model], Field(max_length=20_000)]


class LeaseIn(In):
    """What a worker has in memory."""

    worker: Name
    resident: Annotated[list[Name], Field(max_length=200)] = []
    free_vram_bytes: Annotated[int, Field(ge=0, le=2**60)] | None = None
    wait_s: Annotated[float, Field(ge=0, le=MAX_WAIT_S)] = 0.0


class GoodbyeIn(In):
    """Who wants no more."""

    worker: Name


class StepIn(In):
    """How far a node is."""

    node: Name
    value: Number
    max: Annotated[Number, Field(gt=0)]


class _Told(In):
    token: Name
    gpu_ms: StrictInt
    phases: Phases = {}

    @property
    def spent(self) -> dict[str, int]:
        """Milliseconds by phase."""
        return {str(name): ms for name, ms in self.phases.items()}


class HeartbeatIn(_Told):
    """How far a run is."""

    phase: Literal[PHASES]  # type: ignore[valid-type]
    progress: Annotated[list[StepIn], Field(max_length=2000)] = []
    free_vram_bytes: Annotated[int, Field(ge=0, le=2**60)] | None = None
    resident: Annotated[list[Name], Field(max_length=200)] | None = None


class WaitIn(In):
    """How long a command is waited for."""

    token: Name
    wait_s: Annotated[float, Field(ge=0, le=MAX_WAIT_S)] = 0.0


class OutputIn(In):
    """A file that was sent before, or a text."""

    asset: Name = ""
    node: Annotated[str, Field(max_length=200)] = ""
    name: Name = "text.txt"
    text: Annotated[str, Field(max_length=MAX_TEXT)] | None = None


class CompleteIn(_Told):
    """What a run made."""

    outputs: Annotated[list[OutputIn], Field(max_length=2000)] = []


class FailIn(_Told):
    """Why it ended."""

    fault: Literal["workflow", "worker"]
    code: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\w.-]+$")]
    message: str
    node: Annotated[str, Field(max_length=200)] | None = None


def call(rule: str, takes: type[T] | None = None) -> Callable[[View], View]:
    """Makes a view a call of the protocol: only for keys with the scope `worker`."""
    method, path = rule.split()

    def decorate(view: View) -> View:
        @blueprint.route(path, methods=[method], endpoint=view.__name__)
        @functools.wraps(view)
        def called(**kwargs: Any) -> Any:
            if "worker" not in caller().scopes:
                text = "The scope worker is required, got others. Use the key of a worker."
                raise CallError(403, "scope", text)
            if takes is not None:
                request.max_content_length = MAX_TOLD
                try:
                    kwargs["body"] = takes.model_validate_json(request.get_data())
                except ValidationError as error:
                    first = error.errors(include_input=False, include_url=False)[0]
                    where = ".".join(str(one) for one in first["loc"]) or "The body"
                    text = f"{where} is not right: {first['msg']}. Update worker or server."
                    raise CallError(422, "invalid", text) from None
            return view(**kwargs)

        return called

    return decorate


@call("POST /hello", HelloIn)
def hello(body: HelloIn) -> Any:
    """Introduces a worker."""
    at = {one.sha256: f"{one.folder}/{one.name}" for one in body.models if one.sha256}
    about = body.model_dump(include={"gpu", "speed", "calibrated_at", "environment"})
    worker = services().hosting.leases.hello(
        caller().id,
        body.name,
        body.gpu_class,
        about=about,
        environment=str(body.environment.get("digest", "")),
        node_classes=body.node_classes,
        models=[f"{one.folder}/{one.name}" for one in body.models],
        digests=at,
    )
    return {"worker": worker, "heartbeat_s": HEARTBEAT_S, "lease_s": LEASE_S}


@call("POST /goodbye", GoodbyeIn)
def goodbye(body: GoodbyeIn) -> Any:
    """Drains a worker."""
    services().hosting.leases.goodbye(caller().id, body.worker)
    return {}


@call("POST /lease", LeaseIn)
def lease(body: LeaseIn) -> Any:
    """Waits for a run that suits a worker."""
    found = services().hosting.leases.lease(
        caller().id, body.worker, body.resident, body.free_vram_bytes, body.wait_s
    )
    if found is None:
        return "", 204
    assets, here = services().hosting.assets, f"{PATH}/runs/{found.run}"
    inputs = [
        {
            "name": one["name"],
            "asset": one["asset"],
            "url": assets.address(one["key"]) or f"{here}/inputs/{one['asset']}",
            "blake3": one["hash"],
            "bytes": one["bytes"],
        }
        for one in found.inputs
    ]
    models = [
        {
            "folder": one.folder,
            "name": one.shown,
            "url": assets.address(one.key) or f"{here}/models/{one.sha256}",
            "sha256": one.sha256,
            "bytes": one.bytes,
        }
        for one in found.models
    ]
    told = found._asdict() | {"inputs": inputs, "models": models, "lease_s": LEASE_S}
    return jsonify(told | {"tenant": str(found.tenant)})


@call("POST /runs/<run>/heartbeat", HeartbeatIn)
def heartbeat(run: str, body: HeartbeatIn) -> Any:
    """Renews a lease."""
    answer = services().hosting.attempts.heartbeat(
        run,
        body.token,
        body.gpu_ms,
        phase=body.phase,
        phases=body.spent,
        progress=[Step(one.node, one.value, one.max) for one in body.progress],
        resident=body.resident,
        free_vram=body.free_vram_bytes,
    )
    return answer._asdict() | {"lease_s": LEASE_S}


@call("POST /runs/<run>/wait", WaitIn)
def wait(run: str, body: WaitIn) -> Any:
    """Tells of a command as soon as there is one; heartbeats are too far apart for people."""
    return {"command": services().hosting.attempts.wait(run, body.token, body.wait_s)}


@call("POST /runs/<run>/preview")
def preview(run: str) -> Any:
    """Takes a picture of how far a run is."""
    request.max_content_length = MAX_PREVIEW
    data, node = request.get_data(), unquote(request.headers.get("X-Node", ""))[:200]
    if (kind := kinds.kind(data)) not in ("image/jpeg", "image/png"):
        text = "A JPEG or PNG is required as a preview, got something else. Convert it."
        raise RunError("unsupported_type", 415, text)
    services().hosting.attempts.preview(run, attempt_token(), node, kind, data)
    return "", 204


@call("POST /runs/<run>/complete", CompleteIn)
def complete(run: str, body: CompleteIn) -> Any:
    """Ends a run with its outputs."""
    attempts, of = services().hosting.attempts, None
    if any(one.text is not None for one in body.outputs):
        with contextlib.suppress(RunError):  # if it has ended, `complete` knows whether by this
            of = attempts.check(run, body.token)
    outputs = [_text(of, one) if of and one.text is not None else one.asset for one in body.outputs]
    services().hosting.assets.arrived(run, token_digest(body.token), outputs)
    attempts.complete(run, body.token, body.gpu_ms, body.spent, outputs)
    return {}


def _text(run: Run, told: OutputIn) -> str:
    """Keeps an output that is a text; returns the asset."""
    data = (told.text or "").encode()
    if len(data) > MAX_TEXT:
        text = f"At most {MAX_TEXT} bytes of text are taken, got {len(data)}. Send a file."
        raise RunError("too_large", 413, text)
    what = {"node": told.node, "name": told.name, "type_": "text"}
    digest = blake3(data).hexdigest()
    of = run.account, run.id, run.attempt, digest
    return services().hosting.assets.output(*of, [data], **what).id


@call("POST /runs/<run>/fail", FailIn)
def fail(run: str, body: FailIn) -> Any:
    """Ends an attempt that failed."""
    services().hosting.attempts.fail(
        run,
        body.token,
        body.gpu_ms,
        body.spent,
        fault=body.fault,
        code=body.code,
        message=body.message.replace("\0", "")[:MAX_MESSAGE],
        node=body.node,
    )
    return {}


def attempt_token() -> str:
    """Returns the token of a call without JSON; in an address it would be in proxies' logs."""
    return request.headers.get(TOKEN, "")
