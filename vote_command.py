"""The body of `dressform vote`: a session of votes on folders of pictures, and its results."""

import asyncio
import contextlib
import hashlib
import json
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .imaging import files
from .quality.votes import journal, pairing, recalibration, results
from .quality.votes.pairing import Candidate, Pair

SCHEMA = "dressform.voting/1"
SESSION, VOTES, RESULTS = "session.json", "votes.jsonl", "results.json"
# What a browser shows.
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif", ".bmp"})
THUMB_PX = 64  # side at which two pictures are compared where no scores are given
SEED = 1  # of the draw of pairs, unless told
USUAL_PAIRS = 60  # a quarter of an hour for one person; 69 votes find a 65 % preference
ROLES = ("baseline", "candidate")  # arms in the report of a comparison, in the order of folders

Say = Callable[[str], object]


class Session(NamedTuple):
    """What is voted on, fixed when it began.

    Attributes:
        out: The folder that holds everything.
        pictures: By arm and name.
        photos: Of the garment, by scene.
        pairs: That were drawn.
        seed: Of order and sides.
        scores: By arm and picture: values by metric, larger is worse.
    """

    out: Path
    pictures: Mapping[str, Mapping[str, Path]]
    photos: Mapping[str, Path]
    pairs: tuple[Pair, ...]
    seed: int
    scores: results.Scores


def prepare(
    folders: Sequence[Path],
    out: Path,
    *,
    photos: Path | None = None,
    scores: Path | None = None,
    count: int = USUAL_PAIRS,
    seed: int = SEED,
    tick: Callable[[int, int], object] = lambda done, total: None,
) -> Session:
    """Begins a session, or goes on with the one in `out`.

    Args:
        folders: One for each arm; pictures of the same name below them belong together.
        out: Takes session.json, votes.jsonl and results.json.
        photos: Folder of the garments' photos, each named like its scene.
        scores: scores.json of a comparison.
        count: Pairs to draw.
        seed: Of the draw, the order and the sides.
        tick: Called with pairs compared and their number.

    Raises:
        FileNotFoundError: A folder or file is not there.
        ValueError: There are no pairs, or the pictures are not those of the session in `out`.
    """
    pictures = _arms(folders)
    read, scenes = ({}, {}) if scores is None else read_scores(scores, list(pictures), pictures)
    of_scenes = {} if photos is None else _pictures(photos)
    path = out / SESSION
    if path.is_file():
        pairs, seed = _resumed(path, pictures)
    else:
        found = pairing.candidates(pictures, scenes)
        if not found:
            raise ValueError(
                "two folders must have pictures of the same name, got none. "
                "Name the pictures of one scene alike in both."
            )
        found = pairing.disagreements(found, read) if read else _compared(found, pictures, tick)
        pairs = pairing.draw(found, count, seed)
        _begin(path, pictures, pairs, seed)
    return Session(out, pictures, of_scenes, pairs, seed, read)


def serve(session: Session, *, port: int, browse: bool, say: Say) -> None:
    """Shows the page until the program is interrupted.

    Args:
        session: From `prepare`.
        port: 0 takes a free one.
        browse: Open the page in the browser.
        say: Told the address.
    """
    from . import vote_server

    shown = vote_server.Shown(session.pairs, session.seed, session.pictures, session.photos)
    with contextlib.closing(journal.Journal(session.out / VOTES)) as kept:
        room = vote_server.Room(shown, kept)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(room, port, browse, say))


def conclude(session: Session) -> dict[str, Any]:
    """Returns what the votes say so far, and writes it to results.json."""
    document = results.summary(
        votes(session), session.pairs, list(session.pictures), session.scores
    )
    with files.whole(session.out / RESULTS) as partial:
        text = json.dumps(document, indent=1, ensure_ascii=False)
        partial.write_text(text + "\n", encoding="utf-8")
    return document


