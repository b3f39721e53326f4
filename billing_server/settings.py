"""What the environment says about this server; half a configuration is refused."""

import contextlib
import os
import re
import secrets
import tempfile
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from . import embedded
from .ledger import CREDIT

# What turns the trial with a simulator into a shop: all of them or none.
REAL = ("DATABASE_URL", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "PUBLIC_URL")
MAIL = ("SMTP_URL", "MAIL_FROM")
OIDC = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
# Taken as written, each from the variable of its name.
TEXTS = (
    "database_url stripe_secret_key smtp_url mail_from oidc_issuer oidc_client_id "
    "oidc_client_secret rate_limit rate_limit_storage asset_store asset_store_endpoint"
).split()
# How others must be written; what was written is not told, it may be a secret.
WRITTEN = {
    "STRIPE_SECRET_KEY": (r"[sr]k_(test|live)_.*", "begin with sk_live_ or sk_test_"),
    "PUBLIC_URL": (r"(https://|http://(127\.0\.0\.1|localhost)).*", "begin with https://"),
    "PROXIES": ("[0-9]+", "be a whole number"),
    "RATE_LIMIT": (
        "([0-9]+ *(per|/) *([0-9]+ *)?(second|minute|hour|day)s?[;, ]*)+",
        "be like 600 per minute",
    ),
}
PACKS = Path(__file__).with_name("packs.toml")


class Pack(NamedTuple):
    """Credits that are sold together."""

    id: str
    credits_micro: int
    price_minor: int  # in the smallest unit of the currency
    currency: str


class Settings(NamedTuple):
    """One configuration; its text tells no secrets."""

    data: Path
    secret_key: str
    packs: tuple[Pack, ...]
    database_url: str | None = None
    public_url: str | None = None
    stripe_secret_key: str | None = None
    stripe_webhook_secrets: tuple[str, ...] = ()  # several while one is replaced by the next
    currency: str = "usd"
    tax: bool = False
    smtp_url: str | None = None
    mail_from: str = "dressform@localhost"
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = None
    rate_limit: str = "600 per minute"  # of a key, or of an address without one
    rate_limit_storage: str = "memory://"
    proxies: int = 0  # before this server, whose X-Forwarded-For is believed
    ticks: bool = True
    asset_store: str | None = None  # s3://bucket/prefix; a folder of the data without it
    asset_store_endpoint: str | None = None  # of a store that is not Amazon's

    def __repr__(self) -> str:
        return f"Settings(data={self.data}, livemode={self.livemode}, simulated={self.simulated})"

    @property
    def simulated(self) -> bool:
        """Whether no money moves."""
        return self.stripe_secret_key is None

    @property
    def livemode(self) -> bool:
        """Whether real cards are charged."""
        return (self.stripe_secret_key or "").startswith(("sk_live_", "rk_live_"))

    @property
    def url(self) -> str:
        """Where people reach this server."""
        return self.public_url or "http://127.0.0.1:8000"

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ, data: Path | None = None) -> "Settings":
        """Reads the environment.

        Raises:
            ValueError: A part of a configuration is missing or wrong; the sentence names all of it.
        """
        given = {name: value.strip() for name, value in environ.items() if value.strip()}
        begun = [group for group in (REAL, MAIL, OIDC) if not given.keys().isdisjoint(group)]
        missing = [name for group in begun for name in group if name not in given]
        if missing:
            raise ValueError(
                f"a whole configuration is required, got one without {', '.join(missing)}. "
                "Set them, or unset the others for a trial with the simulator."
            )
        for name, (pattern, must) in WRITTEN.items():
            if name in given and not re.fullmatch(pattern, given[name]):
                raise ValueError(f"{name} must {must}, got something else. Write it like that.")
        data = data or Path(given.get("DRESSFORM_DATA") or embedded.default_folder().parent)
        currency = given.get("CURRENCY", "usd").lower()
        texts: dict[str, Any] = {one: given[one.upper()] for one in TEXTS if one.upper() in given}
        return cls(
            **texts,
            data=data,
            secret_key=given.get("SECRET_KEY") or _kept_secret(data / "secret_key"),
            packs=_packs(Path(given.get("CREDIT_PACKS", PACKS)), currency),
            public_url=given.get("PUBLIC_URL", "").rstrip("/") or None,
            stripe_webhook_secrets=tuple(
                given.get("STRIPE_WEBHOOK_SECRET", "").replace(",", " ").split()
            ),
            currency=currency,
            tax=given.get("STRIPE_TAX", "").lower() == "on",
            proxies=int(given.get("PROXIES", 0)),
        )


def _kept_secret(path: Path) -> str:
    """Returns a secret that is made once, by one of several processes, for its owner to read."""
    if not path.exists():
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # only its owner reads it
            file.write(secrets.token_urlsafe(32))
            file.flush()
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.link(file.name, path)
    return path.read_text(encoding="ascii")


def _packs(path: Path, currency: str) -> tuple[Pack, ...]:
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))["pack"]
        return tuple(_pack(row, currency) for row in rows)
    except (KeyError, TypeError, ValueError, ArithmeticError, OSError) as error:
        raise ValueError(
            f"packs with id, credits and price_minor are required in {path}, got {error!r}. "
            f"Write it like {PACKS.name} of the package."
        ) from error


def _pack(row: dict[str, Any], currency: str) -> Pack:
    credits_micro, price_minor = int(Decimal(row["credits"]) * CREDIT), int(row["price_minor"])
    return Pack(row["id"], credits_micro, price_minor, currency)
