"""How amounts, money, times and cells of a CSV file are written. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from ..ledger import CREDIT

SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "cny": "CN¥", "jpy": "¥"}
# Currencies without minor units: docs.stripe.com/currencies#zero-decimal
ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split())
# 1,234.5 as well as 1234.5; 12,5 is refused: it would be 12.5 to one reader, 125 to another.
TYPED = re.compile(r"([0-9]{1,12}|[0-9]{1,3}(,[0-9]{3}){1,3})(\.[0-9]{0,6})?", re.ASCII)
# What a spreadsheet takes for the start of a formula; the last four are as wide as Chinese.
FORMULA = tuple("=+-@|\t\r\n\uff1d\uff0b\uff0d\uff20")


def places(amounts: Iterable[int]) -> int:
    """Returns how many decimals, of two to six, show all amounts exactly: a column lines up."""
    return max([2, *(len(f"{abs(one) % CREDIT:06}".rstrip("0")) for one in amounts)])


def in_credits(amount: int, decimals: int | None = None) -> str:
    """Writes micro-credits as credits, exactly: 1234500000 is 1,234.50."""
    return f"{Decimal(amount) / CREDIT:,.{decimals or places([amount])}f}"


def rounded(amount: float) -> str:
    """Writes micro-credits as credits of three digits, for what is an estimate anyway."""
    if 0 < amount < CREDIT / 100:
        return in_credits(round(amount))
    return f"{amount / CREDIT:,.0f}" if amount >= 100 * CREDIT else f"{amount / CREDIT:,.3g}"


def micro(text: str) -> int:
    """Reads credits that a person typed: 1,234.5 is 1234500000.

    Raises:
        ValueError: It is no amount of at most six decimals.
    """
    found = TYPED.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"an amount with at most six decimals is required, got {text!a:.40}. "
            "Write a number like 12.5."
        )
    return int(Decimal(found[0].replace(",", "")) * CREDIT)


def in_money(minor: int, currency: str) -> str:
    """Writes minor units of a currency: 1000 of usd is $10.00."""
    decimals = 0 if currency in ZERO_DECIMAL else 2
    number = f"{Decimal(minor).scaleb(-decimals):,.{decimals}f}"
    symbol = SYMBOLS.get(currency)
    return f"{symbol}{number}" if symbol else f"{number} {currency.upper()}"


def in_seconds(ms: int) -> str:
    """Writes a time that is charged for, to the millisecond: 3512 is 3.512 s."""
    return f"{Decimal(ms) / 1000:,.3f}".rstrip("0").rstrip(".") + " s"


def in_time(ms: int) -> str:
    """Writes a sum of times as people read it: 10573494 is 2 h 56 min."""
    minutes = ms // 60_000
    if minutes < 1:
        return in_seconds(ms)
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{ms / 60_000:.1f} min"


def at(time: datetime) -> str:
    """Writes a time in UTC, to the minute."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def csv_lines(rows: Iterable[Sequence[object]]) -> Iterable[str]:
    """Yields lines of a CSV file in which no text is a formula: an apostrophe comes before it."""
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow([_cell(one) for one in row])
        yield line.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    return (
        f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA) else value
    )
