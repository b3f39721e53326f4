"""A bucket that can be gone for a while: moto, which speaks S3, in a thread of this process."""

import itertools
import logging

NAME = "files"
VARIABLES = {name: "made-up" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")} | {
    "AWS_DEFAULT_REGION": "us-east-1"  # for whoever speaks to it
}


class Bucket:
    """An empty one at a port of this machine; what is in it outlives `stop`.

    VARIABLES must be in the environment.
    """

    def __init__(self) -> None:
        self._port = 0
        self._numbers = itertools.count()
        self.start()
        self.url = f"http://127.0.0.1:{self._port}"
        self._client().create_bucket(Bucket=NAME)

    def start(self) -> None:
        """Answers again, at the same port."""
        from moto.server import ThreadedMotoServer  # the tests of the pack do without it

        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells of every call
        self._server = ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        self._server.start()
        self._port = self._server.get_host_and_port()[1]

    def stop(self) -> None:
        """Takes no connection any more."""
        self._server.stop()

    def prefix(self) -> str:
        """Returns an address in it that nobody has used."""
        return f"s3://{NAME}/{next(self._numbers)}"

    def keys(self, prefix: str) -> list[str]:
        """Returns what is below an address."""
        path = prefix.removeprefix(f"s3://{NAME}/")
        told = self._client().list_objects_v2(Bucket=NAME, Prefix=path)
        return [one["Key"] for one in told.get("Contents", ())]

    def _client(self):
        import boto3

        return boto3.client("s3", endpoint_url=self.url)