def votes(session: Session) -> tuple[journal.Vote, ...]:
    """Returns the votes that count so far."""
    path = session.out / VOTES
    if not path.is_file():
        return ()
    return tuple({vote.ticket: vote for vote in journal.read(path)}.values())


def recalibrate(session: Session, base: str, path: Path) -> list[str]:
    """Writes a new profile with thresholds from the votes; returns a sentence for each check.

    Args:
        session: With scores.
        base: Profile to start from: a name, or the path of a TOML file.
        path: Of the new profile.

    Raises:
        ValueError: There are no scores, or the file is there already.
    """
    from .quality import thresholds

    if not session.scores:
        raise ValueError(
            "scores of the pictures are required to set thresholds, got none. "
            "Give the scores.json of dressform compare as --scores."
        )
    if path.exists() or path.suffix != ".toml":
        raise ValueError(
            f"the new profile must be a .toml file that does not exist yet, got {path}. "
            "Name another file."
        )
    before = thresholds.load(base)
    source = Path(base) if base.endswith(".toml") else thresholds.FOLDER / f"{base}.toml"
    by_id = {pair.id: pair for pair in session.pairs}
    measured = {metric for values in session.scores.values() for metric in values}
    fits = {
        check: recalibration.fit(votes(session), by_id, session.scores, check)
        for check in before.limits
        if check in measured
    }
    text = recalibration.rewritten(source.read_text(encoding="utf-8"), fits, path.stem)
    with files.whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return recalibration.told(fits, before)


def read_scores(
    path: Path, arms: Sequence[str], pictures: Mapping[str, Mapping[str, Path]]
) -> tuple[dict[tuple[str, str], dict[str, float | None]], dict[str, str]]:
    """Reads the table of scores of a comparison.

    Args:
        path: scores.json: rows of scene, arm, seed and scores.
        arms: Names of the folders; `baseline` and `candidate` of the table are the first two.
        pictures: By arm and name: a row belongs to the name that `dressform compare` reads.

    Returns:
        Scores by arm and picture, and the scene of each picture.

    Raises:
        ValueError: It is no such table, or none of its rows belongs to a picture.
    """
    named: dict[Any, str] = dict(zip(ROLES, arms, strict=False))
    found: dict[tuple[str, str], dict[str, float | None]] = {}
    scenes: dict[str, str] = {}
    try:
        for row in json.loads(path.read_text(encoding="utf-8")):
            arm, scene = named.get(row["arm"], str(row["arm"])), str(row["scene"])
            for name in (*(f"{scene}{sign}{row['seed']}" for sign in "/_-"), scene):
                if name in pictures.get(arm, {}):
                    found[arm, name] = dict(row["scores"])
                    scenes[name] = scene
                    break
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"--scores must be the table of a comparison, got {path}: {error}. "
            "Pass the scores.json that dressform compare wrote."
        ) from error
    if not found:
        raise ValueError(
            f"the scores must be of the pictures in {' and '.join(arms)}, got rows of others in "
            f"{path}. Give the folders in the order baseline, candidate."
        )
    return found, scenes


def table(document: Mapping[str, Any]) -> str:
    """Returns the results as lines for a terminal."""
    lines = [
        f"{document['votes']} votes of {len(document['raters'])} people on "
        f"{document['drawn']['random']['voted']} random pairs and "
        f"{document['drawn']['worst']['voted']} of the largest differences."
    ]
    for one in document["preferences"]:
        for how, words in (
            ("all", "of all pairs, by weight"),
            ("random", "of the random ones"),
            ("worst", "of the largest differences"),
        ):
            if one[how]["value"] is not None:
                lines.append(f"{one['second']} over {one['first']}: {_percent(one[how])} {words}")
    for arm, one in document["strengths"].items():
        if one is not None:
            ends = f"{one['low']:+.2f} to {one['high']:+.2f}"
            lines.append(f"strength of {arm}: {one['value']:+.2f} ({ends})")
    agreement = document["agreement"]
    lines.append(f"two people agree: {_percent(agreement['between_raters'])}")
    lines.append(f"a person agrees with themselves: {_percent(agreement['with_oneself'])}")
    for metric, one in agreement["metrics"].items():
        lines.append(f"{metric} agrees with people: {_percent(one)}")
    return "\n".join(lines)


