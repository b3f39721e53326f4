"""Kills the database or a server process at random points of a mixed load, and counts what is left.

    python bench/ledger_faults.py [--points 200] [--clients 50] [--seed N]

Each process has half of the clients; every client holds, extends, captures, releases, grants, takes
refunds and disputes in its accounts, two of which all clients share. It notes what it asks before,
and the answer after. A killed process is started again and asks once more, with the same keys,
whatever it had no answer to. Now and then, and at the end: every answer that was given is in the
journal as it was given, no key is there twice, and `verify` is clean. The holds of the dead expire.
"""

import argparse
import json
import multiprocessing
import random
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import sqlalchemy as sa
from dressform.billing_server import database, embedded
from dressform.billing_server.ledger import CREDIT, Ledger, LedgerError, Request, UnavailableError
from tqdm import tqdm

PROCESSES = 2
PAUSE_S = 0.05, 0.8  # between the end of a recovery and the next kill
LASTS = timedelta(seconds=20)
CHECK_EVERY = 20  # points; every answer ever given is looked for again, so none is missed
RETRY_S = 0.2
Answer = tuple[int, str, int]  # seq, kind, amount


class Client:
    """One thread: asks, notes, asks again what had no answer."""

    def __init__(
        self, ledger: Ledger, notes: Path, accounts: list[int], rate: int, seed: int
    ) -> None:
        self.ledger, self.accounts, self.rate = ledger, accounts, rate
        self.random = random.Random(seed)  # noqa: S311
        self.open: list[tuple[int, int]] = []
        asked, answered = read(notes)
        self.unanswered = [request for key, request in asked.items() if key not in answered]
        self.count = len(asked)
        self.name = notes.stem
        self.notes = notes.open("a", encoding="utf-8", buffering=1)
        self.notes.write("\n")  # the last line may be half a line

    def run(self) -> None:
        """Works until the process is killed."""
        for request in self.unanswered:
            self.ask(request, again=True)
        while True:
            self.ask(self.draw())

    def draw(self) -> Request:
        """Chooses what to ask next."""
        self.count += 1
        key, account = f"{self.name}-{self.count}", self.random.choice(self.accounts)
        amount, chance = self.random.randint(1, 3 * CREDIT), self.random.random()
        if self.open and chance < 0.5:
            account, hold = self.open.pop(self.random.randrange(len(self.open)))
            if chance < 0.3:
                what = {"rate": self.rate, "gpu_ms": self.random.randint(1, 5000)}
                return Request("capture", account, key, None, hold, **what)
            return Request("release" if chance < 0.4 else "extend", account, key,
                           None if chance < 0.4 else amount, hold)  # fmt: skip
        if chance < 0.6:
            return Request("grant", account, key, amount, grant_kind="paid")
        if chance < 0.65:
            kind = self.random.choice(["refund", "dispute_open"])
            return Request(kind, account, key, amount, 1)
        until = datetime.now(UTC) + LASTS
        return Request("hold", account, key, amount, expires_at=until, run=key, api_key=self.name)

    def ask(self, request: Request, *, again: bool = False) -> None:
        """Asks until there is an answer; notes it."""
        if not again:
            fields = {name: value for name, value in request._asdict().items() if value is not None}
            self.notes.write(json.dumps({"asked": fields}, default=datetime.isoformat) + "\n")
        while True:
            try:
                movement = self.ledger.submit(request)
                answer = [movement.seq, movement.kind, movement.amount]
                if movement.kind in ("hold", "extend"):
                    hold = movement.seq if movement.kind == "hold" else movement.names
                    self.open.append((request.account, hold or 0))
                break
            except UnavailableError:
                time.sleep(RETRY_S)
            except LedgerError as error:
                answer = error.code
                break
        self.notes.write(json.dumps({"key": request.key, "answer": answer}) + "\n")


def read(notes: Path) -> tuple[dict[str, Request], dict[str, list]]:
    """Returns what was asked and what was answered, by key."""
    asked, answered = {}, {}
    for line in notes.read_text(encoding="utf-8").splitlines() if notes.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # killed while it was written: not asked, or not answered
        if "asked" in row:
            fields = row["asked"]
            if "expires_at" in fields:
                fields["expires_at"] = datetime.fromisoformat(fields["expires_at"])
            request = Request(**fields)
            asked[request.key] = request
        else:
            answered[row["key"]] = row["answer"]
    return asked, answered


def serve(
    folder: Path, process: int, clients: int, accounts: list[int], rate: int, seed: int
) -> None:
    """Is a server process: clients that share a ledger, until it is killed."""
    engine = database.connect(embedded.start(folder), pool_size=8)
    ledger = Ledger(engine)
    for number in range(clients):
        notes = folder.parent / f"{process}-{number}.jsonl"
        own = [*accounts[:2], accounts[2 + process * clients + number]]
        client = Client(ledger, notes, own, rate, seed * 1000 + process * 100 + number)
        threading.Thread(target=client.run, daemon=True).start()
    while True:
        time.sleep(1)


