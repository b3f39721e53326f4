"""What the OpenAPI document says of Comfy API v2: jobs, assets and weights."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from flask import current_app
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from ..api import document
from ..ledger.values import MAX_AMOUNT
from .comfy_api import MAX_KEY, MAX_LABEL, MAX_LABEL_KEY, MAX_LABELS, blueprint
from .values import ACTIVE, ENDED

State = Literal[ACTIVE + ENDED]  # type: ignore[valid-type]
Kind = Literal["image", "video", "audio", "text", "file", "latent"]
Label = Annotated[str, Field(max_length=MAX_LABEL)]
Labels = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=MAX_LABEL_KEY)], Label],
    Field(max_length=MAX_LABELS),
]
Graph = Annotated[dict[str, Any], Field(description="in the API format of ComfyUI")]
GpuClass = Annotated[str, Field(min_length=1, max_length=200)]
Hash = Annotated[str, Field(pattern="^(blake3:)?[0-9a-fA-F]{64}$")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JobIn(_In):
    """What shall run, and what it may cost at most; `extra_data` is for other servers."""

    workflow: Graph
    metadata: Labels | None = None
    gpu_class: GpuClass | None = None
    max_micro: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] | None = None
    extra_data: Any = None


class JobQuoteIn(_In):
    """What would run."""

    workflow: Graph
    gpu_class: GpuClass | None = None


class HashIn(_In):
    """Bytes that the account has, and how they shall be called."""

    hash: Hash
    file_path: str | None = None
    tags: Any = None


class Upload(BaseModel):
    """A file as a form; `file` has the bytes."""

    file: Annotated[str, Field(json_schema_extra={"format": "binary"})]
    file_path: str | None = None
    expected_hash: Hash | None = None
    expires_in: Annotated[str, Field(pattern="^[0-9]{1,9}$")] | None = None


class WeightsIn(BaseModel):
    """Weights as a form; `file` has the bytes."""

    file: Annotated[str, Field(json_schema_extra={"format": "binary"})]
    folder: str
    name: str | None = None
    license: str


class Output(BaseModel):
    """A file that a job made; it is an asset."""

    node_id: str
    name: str
    type: Kind
    content_type: str
    size_bytes: int
    id: str
    hash: str
    url: str
    url_expires_at: datetime
    job_id: str | None


class Progress(BaseModel):
    """How far a job is."""

    value: Annotated[float, Field(ge=0, le=1)]
    nodes_done: int
    nodes_total: int
    phase: str = ""
    current_node: str | None = None
    step: int | None = None
    steps: int | None = None


class JobError(BaseModel):
    """Why a job ended as it did."""

    code: str
    message: str
    node_id: str | None = None


class Billing(BaseModel):
    """What is held for a job, what it cost, and why."""

    held_micro: int
    charged_micro: int | None
    charged: str | None
    rate: int
    explanation: str | None


class Urls(BaseModel):
    """Where more is."""

    self: str
    events: str
    cancel: str


class JobItem(BaseModel):
    """A job in a list."""

    id: str
    status: State  # type: ignore[valid-type]
    metadata: dict[str, str]
    create_time: datetime
    update_time: datetime


class Job(JobItem):
    """A run of a workflow."""

    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime
    queue_position: int | None
    eta_s: int | None
    progress: Progress | None
    outputs: list[Output]
    error: JobError | None
    metrics: dict[str, int | None]
    urls: Urls
    billing: Billing
    gpu_class: str
    attempt: int
    environment_digest: str | None


class Jobs(BaseModel):
    """A page of jobs."""

    jobs: list[JobItem]
    next_cursor: str = ""


class Queue(BaseModel):
    """How many jobs wait for the same GPUs, and until when."""

    ahead: int
    eta_s: int | None


class JobQuote(BaseModel):
    """What a job would cost, and what is missing for it."""

    runnable: bool
    missing: dict[str, list[str]]
    gpu_class: str
    rate: int
    alike_jobs: Annotated[int, Field(description="by which it is estimated; 0: it is a guess")]
    estimate_gpu_ms: int
    max_gpu_ms: int
    cost_micro: int
    cost: str
    held_micro: int
    held: str
    queue: Queue


class JobWorkflow(BaseModel):
    """What was submitted."""

    workflow: Graph
    format: Literal["api"]


class Asset(BaseModel):
    """A file of the account."""

    id: str
    hash: str
    size_bytes: int
    content_type: str
    file_path: str
    created_at: datetime
    url: str
    url_expires_at: datetime
    expires_at: datetime
    job_id: str | None
    created_new: bool = False


class Weights(BaseModel):
    """Weights of the account."""

    id: str
    folder: str
    name: str
    license: str
    sha256: str
    bytes: int
    tensors: int
    created_at: datetime


class AllWeights(BaseModel):
    """The weights of the account."""

    models: list[Weights]


# By view: what it takes, the status of success, and what it gives: a schema, or a media type.
CALLS: dict[str, tuple[type[BaseModel] | None, int, type[BaseModel] | str | None]] = {
    "submit_job": (JobIn, 201, Job),
    "quote_job": (JobQuoteIn, 200, JobQuote),
    "list_jobs": (None, 200, Jobs),
    "get_job": (None, 200, Job),
    "cancel_job": (None, 200, Job),
    "job_workflow": (None, 200, JobWorkflow),
    "job_events": (None, 200, "text/event-stream"),
    "upload_asset": (Upload, 201, Asset),
    "asset_from_hash": (HashIn, 201, Asset),
    "has_asset": (None, 200, None),
    "get_asset": (None, 200, Asset),
    "delete_asset": (None, 204, None),
    "asset_content": (None, 200, "*/*"),
    "upload_model": (WeightsIn, 201, Weights),
    "list_models": (None, 200, AllWeights),
    "delete_model": (None, 204, None),
}
FORMS = (Upload, WeightsIn)
TEXT = {"type": "string"}
_REPLAYED = {"Idempotency-Replayed": {"schema": TEXT}, "X-Comfy-Credits-Used": {"schema": TEXT}}
_LABELS = {"type": "object", "additionalProperties": {"type": "string", "maxLength": MAX_LABEL}}
PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "submit_job": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": TEXT | {"minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"},
        }
    ],
    "list_jobs": [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1}},
        {"name": "cursor", "in": "query", "schema": TEXT},
        {"name": "metadata", "in": "query", "style": "deepObject", "schema": _LABELS},
    ],
    "job_events": [{"name": "Last-Event-ID", "in": "header", "schema": TEXT}],
}


def complete(told: dict[str, Any]) -> dict[str, Any]:
    """Returns the document with the calls of hosted runs, and with what all calls have alike."""
    models = [one for row in CALLS.values() for one in row if isinstance(one, type)]
    _, made = models_json_schema(
        [(one, "validation") for one in dict.fromkeys(models)],
        ref_template="#/components/schemas/{model}",
    )
    told.setdefault("components", {}).setdefault("schemas", {}).update(made["$defs"])
    for rule in current_app.url_map.iter_rules():
        of, _, name = rule.endpoint.rpartition(".")
        if of != blueprint.name:
            continue
        (method,) = (rule.methods or set()) & {"GET", "POST", "DELETE", "HEAD"} - (
            {"HEAD"} if "GET" in (rule.methods or ()) else set()
        )
        path = re.sub(r"<(\w+)>", r"{\1}", rule.rule)
        told["paths"].setdefault(path, {})[method.lower()] = _operation(rule.endpoint, name, path)
    return document.complete(told)


def _operation(endpoint: str, name: str, path: str) -> dict[str, Any]:
    takes, status, gives = CALLS.get(name, (None, 200, "application/json"))
    view: Any = current_app.view_functions[endpoint]
    answer: dict[str, Any] = {"description": "Done", "headers": {}}
    if gives:
        schema = _of(gives) if isinstance(gives, type) else TEXT
        kind = "application/json" if isinstance(gives, type) else gives
        answer["content"] = {kind: {"schema": schema}}
    if gives is Job:
        answer["headers"] = _REPLAYED
    where = re.findall(r"{(\w+)}", path)
    places = [{"name": one, "in": "path", "required": True, "schema": TEXT} for one in where]
    made = {
        "summary": view.__doc__,
        "operationId": name,
        "tags": ["Hosted runs"],
        "security": [{"key": []}],
        "x-scope": " or ".join(view.scopes),
        "x-keyed": False,
        "parameters": places + PARAMETERS.get(name, []),
        "responses": {str(status): answer},
    }
    if takes:
        kind = "multipart/form-data" if takes in FORMS else "application/json"
        made["requestBody"] = {"content": {kind: {"schema": _of(takes)}}}
    if name == "asset_content":
        made["responses"] |= {
            one: {"description": text}
            for one, text in (("206", "A range"), ("302", "Elsewhere"), ("304", "The same"))
        }
        made["responses"]["416"] = {"description": "No such range"}
    return made


def _of(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
