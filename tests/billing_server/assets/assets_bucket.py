"""A server that speaks S3, started by tests, with keys of its own in the environment."""

import contextlib
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "bench"))
import bucket


@contextlib.contextmanager
def serving():
    """Starts one."""
    before = dict(os.environ)
    os.environ.update(bucket.VARIABLES)
    made = None
    try:
        made = bucket.Bucket()
        yield made
    finally:
        if made:
            made.stop()
        os.environ.clear()
        os.environ.update(before)