def check(engine: sa.Engine, notes: list[Path]) -> tuple[list[str], int]:
    """Compares the answers that were given with the journal; returns problems and their count."""
    given = {}
    for path in notes:
        asked, answered = read(path)
        given |= {(asked[key].account, key): one for key, one in answered.items() if key in asked}
    problems = []
    with engine.connect() as connection:
        sql = "SELECT account_id, key, seq, kind::text, amount FROM ledger.movement"
        rows = connection.execute(sa.text(sql)).all()
    journal = {(row[0], row[1]): list(row[2:]) for row in rows}
    if len(journal) != len(rows):
        problems.append("a key is there twice")
    for place, answer in given.items():
        # A refusal must have moved nothing, an answer must be there as it was given.
        if journal.get(place) != (answer if isinstance(answer, list) else None):
            problems.append(f"{place}: answered {answer}, found {journal.get(place)}")
    return [*problems, *Ledger(engine).verify().problems], len(given)


def main() -> None:
    """Kills, checks, and prints a table and a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dressform-", ignore_cleanup_errors=True) as scratch:
        Path(scratch).chmod(0o755)  # whoever runs PostgreSQL must reach what is below
        result = run(Path(scratch), options)
    for name, value in result.items():
        print(f"{name:<18} {value:>10}")
    bars = {
        name: {"value": result[name], "bar": bar, "ok": result[name] == bar}
        for name, bar in (("points", options.points), ("problems", 0), ("still_held", 0))
    }
    print(json.dumps({"bench": "ledger_faults", "bars": bars}))
    if result["problems"]:
        raise SystemExit(1)


def run(scratch: Path, options: argparse.Namespace) -> dict[str, float]:
    """Runs the load and the kills."""
    folder, chance = scratch / "server", random.Random(options.seed)  # noqa: S311
    engine = database.connect(embedded.start(folder))
    database.migrate(engine)
    ledger = Ledger(engine)
    accounts = [ledger.open_account(f"account-{n}") for n in range(options.clients + 2)]
    for account in accounts:
        ledger.grant(account, 1000 * CREDIT, "paid", key="first")
    rate = ledger.card.add("h100", 1000, minimum_micro=5, step_ms=100).id
    context = multiprocessing.get_context("spawn")
    each, seeds = options.clients // PROCESSES, iter(range(options.seed * 10_000, 10**9))

    def start(number: int):
        process = context.Process(
            target=serve, args=(folder, number, each, accounts, rate, next(seeds))
        )
        process.start()
        return process

    servers = [start(number) for number in range(PROCESSES)]
    kills, problems, answers, recovery_s = {"database": 0, "server": 0}, [], 0, []
    try:
        while all(one.is_alive() for one in servers) and not any(
            read(notes)[1] for notes in scratch.glob("*.jsonl")
        ):
            time.sleep(0.1)  # until the first answer
        for point in tqdm(range(options.points), desc="kills", unit="kill"):
            time.sleep(chance.uniform(*PAUSE_S))
            # Both at least once, then at random.
            victims = ["database", "server"]
            victim = victims[point] if point < len(victims) else chance.choice(victims)
            kills[victim] += 1
            begun = time.monotonic()
            if victim == "database":
                kill_database(folder)
            else:
                number = chance.randrange(PROCESSES)
                servers[number].kill()
                servers[number].join()
                servers[number] = start(number)
            embedded.start(folder)
            recovery_s.append(time.monotonic() - begun)
            ledger.expire_due()
            if (point + 1) % CHECK_EVERY == 0:
                problems, answers = check(engine, sorted(scratch.glob("*.jsonl")))
            if problems:
                break
    finally:
        for server in servers:
            server.kill()
            server.join()
    time.sleep(1)
    later = Ledger(engine, lambda: datetime.now(UTC) + LASTS)
    while later.expire_due():
        pass
    held = sum(later.balance(account).held for account in accounts)
    found, answers = check(engine, sorted(scratch.glob("*.jsonl")))
    problems += found + ([f"{held} are still held"] if held else [])
    movements = ledger.verify().movements
    engine.dispose()
    embedded.stop(folder)
    time.sleep(5)  # until the keeper has stopped the server
    for problem in problems[:20]:
        print(problem)
    return {
        "points": sum(kills.values()),
        "killed_database": kills["database"],
        "killed_server": kills["server"],
        "answers": answers,
        "movements": movements,
        "still_held": held,
        "slowest_restart_s": round(max(recovery_s, default=0), 1),
        "problems": len(problems),
    }


def kill_database(folder: Path) -> None:
    """Kills the postmaster, and waits until it is dead; its processes notice and go."""
    try:
        number = int((folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        process = psutil.Process(number)
        process.kill()
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return  # it is just starting


if __name__ == "__main__":
    main()
