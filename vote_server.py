"""The local page on which people vote: one address with a secret in it, on this machine only."""

import datetime
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from .quality.votes import ballot, journal
from .quality.votes.pairing import Pair

PAGE = Path(__file__).parent / "quality" / "votes" / "page"
FILES = {"": "index.html", "vote.css": "vote.css", "vote.js": "vote.js", "texts.js": "texts.js"}
MAX_BODY_BYTES = 4096  # a vote has 200
MAX_SECONDS = 86_400.0
HEADERS = {
    "Cache-Control": "no-store",
    # Nothing of the page comes from, or goes to, anywhere else.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Shown(NamedTuple):
    """What is voted on.

    Attributes:
        pairs: Of the session.
        seed: Of the session.
        pictures: By arm and name of the picture.
        photos: Of the garment, by scene; may be empty.
    """

    pairs: tuple[Pair, ...]
    seed: int
    pictures: Mapping[str, Mapping[str, Path]]
    photos: Mapping[str, Path]


class Room:
    """Gives questions to people and writes down what they say."""

    def __init__(self, shown: Shown, kept: journal.Journal):
        self._shown, self._kept = shown, kept
        self._tickets: dict[str, dict[str, ballot.Ticket]] = {}

    def of(self, rater: str) -> dict[str, ballot.Ticket]:
        """Returns the questions to a person by id, in their order."""
        if rater not in self._tickets:
            asked = ballot.tickets(self._shown.pairs, rater, self._shown.seed)
            self._tickets[rater] = {ticket.id: ticket for ticket in asked}
        return self._tickets[rater]

    def next(self, rater: str) -> dict[str, Any]:
        """Returns what a person is asked now, and the pictures of the question after it."""
        asked = self.of(rater)
        open_ = [ticket for ticket in asked.values() if self._kept.of(ticket.id) is None]
        return {
            "rater": rater,
            "total": len(asked),
            "done": len(asked) - len(open_),
            "ticket": self._question(open_[0]) if open_ else None,
            "then": self._question(open_[1]) if len(open_) > 1 else None,
        }

    def back(self, rater: str) -> dict[str, Any]:
        """Returns the question that a person answered last, to answer it again."""
        asked = self.of(rater)
        given = [vote for vote in self._kept.votes() if vote.ticket in asked]
        if not given:
            return self.next(rater)
        last = max(given, key=lambda vote: vote.at)
        question = self._question(asked[last.ticket])
        return {**self.next(rater), "ticket": question, "before": last.choice}

    def vote(self, rater: str, document: Mapping[str, Any]) -> None:
        """Writes an answer down; it is on the disk when this returns.

        Raises:
            ValueError: The question is nobody's or another person's, or the answer is none.
        """
        ticket = self.of(rater).get(str(document.get("ticket")))
        choice, seconds = document.get("choice"), document.get("seconds", 0)
        if ticket is None or choice not in journal.CHOICES or not _is_number(seconds):
            raise ValueError(
                "a vote must answer a question of this person with one of "
                f"{', '.join(journal.CHOICES)}, got {choice!r}. Reload the page."
            )
        made = journal.Vote(
            ticket.id,
            rater,
            ticket.pair.id,
            ticket.pair.scene,
            ticket.left,
            ticket.right,
            str(choice),
            ticket.asked,
            round(min(max(float(seconds), 0.0), MAX_SECONDS), 2),
            datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
        )
        self._kept.add(made, revise=document.get("revise") is True)

    def picture(self, ticket_id: str, side: str) -> Path | None:
        """Returns the file behind an address of the page; its name tells nothing."""
        for asked in self._tickets.values():
            ticket = asked.get(ticket_id)
            if ticket is not None:
                if side == "photo":
                    return self._shown.photos.get(ticket.pair.scene)
                arm = {"left": ticket.left, "right": ticket.right}.get(side)
                return None if arm is None else self._shown.pictures[arm][ticket.pair.picture]
        return None

    def _question(self, ticket: ballot.Ticket) -> dict[str, Any]:
        has_photo = ticket.pair.scene in self._shown.photos
        return {"id": ticket.id, "photo": has_photo}


def application(room: Room, token: str) -> web.Application:
    """Returns the page and what it asks for, all below the secret `token`."""

    async def page(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE / FILES[request.match_info["file"]], headers=HEADERS)

    async def picture(request: web.Request) -> web.StreamResponse:
        path = room.picture(request.match_info["ticket"], request.match_info["side"])
        if path is None:
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={**HEADERS, "Cache-Control": "private, max-age=600"})

    async def ask(request: web.Request) -> web.StreamResponse:
        try:
            document = await request.json()
            rater = ballot.name(str(document["rater"]))
            action = request.match_info["action"]
            if action == "vote":
                room.vote(rater, document)
            answer = room.back(rater) if action == "back" else room.next(rater)
        except (ValueError, KeyError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400, headers=HEADERS)
        except OSError as error:  # not saved, so not confirmed
            return web.json_response({"error": str(error)}, status=507, headers=HEADERS)
        return web.json_response(answer, headers=HEADERS)

    app = web.Application(middlewares=[_only_here], client_max_size=MAX_BODY_BYTES)
    names = "|".join(FILES)
    app.router.add_get(f"/{token}/{{file:{names}}}", page)
    app.router.add_get(f"/{token}/picture/{{ticket:[0-9a-f]+}}/{{side:left|right|photo}}", picture)
    app.router.add_post(f"/{token}/api/{{action:next|vote|back}}", ask)
    return app


def token() -> str:
    """Returns a new secret for the address."""
    return secrets.token_urlsafe(18)


@web.middleware
async def _only_here(request: web.Request, handler: Any) -> web.StreamResponse:
    """Refuses other names of this machine: a page elsewhere could have one that leads here."""
    if request.host.rpartition(":")[0] not in ("127.0.0.1", "localhost"):
        raise web.HTTPForbidden
    return await handler(request)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
