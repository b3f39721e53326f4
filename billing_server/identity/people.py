"""People, their sessions and the links that let them in. Of every token only a hash is kept."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import argon2
import sqlalchemy as sa

from .. import database
from ..keys import digest
from ..ledger import InvalidError, Ledger

SESSION = timedelta(days=14)
LINK = timedelta(minutes=30)
MIN_PASSWORD, MAX_PASSWORD = 10, 200  # characters: argon2 would hash whatever it gets
LANGUAGES = ("en", "zh")
_COLUMNS = "p.id, p.email, p.name, p.account, p.admin, p.language"
_hasher = argon2.PasswordHasher()
# Checked where there is no password, so that the time does not tell who has one.
_NOBODY = _hasher.hash(secrets.token_urlsafe())


class Person(NamedTuple):
    """Somebody who can sign in; `account` is theirs in the ledger."""

    id: int
    email: str
    name: str
    account: int
    admin: bool
    language: str  # empty: what the browser prefers


class People:
    """The tables of people, sessions and links."""

    def __init__(self, engine: sa.Engine, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._ledger = ledger
        self._clock = clock

    def create(self, email: str, *, name: str = "", admin: bool = False) -> Person:
        """Returns the person of an address; makes them, with an account, the first time."""
        email = address(email)
        if found := self._one("email = :email", email=email):
            return found
        # The journal is for ever: it gets a random name, not the address.
        account = self._ledger.open_account(f"person:{secrets.token_hex(12)}")
        sql = """INSERT INTO identity.person (email, name, account, admin, created_at)
            VALUES (:email, :name, :account, :admin, :now) ON CONFLICT DO NOTHING"""
        values = {"email": email, "name": name[:200], "account": account, "admin": admin}
        self._do(sql, **values, now=self._clock())
        return self._all("email = :email", email=email)[0]  # also if another request was faster

    def find(self, id_: int) -> Person | None:
        """Returns a person."""
        return self._one("id = :id", id=id_)

    def of_account(self, account: int) -> list[Person]:
        """Returns who belongs to an account."""
        return self._all("account = :account", account=account)

    def everybody(self, search: str = "", *, after: int = 0, limit: int = 100) -> list[Person]:
        """Returns people in the order in which they came, of whom part of address or name fits."""
        where = "id > :after AND strpos(email || ' ' || lower(name), lower(:search)) > 0"
        return self._all(f"{where} ORDER BY id LIMIT :n", after=after, search=search, n=limit)

    def admins(self) -> list[Person]:
        """Returns who may administrate."""
        return self._all("admin ORDER BY id")

    def of_password(self, email: str, password: str) -> Person | None:
        """Returns whose address and password these are."""
        sql = f"SELECT {_COLUMNS}, p.password FROM identity.person p WHERE email = :email"
        row = self._do(sql, email=email.strip().lower())
        known = row[0].password if row else None
        try:
            _hasher.verify(known or _NOBODY, password[:MAX_PASSWORD])
        except (argon2.exceptions.VerifyMismatchError, argon2.exceptions.InvalidHashError):
            return None
        return Person(*row[0][:-1]) if known else None

    def has_password(self, person: Person) -> bool:
        """Says whether a person has set a password."""
        return bool(self._all("id = :id AND password IS NOT NULL", id=person.id))

    def set_password(self, person: Person, password: str) -> None:
        """Sets a password and ends all sessions: who knew the old one is out."""
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise InvalidError(
                f"password must have {MIN_PASSWORD} to {MAX_PASSWORD} characters, got "
                f"{len(password)}. Take a few words."
            )
        sql = "UPDATE identity.person SET password = :hash WHERE id = :id"
        self._do(sql, id=person.id, hash=_hasher.hash(password))
        self.sign_out_everywhere(person)

    def describe(self, person: Person, *, name: str, language: str) -> None:
        """Sets what a person is called and which language they read."""
        if language not in ("", *LANGUAGES) or len(name) > 200 or not (name or " ").isprintable():
            raise InvalidError(
                f"name and a language of {', '.join(LANGUAGES)} are required, got "
                f"{name!a:.40} and {language!a:.40}. Shorten it, or choose another."
            )
        sql = "UPDATE identity.person SET name = :name, language = :language WHERE id = :id"
        self._do(sql, id=person.id, name=name, language=language)

    # Tokens: links and sessions

    def link(self, email: str) -> str:
        """Returns a token for a mail to an address; whoever brings it back has the address."""
        token, now = secrets.token_urlsafe(32), self._clock()
        self._do("DELETE FROM identity.link WHERE expires_at <= :now", now=now)
        sql = "INSERT INTO identity.link VALUES (:digest, :email, :until)"
        self._do(sql, digest=digest(token), email=address(email), until=now + LINK)
        return token

    def redeem(self, token: str) -> Person | None:
        """Returns whose link it is, once; makes them if they are new."""
        sql = "DELETE FROM identity.link WHERE digest = :d RETURNING email, expires_at > :now"
        rows = self._do(sql, d=digest(token), now=self._clock())
        return self.create(rows[0][0]) if rows and rows[0][1] else None

    def of_subject(self, subject: str, email: str, name: str) -> Person:
        """Returns whom an identity provider vouches for: by its own name for them, then by address.

        The address must be one that the provider has verified.
        """
        found = self._one("subject = :subject", subject=subject)
        if found is None:
            found = self.create(email, name=name)
            sql = "UPDATE identity.person SET subject = :s WHERE id = :id AND subject IS NULL"
            self._do(sql, s=subject, id=found.id)
        return found

    def sign_in(self, person: Person) -> str:
        """Returns the token of a new session."""
        token, now = secrets.token_urlsafe(32), self._clock()
        self._do("DELETE FROM identity.session WHERE expires_at <= :now", now=now)
        sql = "INSERT INTO identity.session VALUES (:digest, :person, :now, :until)"
        self._do(sql, digest=digest(token), person=person.id, now=now, until=now + SESSION)
        return token

    def of_session(self, token: str) -> Person | None:
        """Returns whose session it is."""
        sql = f"""SELECT {_COLUMNS} FROM identity.session s JOIN identity.person p
            ON p.id = s.person WHERE digest = :d AND expires_at > :now"""
        rows = self._do(sql, d=digest(token), now=self._clock())
        return Person(*rows[0]) if rows else None

    def sign_out(self, token: str) -> None:
        """Ends a session."""
        self._do("DELETE FROM identity.session WHERE digest = :d", d=digest(token))

    def sign_out_everywhere(self, person: Person) -> None:
        """Ends all sessions of a person."""
        self._do("DELETE FROM identity.session WHERE person = :id", id=person.id)

    def _one(self, where: str, **values: object) -> Person | None:
        return next(iter(self._all(where, **values)), None)

    def _all(self, where: str, **values: object) -> list[Person]:
        sql = f"SELECT {_COLUMNS} FROM identity.person p WHERE {where}"
        return [Person(*row) for row in self._do(sql, **values)]

    def _do(self, sql: str, **values: object) -> list[Any]:
        return database.execute(self._engine, sql, **values)


def address(email: str) -> str:
    """Returns an e-mail address in its one form; refuses what can be none."""
    email = email.strip().lower()
    local, _, domain = email.rpartition("@")
    good = email.isprintable() and not any(one.isspace() or one in '<>",;' for one in email)
    if not (good and local and "@" not in local and domain.strip(".") and len(email) <= 254):
        raise InvalidError("an e-mail address is required, got something else. Write name@host.")
    return email
