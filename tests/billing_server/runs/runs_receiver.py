"""Somebody who is told: a real HTTP server that answers as it is asked to."""

import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Keeps what came; `answers` are statuses or functions, the last one for all that follow."""

    def __init__(self, *answers):
        self.got, self.answers, self.at_once, self.most = [], list(answers or [204]), 0, 0
        lock, told = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                with lock:
                    told.at_once += 1
                    told.most = max(told.most, told.at_once)
                    body = self.rfile.read(int(self.headers["Content-Length"]))
                    told.got.append((self.path, dict(self.headers), body))
                    answer = told.answers.pop(0) if len(told.answers) > 1 else told.answers[0]
                try:
                    with suppress(OSError):
                        if callable(answer):
                            answer(self)
                        else:
                            self.send_response(answer)
                            self.end_headers()
                finally:
                    with lock:
                        told.at_once -= 1

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who waited no longer has hung up
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/told?by=us"

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def verify(secret, got):
    """Returns what came, if standardwebhooks takes it for signed."""
    import standardwebhooks

    return standardwebhooks.Webhook(secret).verify(got[2], got[1])


def hang(handler):
    time.sleep(3)


def drip(handler):
    """Sends a byte now and then, so that no timeout of single bytes ends it."""
    for _ in range(40):
        handler.wfile.write(b"H")
        time.sleep(0.1)


def huge(handler):
    """Sends more than anybody wants to read."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(4000):
        handler.wfile.write(b"x" * 100_000)


def redirect(handler):
    handler.send_response(307)
    handler.send_header("Location", f"http://127.0.0.1:{handler.server.server_port}/inside")
    handler.end_headers()
