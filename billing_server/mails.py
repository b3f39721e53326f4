"""Mails: links to sign in, and what waits in the outbox. Without SMTP_URL they go to a folder."""

import os
import smtplib
import ssl
import tomllib
from collections.abc import Mapping
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from . import database
from .identity.people import Person
from .ledger import in_credits
from .services import Services
from .settings import Settings

TEXTS = Path(__file__).with_name("mails.toml")
TIMEOUT_S = 10.0
BATCH = 50  # mails in a round
FOR_OPERATORS = "operator"  # also the words for what has none of its own
_UNSENT = """SELECT id, account_id, topic, payload FROM ledger.outbox WHERE sent_at IS NULL
    ORDER BY id LIMIT :n"""
_SENT = "UPDATE ledger.outbox SET sent_at = :now WHERE id = :id"


def write(settings: Settings, person: Person | str, topic: str, what: Mapping[str, Any]) -> None:
    """Sends one mail, in the language of the person.

    Raises:
        OSError: The server for mails does not answer, or refuses.
    """
    to, language = (person, "en") if isinstance(person, str) else (person.email, person.language)
    words = _texts()[language or "en"]
    words = words.get(topic, words[FOR_OPERATORS])
    known = _Known({name: _told(name, value) for name, value in what.items()})
    known |= {"site": settings.url, "all": ", ".join(f"{k}: {v}" for k, v in known.items())}
    mail = EmailMessage()
    mail["From"], mail["To"] = settings.mail_from, to
    mail["Subject"] = words["subject"].format_map(known)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(words["text"].format_map(known))
    _send(settings, mail)


def deliver(services: Services) -> int:
    """Sends what waits; returns how many. One process at a time does this.

    A mail is marked after it went out: a crash between the two sends it twice, never not at all.
    """
    rows = database.execute(services.engine, _UNSENT, n=BATCH)
    for id_, account, topic, payload in rows:
        for person in _readers(services, account, topic):
            try:
                write(services.settings, person, topic, {"account": account} | payload)
            except smtplib.SMTPRecipientsRefused:
                structlog.get_logger().warning("mail_refused", person=person.id, topic=topic)
        database.execute(services.engine, _SENT, id=id_, now=services.clock())
    return len(rows)


def _readers(services: Services, account: int, topic: str) -> list[Person]:
    if topic != FOR_OPERATORS:
        return services.identity.of_account(account)
    return services.identity.admins()


def _told(name: str, value: Any) -> Any:
    money = name in ("limit", "amount") or name.endswith("_micro")
    return in_credits(value) if money and isinstance(value, int) else value


def _send(settings: Settings, mail: EmailMessage) -> None:
    if settings.smtp_url is None:
        folder = settings.data / "mails"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{os.urandom(8).hex()}.eml"
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(bytes(mail))
        structlog.get_logger().info("mail_written", file=path.name)
        return
    url = urlsplit(settings.smtp_url)
    host, tls = url.hostname or "", ssl.create_default_context()
    if url.scheme == "smtps":
        server = smtplib.SMTP_SSL(host, url.port or 465, timeout=TIMEOUT_S, context=tls)
    else:
        server = smtplib.SMTP(host, url.port or 587, timeout=TIMEOUT_S)
    with server:
        if url.scheme != "smtps" and host not in ("localhost", "127.0.0.1"):
            server.starttls(context=tls)
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(mail)


class _Known(dict[str, Any]):
    """What a mail tells; what is not known is a dash."""

    def __missing__(self, name: str) -> str:
        return "-"


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(TEXTS.read_text(encoding="utf-8"))
