"""What benchmarks of hosted runs are made on: a database, a server, workers, customers' calls."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import requests
import sqlalchemy as sa
from dressform.billing_server import database, embedded
from dressform.billing_server.keys import Keys
from dressform.billing_server.ledger import CREDIT, Ledger, UnavailableError
from sqlalchemy.exc import InterfaceError, OperationalError

BENCH = Path(__file__).parent
CONFIG = BENCH.parent / "billing_server" / "gunicorn.conf.py"
GPU_CLASS = "cpu"
RATE = 250_000  # micro-credits a second
GRANTED = 100_000 * CREDIT
AWAY = (OperationalError, InterfaceError, UnavailableError, requests.RequestException)
T = TypeVar("T")


def wait_for(holds: Callable[[], T | None], what: str, timeout_s: float = 90.0) -> T:
    """Waits until something holds; a database or a server may be away meanwhile."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(*AWAY):
            if found := holds():
                return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {timeout_s:.0f} s is required. Read the logs.")
        time.sleep(0.03)


def free_port() -> int:
    """Returns a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


class Market:
    """A database and a server in gunicorn; a context manager.

    Attributes:
        engine, ledger: Of this process, to look at the books.
        url: Of the server.
        worker_key: Of scope `worker`.
        accounts: Customers, by the text of their keys.
    """

    def __init__(
        self,
        scratch: Path,
        *,
        customers: int = 1,
        lease_s: float = 0.0,
        addresses: tuple[str, ...] = ("127.0.0.1",),
        gpu_class: str = GPU_CLASS,
        variables: dict[str, str] | None = None,
    ):
        scratch.chmod(0o755)  # whoever runs PostgreSQL must reach what is below
        self.books, self.data = scratch / "books", scratch / "data"
        self.data.mkdir()
        self.log = scratch / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.address = embedded.start(self.books)
        self.engine = database.connect(self.address)
        database.migrate(self.engine)
        self.ledger = Ledger(self.engine)
        keys = Keys(self.engine, lambda: datetime.now(UTC))
        before = datetime.now(UTC) - timedelta(days=1)
        self.ledger.card.add(gpu_class, RATE, valid_from=before)
        self.worker_key, _ = keys.create(self.ledger.open_account("o"), "worker", ["worker"])
        self.accounts = {}
        for number in range(customers):
            account = self.ledger.open_account(f"customer-{number}")
            self.ledger.grant(account, GRANTED, "paid", key="g")
            self.accounts[keys.create(account, "key", ["run", "read"])[0]] = account
        told = {"BENCH_DATABASE": self.address, "BENCH_DATA": str(self.data)}
        told |= {"BENCH_LEASE_S": str(lease_s), "BENCH_URL": self.url}
        told["PYTHONPATH"] = os.pathsep.join([str(BENCH), os.environ.get("PYTHONPATH", "")])
        self._variables = os.environ | told | (variables or {})
        self._binds = [word for one in addresses for word in ("-b", f"{one}:{self.port}")]
        self.server: subprocess.Popen | None = None

    def __enter__(self) -> "Market":
        self.serve()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_server()
        self.engine.dispose()
        embedded.stop(self.books)
        data = self.books / "data" / "postmaster.pid"
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: not data.exists(), "the end of PostgreSQL", 20)
        shutil.rmtree(self.books, ignore_errors=True)

    def serve(self, *, wait: bool = True) -> None:
        """Starts the server, as operators do: gunicorn, with the configuration that is shipped."""
        command = [sys.executable, "-m", "gunicorn", "-c", str(CONFIG), *self._binds]
        with self.log.open("ab") as log:
            self.server = subprocess.Popen(  # noqa: S603 (of this interpreter)
                [*command, "hosted_server:create_app()"],
                env=self._variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            ready = lambda: requests.get(f"{self.url}/readyz", timeout=2).ok  # noqa: E731
            wait_for(ready, "a server that answers")

    def kill_server(self) -> None:
        """Kills every process of the server."""
        if self.server:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.server.pid, signal.SIGKILL)
            self.server.wait()

    def call(self, key: str, path: str, body: dict[str, Any], **headers: str) -> requests.Response:
        """Posts until there is an answer that is no fault of the server's."""

        def asked() -> requests.Response | None:
            sent = {"Authorization": f"Bearer {key}"} | headers
            answer = requests.post(self.url + path, json=body, headers=sent, timeout=10)
            return None if answer.status_code >= 500 or answer.status_code == 429 else answer

        return wait_for(asked, f"an answer to {path}")

    def submit(self, key: str, graph: dict[str, Any], name: str) -> str:
        """Submits a run; returns its id."""
        answer = self.call(key, "/api/v2/jobs", {"workflow": graph}, **{"Idempotency-Key": name})
        if answer.status_code != 201:
            raise RuntimeError(f"a run must be taken, got {answer.status_code}: {answer.text}")
        return answer.json()["id"]

    def upload(self, key: str, data: bytes) -> str:
        """Uploads a picture; returns the id of the asset."""
        sent = {"Authorization": f"Bearer {key}"}
        path, files = f"{self.url}/api/v2/assets", {"file": ("a.png", data)}
        answer = requests.post(path, files=files, headers=sent, timeout=30)
        answer.raise_for_status()
        return answer.json()["id"]

    def rows(self, sql: str, **values: object) -> list[Any]:
        """Asks the database."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(sql), values))

    def scalar(self, sql: str, **values: object) -> Any:
        """Returns the first value that the database answers."""
        return next(iter(self.rows(sql, **values)), (None,))[0]
