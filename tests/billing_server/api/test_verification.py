"""The daily check of the ledger, and what is forgotten after a while."""


def test_ledger_is_verified_every_day_and_when_somebody_asks(own, clock, logged, monkeypatch):
    from dressform.billing_server import verification

    app, _ = own
    parts = app.extensions["services"]
    report, checks = parts.ledger.verify(), []
    found = report._replace(problems=("account 1 has 2",))
    monkeypatch.setattr(type(parts.ledger), "verify", lambda _: checks.append(1) or found)
    for advance, asked, expected in ((0, False, 1), (23, False, 1), (2, False, 2), (1, True, 3)):
        clock.advance(hours=advance)
        if asked:
            verification.ask(parts)
        verification.due(parts)
        assert len(checks) == expected
    last = verification.last(parts)
    assert (last.ended_at, last.waiting) == (clock.now, False)
    assert last.report["problems"] == ["account 1 has 2"]
    assert "ledger_differs" in logged()


def test_what_nobody_asks_for_again_is_forgotten(own, clock):
    from dressform.billing_server import database
    from dressform.billing_server.ticker import Ticker

    app, _ = own
    parts = app.extensions["services"]
    person = parts.identity.create("tidy@shop.example")
    for days in (89, 91):
        at = clock.after(days=-days)
        sql = "INSERT INTO payments.event VALUES (:id, 'x', :at, :at, NULL, NULL, 'ignored')"
        database.execute(parts.engine, sql, id=f"evt_{days}", at=at)
    for hours in (23, 25):
        sql = "INSERT INTO identity.answer VALUES (:a, :key, :request, :at, 'sealed')"
        values = {"a": person.account, "key": str(hours), "at": clock.after(hours=-hours)}
        database.execute(parts.engine, sql, request=bytes(32), **values)
    Ticker(parts).round()
    assert [one.id for one in database.execute(parts.engine, "SELECT id FROM payments.event")] == [
        "evt_89"
    ]
    assert [
        one.key for one in database.execute(parts.engine, "SELECT key FROM identity.answer")
    ] == ["23"]
