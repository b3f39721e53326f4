"""Which hosted server this ComfyUI uses, and the key for it, in a file of its owner's alone.

The file lies in a folder of ComfyUI's user directory that no HTTP call of ComfyUI reaches, never in
a workflow and never in what a node puts out.
"""

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import folder_paths

from . import cloud_client
from .photo_files import Refused

FOLDER = "dressform"
FILE = "cloud.json"
KEY = re.compile(r"[!-~]{8,200}")
HINT = 4  # characters of a key that are shown
CONNECT = "Open the sidebar tab Dressform Cloud and connect."


class Account(NamedTuple):
    """A server's address and the key for it."""

    server: str
    key: str

    def __repr__(self) -> str:  # it may be logged with a traceback
        return f"Account({self.server!r}, ...{self.hint})"

    @property
    def hint(self) -> str:
        return self.key[-HINT:]

    @property
    def top_up(self) -> str:
        return f"{self.server}/credits"

    def client(self) -> cloud_client.Client:
        return cloud_client.Client(self.server, self.key)

    def view(self) -> dict[str, Any]:
        """What the page may know."""
        return {"connected": True, "server": self.server, "key_hint": self.hint} | {
            "top_up": self.top_up
        }


def read(server: Any, key: Any) -> Account:
    """Checks what somebody typed.

    Raises:
        Refused: it can be no address or no key.
    """
    try:
        where = cloud_client.address(server)
    except ValueError as error:
        raise Refused(400, "bad-server", str(error)) from error
    text = key.strip() if isinstance(key, str) else ""
    if not KEY.fullmatch(text):
        raise Refused(
            400,
            "bad-key",
            "key must be an API key of the server's dashboard, got something else. Copy it again.",
        )
    return Account(where, text)


def load() -> Account | None:
    """Returns what was connected; None where nothing is, or the file is of another kind."""
    try:
        told = json.loads(path().read_text(encoding="utf-8"))
        return read(told["server"], told["key"])
    except (OSError, ValueError, KeyError, TypeError, Refused):
        return None


def require() -> Account:
    """Returns what is connected.

    Raises:
        Refused: nothing is.
    """
    account = load()
    if account is None:
        raise Refused(409, "not-connected", f"a hosted server is required, got none. {CONNECT}")
    return account


def keep(account: Account) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    write(path(), json.dumps({"server": account.server, "key": account.key}))


def forget() -> None:
    """Deletes the key."""
    path().unlink(missing_ok=True)


def path() -> Path:
    return folder() / FILE


def folder() -> Path:
    """Returns the pack's folder in ComfyUI's user directory; names with __ are not served."""
    made = Path(folder_paths.get_user_directory()) / f"__{FOLDER}"
    made.mkdir(parents=True, exist_ok=True, mode=0o700)
    return made


def write(target: Path, text: str) -> None:
    """Replaces a file by one with mode 0600; a crash leaves the old one."""
    handle, half = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")  # made with 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(half).replace(target)
    except BaseException:
        Path(half).unlink(missing_ok=True)
        raise
