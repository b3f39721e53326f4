"""A hosted run as this ComfyUI's page and file know it."""

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

from .cloud_account import Account

OPEN = ("uploading", "submitting", "queued", "running", "canceling", "downloading")
ENDED = ("succeeded", "failed", "canceled", "expired")


@dataclass
class Run:
    """A run as the page and the file know it; the workflow itself is kept until it was sent."""

    id: str
    label: str
    client: str
    titles: dict[str, str]
    classes: dict[str, str]
    server: str
    created_at: float
    payer: str = ""  # a digest of the key
    gpu_class: str = ""
    at_most: float = 0.0
    state: str = "uploading"
    phase: str = ""
    job: str = ""
    away: str = ""  # why the server cannot be reached; empty while it can
    node: str = ""
    step: int = 0
    steps: int = 0
    nodes_done: int = 0
    nodes_total: int = 0
    done: list[str] = field(default_factory=list)
    queue_position: int | None = None
    eta_s: int | None = None
    cost: float | None = None
    held: float = 0.0
    gpu_s: float = 0.0
    explanation: str | None = None
    phases: dict[str, int] = field(default_factory=dict)
    error: dict[str, str] | None = None
    files: list[dict[str, str]] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    canceled: bool = False  # whether the user asked for it
    sent: bool = False  # whether a job may exist
    ended_at: float | None = None

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    def view(self) -> dict[str, Any]:
        """What the page may know."""
        told = asdict(self)
        del told["payer"]
        return {**told, "ended": self.ended}


def payer(account: Account) -> str:
    """Returns a digest of who pays, for a file that no secret gets into."""
    return hashlib.sha256(account.key.encode()).hexdigest()


def progressed(run: Run, data: dict[str, Any]) -> None:
    """Takes over how far a server says that a run is."""
    run.phase = str(data.get("phase") or run.phase)
    run.nodes_done = int(data.get("nodes_done") or 0)
    run.nodes_total = int(data.get("nodes_total") or run.nodes_total)
    node = str(data.get("current_node") or "")
    if run.node and node != run.node and run.node not in run.done:
        run.done.append(run.node)
    run.node = node
    run.step, run.steps = int(data.get("step") or 0), int(data.get("steps") or 0)
