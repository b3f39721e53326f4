"""The billing server in a thread of the tests, with a database of its own."""

import contextlib
import shutil
import tempfile
import threading
from datetime import timedelta
from pathlib import Path


@contextlib.contextmanager
def serve(data, rate, environ=None):
    """The billing server with a database of its own, in a thread; has a rate for the CPU.

    Yields its address, the key of a worker, and its parts.
    """
    from dressform.billing_server import create_app, database, embedded
    from dressform.billing_server.settings import Settings
    from werkzeug.serving import make_server

    books = Path(tempfile.mkdtemp(prefix="dressform-"))  # where PostgreSQL's user can reach it
    engine = database.connect(embedded.start(books, settings={"fsync": "off"}))
    database.migrate(engine)
    app = create_app(Settings.read(environ or {}, data)._replace(ticks=False), engine=engine)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        parts = app.extensions["services"]
        key, _ = parts.keys.create(parts.ledger.open_account("operator"), "worker", ["worker"])
        parts.ledger.card.add("cpu", rate, valid_from=parts.clock() - timedelta(days=1))
        yield f"http://127.0.0.1:{server.server_port}", key, parts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        parts.hosting.runs.bells.stop()
        engine.dispose()
        embedded.stop(books)
        shutil.rmtree(books, ignore_errors=True)
