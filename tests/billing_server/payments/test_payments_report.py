"""The command that reconciles, and who may import stripe."""

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

SERVER = Path(__file__).parents[3] / "billing_server"


def test_it_compares_with_the_account_of_the_settings(shop, settings, server, monkeypatch):
    from dressform.billing_server import payments_report
    from dressform.billing_server.payments import Gateway

    shop.pay(shop.order().url)
    real = settings._replace(stripe_secret_key="sk_test_1", database_url=server)
    address = {"base_url": shop.simulator.url}
    monkeypatch.setattr(payments_report, "Gateway", lambda *given: Gateway(*given, **address))
    start = shop.payments._clock() - timedelta(days=1)
    days = (datetime.now(UTC) - start) / timedelta(days=1)
    monkeypatch.setattr(payments_report, "DAYS_MAX", days)
    report = payments_report.reconciled(days, real)
    assert len(shop.grants()) == 1
    assert report.filled == 2
    told = payments_report.text(report)
    assert abs(report.since - start) < timedelta(hours=1)
    assert told.startswith(f"2 events since {report.since:%Y-%m-%d %H:%M} UTC, 2 filled")


@pytest.mark.parametrize("days", [0, -1, 31])
def test_stripe_keeps_events_for_thirty_days(settings, days):
    from dressform.billing_server import payments_report

    with pytest.raises(ValueError, match="days must be more than 0, at most 30"):
        payments_report.reconciled(days, settings)


def test_a_simulator_is_not_there_to_be_compared(settings):
    from dressform.billing_server import payments_report

    with pytest.raises(RuntimeError, match="STRIPE_SECRET_KEY is required"):
        payments_report.reconciled(1, settings)


def test_problems_are_told_line_by_line():
    from dressform.billing_server import payments_report
    from dressform.billing_server.payments.values import Report

    at = datetime(2026, 3, 1, tzinfo=UTC)
    lines = payments_report.text(Report(at, at, 5, 0, ("one", "two"))).splitlines()
    assert lines[1:] == ["one", "two", "2 problems."]
    assert payments_report.text(Report(at, at, 5, 0, ())).endswith("Everything agrees.")


def test_only_the_gateway_imports_stripe_and_the_simulator_its_parameters():
    importers = set()
    for file in SERVER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == "stripe" for name in names):
                importers.add(file.relative_to(SERVER / "payments").as_posix())
    assert importers == {"gateway.py", "simulator/api.py", "simulator/contract.py"}
