"""The billing server of a benchmark: `gunicorn hosted_server:create_app()` with

BENCH_DATABASE and BENCH_DATA, BENCH_LEASE_S where leases shall be shorter than usual, and
BENCH_STORE and BENCH_STORE_ENDPOINT where files shall lie in a bucket.
"""

import io
import os
import sys
from datetime import timedelta
from pathlib import Path

from dressform import billing_server
from dressform.billing_server import database, logs
from dressform.billing_server.runs import attempts, leases, values, worker_api
from dressform.billing_server.settings import Settings

BEATS = 7  # in a lease, about as many as usual


def create_app():
    """Makes the application, as gunicorn asks."""
    if lease_s := float(os.environ.get("BENCH_LEASE_S", "0")):
        told = {"LEASE": timedelta(seconds=lease_s), "LEASE_S": lease_s}
        told["HEARTBEAT_S"] = lease_s / BEATS
        for module in (attempts, leases, values, worker_api):
            for name, value in told.items():
                if hasattr(module, name):
                    setattr(module, name, value)
    logs.set_up()
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(line_buffering=True)
    settings = Settings.read({}, Path(os.environ["BENCH_DATA"]))
    settings = settings._replace(
        public_url=os.environ["BENCH_URL"],
        rate_limit="1000000 per minute",
        asset_store=os.environ.get("BENCH_STORE"),
        asset_store_endpoint=os.environ.get("BENCH_STORE_ENDPOINT"),
    )
    engine = database.connect(os.environ["BENCH_DATABASE"])
    return billing_server.create_app(settings, engine=engine)
