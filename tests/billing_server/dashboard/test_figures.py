"""How amounts, money, times and CSV cells are written."""

import csv
from datetime import UTC, datetime, timedelta, timezone

import pytest

figures = pytest.importorskip("dressform.billing_server.dashboard.figures")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00"),
        (1, "0.000001"),
        (1_500_000, "1.50"),
        (1_234_500_000, "1,234.50"),
        (-300_000, "-0.30"),
        (-1, "-0.000001"),
        (999_999_999_999_999, "999,999,999.999999"),
    ],
)
def test_credits_are_written_exactly(amount, text):
    assert figures.in_credits(amount) == text
    assert figures.in_credits(figures.micro(text.lstrip("-"))) == text.lstrip("-")


def test_a_column_has_the_decimals_of_its_longest():
    column = [1_000_000, 3_512_000, -43_680]
    assert [figures.in_credits(one, figures.places(column)) for one in column] == [
        "1.00000",
        "3.51200",
        "-0.04368",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "1e9",
        "0x10",
        "1.0000001",
        "NaN",
        "inf",
        "\u0661",
        "1..2",
        "9" * 13,
        "1;DROP",
        ".",
        "12,5",
        "1,,",
        "1,2345",
    ],
)
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match="at most six decimals is required"):
        figures.micro(text)


def test_typed_amounts_may_have_commas_and_blanks():
    assert figures.micro(" 1,234.5 ") == 1_234_500_000


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1000, "usd", "$10.00"),
        (123456, "eur", "€1,234.56"),
        (1000, "jpy", "¥1,000"),
        (5, "chf", "0.05 CHF"),
    ],
)
def test_money_has_the_decimals_of_its_currency(minor, currency, text):
    assert figures.in_money(minor, currency) == text


@pytest.mark.parametrize(
    ("ms", "exact", "read"),
    [
        (0, "0 s", "0 s"),
        (3_512, "3.512 s", "3.512 s"),
        (60_000, "60 s", "1.0 min"),
        (10_573_494, "10,573.494 s", "2 h 56 min"),
    ],
)
def test_times(ms, exact, read):
    assert figures.in_seconds(ms) == exact
    assert figures.in_time(ms) == read


def test_estimates_have_three_digits():
    written = [figures.rounded(one * 1_000_000) for one in (0, 0.0042, 0.3127, 12.345, 1234.5)]
    assert written == ["0", "0.0042", "0.313", "12.3", "1,234"]


def test_times_are_in_utc():
    east = timezone(timedelta(hours=8))
    assert figures.at(datetime(2026, 3, 14, 7, 30, tzinfo=east)) == "2026-03-13 23:30"


FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "  =1",
    "=cmd|' /C calc'!A0",
    "\uff1d1+1",
    "|calc",
    '=HYPERLINK("https://evil.example","x")',
)


@pytest.mark.parametrize("text", FORMULAS)
def test_attack_29_csv_cells_are_no_formulas(text):
    lines = "".join(figures.csv_lines([(text, "a")]))
    ((cell, _),) = csv.reader(lines.splitlines(keepends=True))
    assert cell == f"'{text}"


def test_csv_leaves_numbers_and_plain_texts_alone():
    at = datetime(2026, 3, 14, 12, tzinfo=UTC)
    (line,) = figures.csv_lines([(-1.5, 7, None, "a,b", "run-1", at)])
    assert line == '-1.5,7,,"a,b",run-1,2026-03-14T12:00:00+00:00\r\n'