def _percent(share: Mapping[str, Any]) -> str:
    if share["value"] is None:
        return "not known yet"
    ends = "" if share["low"] is None else f" ({share['low']:.0%} to {share['high']:.0%})"
    return f"{share['value']:.0%}{ends}"


def _arms(folders: Sequence[Path]) -> dict[str, dict[str, Path]]:
    if len(folders) < 2:
        raise ValueError(f"at least two folders are required, got {len(folders)}. Name another.")
    arms: dict[str, dict[str, Path]] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in arms:
            raise ValueError(
                f"the folders must have different names, got {name} twice. Rename one: the "
                "results are called by these names."
            )
        arms[name] = _pictures(folder)
    return arms


def _pictures(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"a folder of pictures is required, got {folder}, which is none. Check the path."
        )
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    return found


def _compared(
    found: Sequence[Candidate],
    pictures: Mapping[str, Mapping[str, Path]],
    tick: Callable[[int, int], object],
) -> list[Candidate]:
    """Returns the candidates with how different they look."""
    kept = []
    for done, one in enumerate(found, start=1):
        first, second = (_thumbnail(pictures[arm][one.picture]) for arm in one.arms)
        kept.append(one._replace(disagreement=float(abs(first - second).mean())))
        tick(done, len(found))
    return kept


def _thumbnail(path: Path) -> Any:
    import cv2
    import numpy as np

    from .imaging import pictures

    small = cv2.resize(
        pictures.open_picture(path), (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA
    )
    return small.astype(np.float32)


def _begin(
    path: Path, pictures: Mapping[str, Mapping[str, Path]], pairs: Sequence[Pair], seed: int
) -> None:
    document = {
        "schema": SCHEMA,
        "seed": seed,
        "arms": list(pictures),
        "pairs": [pair._asdict() for pair in pairs],
        "pictures": {
            arm: {pair.picture: _hash(pictures[arm][pair.picture]) for pair in of_arm}
            for arm, of_arm in _by_arm(pairs).items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as partial:
        partial.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")


def _resumed(
    path: Path, pictures: Mapping[str, Mapping[str, Path]]
) -> tuple[tuple[Pair, ...], int]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(document["schema"])
        pairs = tuple(Pair(**{**one, "arms": tuple(one["arms"])}) for one in document["pairs"])
        hashes = [
            (arm, name, digest)
            for arm, of_arm in document["pictures"].items()
            for name, digest in of_arm.items()
        ]
        seed = int(document["seed"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} must be a session of {SCHEMA}, got something else ({error}). "
            "Begin a new session in another folder."
        ) from error
    for arm, name, digest in hashes:
        there = pictures.get(arm, {}).get(name)
        if there is None or _hash(there) != digest:
            what = "is not there" if there is None else "has changed"
            raise ValueError(
                "the pictures must be those that the voting began with, got another state: "
                f"{name} of {arm} {what}. Put it back, or begin a new session in another folder."
            )
    return pairs, seed


def _by_arm(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    arms: dict[str, list[Pair]] = {}
    for pair in pairs:
        for arm in pair.arms:
            arms.setdefault(arm, []).append(pair)
    return arms


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def _serve(room: Any, port: int, browse: bool, say: Say) -> None:
    from aiohttp import web

    from . import vote_server

    secret = vote_server.token()
    runner = web.AppRunner(vote_server.application(room, secret), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/{secret}/"
        say(f"Vote at {address}\nStop with Ctrl+C; every answer is kept.")
        if browse:
            await asyncio.to_thread(webbrowser.open, address)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
