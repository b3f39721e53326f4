"""The words of the pages: a TOML file for each language, and which of them somebody reads."""

import tomllib
from functools import cache
from pathlib import Path

from flask import Request

LANGUAGES = {"en": "English", "zh": "中文"}
COOKIE = "language"


@cache
def catalogue(language: str) -> dict[str, str]:
    """Returns the sentences of a language by names like `overview.title`."""
    path = Path(__file__).parent / "words" / f"{language}.toml"
    sections = tomllib.loads(path.read_text(encoding="utf-8")).items()
    return {f"{one}.{name}": text for one, texts in sections for name, text in texts.items()}


def chosen(request: Request, kept: str) -> str:
    """Returns the language of a request: the person's, else the cookie's, else the browser's."""
    known = [one for one in (kept, request.cookies.get(COOKIE)) if one in LANGUAGES]
    return next(iter(known), request.accept_languages.best_match(LANGUAGES) or "en")
