"""What runs are made of: states, limits, errors, and what is told of a run."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

QUEUED, RUNNING, CANCELING = ACTIVE = ("queued", "running", "canceling")
SUCCEEDED, CANCELED, FAILED, EXPIRED = ENDED = ("succeeded", "canceled", "failed", "expired")
PHASES = ("provisioning", "loading", "executing", "uploading")

HEARTBEAT_S = 5
LEASE_S = 30
MAX_WAIT_S = 25  # for which a worker may ask for a lease: shorter than proxies wait
LEASE = timedelta(seconds=LEASE_S)
ALIVE = timedelta(minutes=2)  # since a worker was heard of
KNOWN = timedelta(days=7)  # for which the classes of a worker that is away are still believed
START_WITHIN = timedelta(hours=6)  # else a run expires in the queue, free
KEPT = timedelta(days=7)  # for which a run and its outputs are kept
MAX_ATTEMPTS = 3
MAX_ACTIVE = 100  # runs of an account that have not ended
FREE_MS = 10 * 60 * 1000  # an hour that an account may use of workers without being charged
FREE_WITHIN = timedelta(hours=1)
FREE_LOAD_MS = 5 * 60 * 1000  # of files and models, for each run, which do not count there
MAX_RUN_MS = 30 * 60 * 1000  # of GPU time
MAX_IDLE = timedelta(minutes=30)  # before and between, which nobody pays for
FIRST_MS = 60_000  # held for a run of which nothing is known
STEP_MS = 30_000  # by which a hold is extended
EXTEND_AT = 0.7  # of what is held: a heartbeat later there must still be some
MARGIN = 1.5  # of the longest run that was alike, for what is held
ALIKE = 20  # runs that are looked at for it
# A hold outlives the longest wait and run; a heartbeat prolongs it before it can lapse.
HOLD_AFTER_START = timedelta(hours=1)
HOLD_LEFT = timedelta(minutes=30)


class RunError(Exception):
    """A refusal: code, HTTP status, and for programs more about it."""

    def __init__(self, code: str, status: int, text: str, **details: Any) -> None:
        super().__init__(text)
        self.code, self.status, self.details = code, status, details


def invalid(text: str, **details: Any) -> RunError:
    """Returns the refusal of a workflow that can never run."""
    return RunError("invalid_workflow", 422, text, **details)


def no_run(id_: object) -> RunError:
    """Returns the refusal of what is no run of the caller's."""
    return RunError("not_found", 404, f"A job of this account is required, got {id_!a:.60}.")


STALE = "The token of the current lease is required, got another. Stop, wipe, and lease again."


def stale() -> RunError:
    """Returns the refusal of a worker whose lease has ended."""
    return RunError("stale_token", 409, STALE)


class Caller(NamedTuple):
    """Who submits: the ledger's account, and the key as the ledger calls it."""

    account: int
    api_key: str


class Run(NamedTuple):
    """A run as its customer may see it."""

    id: str
    account: int
    api_key: str
    state: str
    metadata: dict[str, str]
    nodes: int
    gpu_class: str
    rate: int
    hold: int
    held: int
    estimate_ms: int
    max_gpu_ms: int
    max_micro: int | None
    attempt: int
    stop: str | None
    created_at: datetime
    hold_until: datetime
    started_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime
    gpu_ms: int
    charged: int | None
    phases: dict[str, int]
    progress: dict[str, Any] | None
    error: dict[str, Any] | None
    environment: str | None

    @property
    def ended(self) -> bool:
        """Whether it has a last state."""
        return self.state in ENDED


RUN = ", ".join(Run._fields)


class Worker(NamedTuple):
    """A worker as it introduced itself."""

    id: str
    name: str
    gpu_class: str
    environment: str
    node_classes: dict[str, str]
    models: list[str]
    digests: dict[str, str]
    resident: list[str]
    tenant: int | None
    draining: bool
    polls: int


WORKER = ", ".join(Worker._fields)


class Event(NamedTuple):
    """What happened to a run; `seq` counts within it."""

    seq: int
    kind: str
    data: dict[str, Any]


class Quote(NamedTuple):
    """What a run would cost by runs that were alike, and at most before it is asked again."""

    gpu_class: str
    rate: int
    alike: int  # how many there were; without any it is a guess
    estimate_ms: int
    max_gpu_ms: int
    cost: int
    held: int
