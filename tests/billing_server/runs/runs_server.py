"""A server in a process of its own, to be killed: `runs_server.py <database> <data> <port>`."""

import sys
from pathlib import Path

from dressform.billing_server import create_app, database
from dressform.billing_server.settings import Settings
from werkzeug.serving import make_server

url, data, port = sys.argv[1:]
settings = Settings.read({}, Path(data))._replace(
    public_url=f"http://127.0.0.1:{port}", rate_limit="100000 per minute"
)
app = create_app(settings, engine=database.connect(url))
make_server("127.0.0.1", int(port), app, threaded=True).serve_forever()
