"""Bytes in a bucket of any S3-compatible store; who reads or writes them is sent there directly."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import quote, urlsplit

import boto3
import structlog
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .store import CHUNK, GoneError, Upload, away

CONNECT_S, READ_S = 3, 20
TRIES = 2
MISSING = {"404", "NoSuchKey", "NotFound"}
PLAIN = "application/octet-stream"


class S3:
    """A prefix in a bucket. Keys and region are boto3's to find: AWS_ACCESS_KEY_ID and the rest."""

    most_sent = 5 << 30  # of one PUT
    places = ()

    def __init__(self, address: str, endpoint: str | None = None) -> None:
        """Reads `s3://bucket/prefix`; asks nobody yet.

        Raises:
            ValueError: It is no such address.
        """
        parts = urlsplit(address)
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
            raise ValueError(
                f"ASSET_STORE must be like s3://bucket/prefix, got {address!a:.80}. Write it so."
            )
        self._bucket = parts.netloc
        self._prefix = f"{path}/" if (path := parts.path.strip("/")) else ""
        config = Config(
            signature_version="s3v4",
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"total_max_attempts": TRIES, "mode": "standard"},
            # Stores at an endpoint of their own seldom have a name for each bucket.
            s3={"addressing_style": "path" if endpoint else "auto"},
        )
        self._client: Any = boto3.client("s3", endpoint_url=endpoint, config=config)

    @contextmanager
    def writing(self) -> Iterator[IO[bytes]]:
        """Gives a temporary file to write to; it is gone afterwards."""
        with tempfile.NamedTemporaryFile(prefix="dressform-") as file:
            yield file

    def put(self, file: IO[bytes], key: str) -> None:
        """Keeps a temporary file under a key."""
        file.flush()
        more = {"ContentType": PLAIN}
        with _answering():
            self._client.upload_file(file.name, self._bucket, self._prefix + key, ExtraArgs=more)

    def read(self, key: str) -> Iterator[bytes]:
        """Yields the bytes of a key; raises GoneError."""
        with _answering():
            body = self._client.get_object(**self._at(key))["Body"]
            yield from body.iter_chunks(CHUNK)

    def where(self, key: str, name: str, content_type: str, seconds: int) -> str:
        """Returns an address that works for so long; a browser saves what it finds there."""
        plain = name.encode("ascii", "replace").decode().translate({34: 63, 92: 63})
        saved = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
        asked = {"ResponseContentDisposition": saved, "ResponseContentType": content_type}
        asked["ResponseCacheControl"] = "private, no-store"
        return self._sign("get_object", self._at(key) | asked, seconds)

    def upload(self, key: str, size: int, seconds: int) -> Upload:
        """Returns where so many bytes can be sent, once: what was looked at is not replaced."""
        asked = {"ContentType": PLAIN, "ContentLength": size, "IfNoneMatch": "*"}
        url = self._sign("put_object", self._at(key) | asked, seconds)
        return Upload(url, {"Content-Type": PLAIN, "If-None-Match": "*"})

    def delete(self, key: str) -> None:
        """Forgets a key, if it is there."""
        with _answering():
            self._client.delete_object(**self._at(key))

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _sign(self, call: str, asked: dict[str, Any], seconds: int) -> str:
        with _answering():
            return self._client.generate_presigned_url(call, Params=asked, ExpiresIn=seconds)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in MISSING:
            raise GoneError from error
        structlog.get_logger().warning("store_away", code=code)
        raise away() from error
    except (BotoCoreError, Boto3Error) as error:
        structlog.get_logger().warning("store_away", error=type(error).__name__)
        raise away() from error
