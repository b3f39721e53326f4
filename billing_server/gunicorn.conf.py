"""gunicorn: `gunicorn --config billing_server/gunicorn.conf.py 'billing_server:create_app()'`."""

import os

from prometheus_client import multiprocess

bind = os.environ.get("BIND", "127.0.0.1:8000")
# One process with many threads commits many requests together. With more processes, count requests
# in Redis (RATE_LIMIT_STORAGE) and metrics in files (PROMETHEUS_MULTIPROC_DIR).
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
worker_class = "gthread"
threads = 320  # a stream of events, or a worker that waits for a run, has one to itself
timeout = 60
control_socket_disable = True  # it would lie in the home folder
accesslog = None  # the application's own log keeps secrets out


def child_exit(_: object, worker: object) -> None:
    """Forgets the gauges of a process that is gone."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[attr-defined]
