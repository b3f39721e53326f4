"""A backup while runs and purchases go on, restored: one moment, and runs that go on from it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from types import SimpleNamespace

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
import requests
from blake3 import blake3
from dressform.billing_server import backup

pytestmark = pytest.mark.postgres

PROGRAM = "import sys; from dressform import cli; sys.exit(cli.main(sys.argv[1:]))"
CLASSES = {"EmptyImage": "comfyui", "SaveImage": "comfyui"}
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x03\x08\x02\0\0\0"
    b"6\x88I\xd6\0\0\0\x0cIDATx\x9cc``\xc0\x06\0\0\x1e\0\x01\0\0\0\0IEND\xaeB`\x82"
)
CUSTOMERS, WORKERS = 3, 2
LEASE_S = 30


class Server:
    """`dressform serve` on a data folder, and calls to it."""

    def __init__(self, data):
        command = [sys.executable, "-c", PROGRAM, "serve", "--port=0", f"--data={data}"]
        variables = os.environ | {"RATE_LIMIT": "100000 per minute"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=variables
        )
        self.said = ""
        self.url = self.line(r"Dashboard: (\S+)")

    def line(self, pattern):
        while not (found := re.search(pattern, self.said)):
            line = self.process.stdout.readline()
            assert line, self.said
            self.said += line
        return found[1]

    def call(self, key, method, path, body=None, **more):
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": uuid.uuid4().hex}
        headers |= more.pop("headers", {})
        url = f"{self.url}/api{path}"
        answer = requests.request(method, url, json=body, headers=headers, timeout=60, **more)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def told(folder, eventually):
    """What was before the backup, and what is after it was restored."""
    place, seen = folder(), SimpleNamespace()
    place.chmod(0o755)
    seen.place = place
    servers = [Server(place / "old")]
    try:
        live(servers[0], seen, place, eventually)
        servers[0].end()
        seen.verified = run("restore", seen.backup, "--data", place / "new")
        servers.append(Server(place / "new"))
        go_on(servers[1], seen, eventually)
        yield seen
    finally:
        for one in servers:
            one.process.kill()
            one.process.wait()
            one.process.stdout.close()


def run(*arguments):
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    clean = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean)


def live(server, seen, place, eventually):
    seen.admin = admin = server.line(r"Admin key: (df_\S+)")
    server.call(admin, "POST", "/v1/rates", {"gpu_class": "cpu", "micro_per_gpu_s": 1000})
    person = server.call(admin, "GET", "/v1/customers")["customers"][0]["account"]
    grant = {"amount_micro": 50_000_000, "kind": "goodwill", "reason": "test"}
    server.call(admin, "POST", f"/v1/customers/{person}/grants", grant)
    # One run is at work all the time: its worker is never heard of again.
    lost = hello(server, admin, "lost")
    seen.lost = submit(server, admin, 0)
    token = lease(server, admin, lost)["token"]
    stopped, failed, seen.ended = threading.Event(), [], []

    def loop(act, *arguments):
        try:
            while not stopped.is_set():
                act(*arguments)
        except BaseException as error:
            failed.append(error)

    ids = [hello(server, admin, f"busy{n}") for n in range(WORKERS)]
    threads = [threading.Thread(target=loop, args=(work, server, admin, i, seen)) for i in ids]
    threads += [threading.Thread(target=loop, args=(feed, server, admin))]
    threads += [threading.Thread(target=loop, args=(buy, server, admin))]
    for one in threads:
        one.start()
    try:
        eventually(lambda: failed or is_busy(server, admin), timeout_s=120)
        told = {"token": token, "gpu_ms": 1, "phase": "executing"}
        server.call(admin, "POST", f"/worker/v1/runs/{seen.lost}/heartbeat", told)
        done = run("backup", place / "backups", "--data", place / "old")
        time.sleep(2)  # what is done now is not in it
    finally:
        stopped.set()
        for one in threads:
            one.join()
    assert not failed, failed
    assert done.returncode == 0, done.stderr
    (seen.backup,) = (place / "backups").iterdir()
    seen.old = statement(server, admin)
    seen.purchases = server.call(admin, "GET", "/v1/purchases")["purchases"]


def is_busy(server, key):
    """Says whether runs were charged and packs bought, so that a backup is of them."""
    lines = statement(server, key)
    return len(of_kind(lines, "capture")) > 3 and len(of_kind(lines, "grant")) > 2


def go_on(server, seen, eventually):
    """The restored server serves: keys are good, and what was at work is queued again."""
    seen.now = None
    while seen.now != (now := statement(server, seen.admin)):
        seen.now, seen.balance = now, server.call(seen.admin, "GET", "/v1/balance")
    # An order that was open at that moment is settled when it is a minute old.
    settled = [line for line in of_kind(now, "grant") if line not in seen.old]
    seen.new = [line for line in now if line not in settled]
    seen.pictures = {
        output["url"]: download(server, seen.admin, output)
        for job in jobs(server, seen.admin)
        if job["status"] == "succeeded"
        for output in server.call(seen.admin, "GET", f"/v2/jobs/{job['id']}")["outputs"]
    }

    def state():
        return server.call(seen.admin, "GET", f"/v2/jobs/{seen.lost}")["status"]

    eventually(lambda: state() == "queued", timeout_s=LEASE_S + 30)
    worker = hello(server, seen.admin, "new")
    while any(job["status"] in ("queued", "running") for job in jobs(server, seen.admin)):
        work(server, seen.admin, worker, seen)
    seen.after = server.call(seen.admin, "GET", f"/v2/jobs/{seen.lost}")
    seen.last = statement(server, seen.admin)
    seen.last_balance = server.call(seen.admin, "GET", "/v1/balance")
    server.end()
    seen.verified_later = subprocess.run(
        [sys.executable, "-c", PROGRAM, "ledger", "verify"],
        capture_output=True,
        text=True,
        env={**os.environ, "DRESSFORM_DATA": str(seen.place / "new")},
        check=False,
    )


def hello(server, key, name):
    told = {"protocol": 1, "name": name, "gpu_class": "cpu", "gpu": {"name": "none"}}
    told |= {"environment": {"digest": "env"}, "node_classes": CLASSES, "models": []}
    return server.call(key, "POST", "/worker/v1/hello", told)["worker"]


def lease(server, key, worker):
    return server.call(key, "POST", "/worker/v1/lease", {"worker": worker, "wait_s": 1})


def submit(server, key, color):
    graph = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 2, "height": 3, "batch_size": 1, "color": color},
        },
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
    }
    return server.call(key, "POST", "/v2/jobs", {"workflow": graph})["id"]


def feed(server, key):
    submit(server, key, 1)
    time.sleep(0.1)


def work(server, key, worker, seen):
    found = lease(server, key, worker)
    if not found:
        return
    head = {"X-Attempt-Token": found["token"]}
    data = PNG + found["run"].encode()
    runs = f"/worker/v1/runs/{found['run']}"
    put = f"{runs}/outputs/{blake3(data).hexdigest()}"
    query = {"node": "2", "name": "a_1.png", "type": "output"}
    sent = server.call(key, "PUT", put, params=query, data=data, headers=head)
    told = {"token": found["token"], "gpu_ms": 1, "outputs": [sent]}
    server.call(key, "POST", f"{runs}/complete", told)
    seen.ended.append(found["run"])


def buy(server, key):
    made = server.call(key, "POST", "/v1/checkouts", {"pack": "starter"})
    card = {"card": "4242424242424242"}
    requests.post(made["url"], card, allow_redirects=False, timeout=60)
    deadline = time.monotonic() + 60  # one after another: only so many may be unpaid
    while server.call(key, "GET", f"/v1/checkouts/{made['order']}")["state"] != "paid":
        assert time.monotonic() < deadline
        time.sleep(0.3)


def statement(server, key):
    """All movements of the account, the oldest first."""
    lines, where = [], {"limit": 100}
    while True:
        page = server.call(key, "GET", "/v1/statement", params=where)
        lines += page["lines"]
        if not page["next"]:
            return lines[::-1]
        where["before"] = page["next"]


def jobs(server, key):
    found, where = [], {"limit": 100}
    while True:
        page = server.call(key, "GET", "/v2/jobs", params=where)
        found += page["jobs"]
        if "next_cursor" not in page:
            return found
        where["cursor"] = page["next_cursor"]


def download(server, key, output):
    headers = {"Authorization": f"Bearer {key}"}
    return requests.get(
        requests.compat.urljoin(server.url, output["url"]), headers=headers, timeout=30
    )


def of_kind(lines, *kinds):
    return [line for line in lines if line["movement"]["kind"] in kinds]


def available(lines):
    """What is available after movements, by their entries."""
    entries = [entry for line in lines for entry in line["entries"]]
    return sum(one["amount_micro"] for one in entries if one["book"] == "available")


def test_backup_is_of_one_moment_in_the_middle_of_the_load(told):
    assert 0 < len(told.new) < len(told.old)
    assert told.new == told.old[: len(told.new)]
    assert len(of_kind(told.new, "capture")) > 3
    assert len(of_kind(told.new, "grant")) > 2  # two purchases at least


def test_restored_ledger_is_whole_and_balances_are_of_that_moment(told):
    assert told.verified.returncode == 0, told.verified.stderr + told.verified.stdout
    assert "Everything agrees." in told.verified.stdout
    assert told.balance["available_micro"] == available(told.now)


def test_pictures_of_runs_are_there(told):
    assert len(told.pictures) > 3
    for answer in told.pictures.values():
        assert answer.ok
        assert answer.content.startswith(PNG)


def test_run_that_was_at_work_is_lost_queued_again_and_charged_once(told):
    assert (told.after["status"], told.after["attempt"]) == ("succeeded", 2)
    captured = [
        line for line in of_kind(told.last, "capture") if line["movement"]["run"] == told.lost
    ]
    assert len(captured) == 1
    assert told.last_balance["held_micro"] == 0
    assert told.verified_later.returncode == 0
    assert "Everything agrees." in told.verified_later.stdout


def test_secrets_are_in_it_and_closed_to_others(told):
    kept = told.backup / "files" / "secret_key"
    assert kept.read_bytes() == (told.place / "old" / "secret_key").read_bytes()
    assert told.backup.stat().st_mode & 0o077 == 0
    assert not (told.backup / "files" / "postgresql").exists()


def test_restoring_over_something_is_refused(told, tmp_path):
    done = run("restore", told.backup, "--data", told.place / "new")
    assert done.returncode == 1
    assert "an empty folder is required, got" in done.stderr


def test_folder_of_no_server_is_refused_and_left_as_it_is(tmp_path):
    done = run("backup", tmp_path / "backups", "--data", tmp_path / "data")
    assert done.returncode == 1
    assert "the data folder of a server is required, got" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_backup_into_what_is_backed_up_is_refused(told):
    done = run("backup", told.place / "old" / "backups", "--data", told.place / "old")
    assert done.returncode == 1
    assert "a folder outside of" in done.stderr


def test_database_that_does_not_answer_leaves_no_half_a_backup(tmp_path):
    nobody = "postgresql://u:secret@127.0.0.1:1/x"
    with pytest.raises(RuntimeError, match=r"pg_dump must succeed, got: .*refused") as caught:
        backup.make(tmp_path / "backups", tmp_path / "data", nobody)
    assert "secret" not in str(caught.value)
    assert list((tmp_path / "backups").iterdir()) == []


def test_changed_backup_is_refused(told, folder):
    place = folder()
    manifest = json.loads((told.backup / backup.MANIFEST).read_text())
    (place / backup.DUMP).write_bytes((told.backup / backup.DUMP).read_bytes()[:-1])
    (place / backup.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"a whole backup is required, got .* which was changed"):
        backup.restore(place, place / "data")
    with pytest.raises(ValueError, match="a backup is required, got"):
        backup.restore(place / "nothing", place / "data")


def test_database_with_a_ledger_is_not_written_over(told, folder, server, fresh):
    with pytest.raises(ValueError, match="an empty database is required, got fresh_"):
        backup.restore(told.backup, folder() / "data", fresh())
