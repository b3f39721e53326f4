"""Each operation: what it moves, and what it refuses with which sentence."""

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from dressform.billing_server import ledger as book
from dressform.billing_server.ledger import CREDIT, Budget, Request
from sqlalchemy import text

pytestmark = pytest.mark.usefixtures("clean")


def alerts(engine, account):
    sql = "SELECT key FROM ledger.outbox WHERE account_id = :a ORDER BY id"
    with engine.connect() as connection:
        return list(connection.execute(text(sql), {"a": account}).scalars())


def test_account_is_opened_once(ledger):
    assert ledger.open_account("once") == ledger.open_account("once")


def test_grant_is_available(ledger, account, paid):
    assert ledger.balance(account)[:4] == (10 * CREDIT, 0, 0, 0)


def test_hold_reserves(ledger, account, paid, hold):
    hold(4 * CREDIT)
    assert ledger.balance(account)[:2] == (6 * CREDIT, 4 * CREDIT)


def test_capture_spends_less_and_returns_the_rest(ledger, account, paid, hold, rate):
    made = hold(4 * CREDIT, run="run-1", api_key="key-1")
    capture = ledger.capture(account, made.seq, key="c", rate=rate.id, gpu_ms=1_500_001)
    assert (capture.amount, capture.rate, capture.run, capture.api_key) == (
        1_500_100,  # 1,500.1 s at 1,000: rounded up to a tenth of a second
        rate.id,
        "run-1",
        "key-1",
    )
    assert ledger.balance(account)[:2] == (10 * CREDIT - 1_500_100, 0)


def test_capture_never_exceeds_the_hold(ledger, account, paid, hold, rate):
    made = hold(100)
    assert ledger.capture(account, made.seq, key="c", rate=rate.id, gpu_ms=10**9).amount == 100


def test_capture_of_a_given_amount_must_fit_the_hold(ledger, account, paid, hold, rate):
    made = hold(100)
    with pytest.raises(book.InsufficientCreditsError, match=r"hold of 0\.0001, got 0\.000101"):
        ledger.capture(account, made.seq, key="c", rate=rate.id, gpu_ms=1, amount=101)


def test_capture_names_a_row_of_the_rate_card(ledger, account, paid, hold):
    made = hold(100)
    with pytest.raises(book.NotFoundError, match="rate card is required, got 987654321"):
        ledger.capture(account, made.seq, key="c", rate=987654321, gpu_ms=1)


def test_hold_of_too_much_says_what_there_is(ledger, account, paid, hold):
    with pytest.raises(book.InsufficientCreditsError) as refused:
        hold(12 * CREDIT)
    assert str(refused.value).startswith("not enough credits: this holds 12, the balance is 10.")
    assert refused.value.code == "insufficient_credits"


@pytest.mark.parametrize("first", ["capture", "release"])
@pytest.mark.parametrize("second", ["capture", "release", "extend"])
def test_hold_ends_once(ledger, account, paid, hold, rate, first, second):
    made = hold(100)
    more = {"capture": {"rate": rate.id, "gpu_ms": 1}, "extend": {"amount": 1}}
    getattr(ledger, first)(account, made.seq, key="1", **more.get(first, {}))
    with pytest.raises(book.EndedError, match=f"hold {made.seq} must not have ended"):
        getattr(ledger, second)(account, made.seq, key="2", **more.get(second, {}))


def test_deadline_ends_a_hold_before_it_is_swept(ledger, account, paid, hold, rate, clock):
    made = hold(100)
    clock.advance(minutes=5)
    with pytest.raises(book.EndedError, match="deadline has not passed"):
        ledger.capture(account, made.seq, key="c", rate=rate.id, gpu_ms=1)
    assert ledger.balance(account).held == 100
    assert [one.kind for one in ledger.expire_due() if one.account == account] == ["lapse"]
    assert ledger.balance(account)[:2] == (10 * CREDIT, 0)


def test_extended_hold_lives_longer_and_spends_more(ledger, account, paid, hold, rate, clock):
    made = hold(100)
    ledger.extend(account, made.seq, key="x", amount=50, expires_at=clock.after(minutes=9))
    clock.advance(minutes=8)
    capture = ledger.capture(account, made.seq, key="c", rate=rate.id, gpu_ms=10**9)
    assert capture.amount == 150


def test_hold_is_not_shortened(ledger, account, paid, hold, clock):
    made = hold(100)
    with pytest.raises(book.InvalidError, match="more credits or a deadline later"):
        ledger.extend(account, made.seq, key="x", expires_at=clock.after(minutes=1))


def test_promotional_burns_before_paid_and_the_soonest_expiry_first(ledger, account, hold, clock):
    days = {"paid": None, "late": 9, "soon": 2, "goodwill": 5}
    kinds = {"paid": "paid", "goodwill": "goodwill"}
    made = {
        name: ledger.grant(
            account,
            10,
            kinds.get(name, "promotional"),
            key=name,
            expires_at=until and clock.after(days=until),
        ).seq
        for name, until in days.items()
    }
    hold(35)
    (line, *_) = ledger.statement(account, limit=1)
    taken = [(one.grant, one.amount) for one in line.entries if one.book == "held"]
    order = [made[name] for name in ("soon", "goodwill", "late", "paid")]
    assert taken == list(zip(order, (10, 10, 10, 5), strict=True))


def test_lower_priority_burns_first(ledger, account, hold):
    ledger.grant(account, 10, "paid", key="1", priority=1)
    first = ledger.grant(account, 10, "paid", key="0", priority=0)
    hold(5)
    assert {one.seq: one.held for one in ledger.balance(account).grants}[first.seq] == 5


def test_grant_waits_for_its_time(ledger, account, hold, clock):
    ledger.grant(account, 10, "promotional", key="g", effective_at=clock.after(days=1))
    assert ledger.balance(account)[:4] == (0, 0, 0, 10)
    with pytest.raises(book.InsufficientCreditsError):
        hold(1)
    clock.advance(days=1)
    assert hold(1).held == 1


def test_grant_lapses(ledger, account, hold, clock):
    ledger.grant(account, 10, "promotional", key="g", expires_at=clock.after(days=1))
    made = hold(4, minutes=60 * 48)
    clock.advance(days=1)
    assert ledger.balance(account).available == 0
    lapsed = [one.amount for one in ledger.expire_due() if one.account == account]
    assert lapsed == [6]
    ledger.release(account, made.seq, key="r")
    assert ledger.balance(account).available == 0
    assert [one.amount for one in ledger.expire_due() if one.account == account] == [4]


def test_paid_credits_do_not_expire(ledger, account, clock):
    with pytest.raises(book.InvalidError, match="paid credits must not expire"):
        ledger.grant(account, 1, "paid", key="g", expires_at=clock.after(days=1))


def test_release_returns_to_the_grants_it_was_taken_from(ledger, account, paid, hold, clock):
    ledger.grant(account, 5, "promotional", key="p", expires_at=clock.after(days=1))
    before = ledger.balance(account)
    ledger.release(account, hold(9).seq, key="r")
    assert ledger.balance(account) == before


def test_capture_given_back_returns_to_the_grants_that_were_spent(
    ledger, account, paid, hold, rate, clock
):
    ledger.grant(account, 5, "promotional", key="p", expires_at=clock.after(days=1))
    before = ledger.balance(account)
    capture = ledger.capture(account, hold(9).seq, key="c", rate=rate.id, gpu_ms=1, amount=9)
    ledger.reverse(account, capture.seq, key="1", amount=3)
    assert {one.seq: one.available for one in ledger.balance(account).grants} == {
        paid: 10 * CREDIT - 1
    }
    ledger.reverse(account, capture.seq, key="2")
    assert ledger.balance(account) == before
    with pytest.raises(book.NotAllowedError, match="at most 0 of capture"):
        ledger.reverse(account, capture.seq, key="3")


def test_refund_takes_unspent_paid_credits_only(ledger, account, paid, hold, clock):
    given = ledger.grant(account, CREDIT, "goodwill", key="g").seq
    hold(4 * CREDIT)
    with pytest.raises(book.NotAllowedError, match="goodwill"):
        ledger.refund(account, given, 1, key="f")
    with pytest.raises(book.InsufficientCreditsError, match=f"at most 7 of grant {paid}"):
        ledger.refund(account, paid, 8 * CREDIT, key="f")
    ledger.refund(account, paid, 7 * CREDIT, key="f")
    assert ledger.balance(account)[:2] == (0, 4 * CREDIT)


def test_refund_that_stripe_declines_is_cancelled_once(ledger, account, paid):
    before = ledger.balance(account)
    refund = ledger.refund(account, paid, CREDIT, key="f")
    ledger.cancel_refund(account, refund.seq, key="c")
    assert ledger.balance(account) == before
    with pytest.raises(book.EndedError, match="refund"):
        ledger.cancel_refund(account, refund.seq, key="d")


def test_dispute_freezes_and_unfreezes(ledger, account, paid, hold, clock):
    made = hold(4 * CREDIT)
    dispute = ledger.dispute_open(account, paid, 10 * CREDIT, key="d")
    assert ledger.balance(account)[:3] == (0, 4 * CREDIT, 6 * CREDIT)
    ledger.release(account, made.seq, key="r")
    assert ledger.balance(account)[:3] == (0, 0, 10 * CREDIT)
    with pytest.raises(book.NotAllowedError, match="disputed"):
        ledger.refund(account, paid, 1, key="f")
    ledger.dispute_won(account, dispute.seq, key="w")
    assert ledger.balance(account)[:3] == (10 * CREDIT, 0, 0)


def test_lost_dispute_over_spent_credits_is_owed_and_blocks_holds(
    ledger, account, paid, hold, rate
):
    made = hold(7 * CREDIT)
    ledger.capture(account, made.seq, key="c", rate=rate.id, gpu_ms=10**8)
    dispute = ledger.dispute_open(account, paid, 10 * CREDIT, key="d")
    ledger.dispute_lost(account, dispute.seq, key="l")
    assert ledger.balance(account)[:3] == (-7 * CREDIT, 0, 0)
    ledger.grant(account, 8 * CREDIT, "paid", key="more")
    with pytest.raises(book.InsufficientCreditsError, match="the balance is 1"):
        hold(2 * CREDIT, key="too much")
    assert hold(CREDIT, key="enough").available == 0


@pytest.fixture
def indebted(ledger, account, hold, rate, clock):
    """A balance of -2: -10 of what was spent and lost, 5 paid, 3 that last an hour."""
    lost = ledger.grant(account, 10, "paid", key="lost").seq
    made = hold(10)
    ledger.capture(account, made.seq, key="c", rate=rate.id, gpu_ms=0, amount=10)
    left = ledger.grant(account, 5, "paid", key="left").seq
    ends = {"expires_at": clock.after(hours=1)}
    given = ledger.grant(account, 3, "promotional", key="given", **ends).seq
    dispute = ledger.dispute_open(account, lost, 10, key="d").seq
    assert ledger.dispute_lost(account, dispute, key="l").available == -2
    return left, given


@pytest.mark.parametrize(("end", "left"), [("won", 0), ("lost", -5)])
def test_dispute_freezes_nothing_that_covers_a_debt(ledger, account, indebted, end, left):
    dispute = ledger.dispute_open(account, indebted[0], 5, key="d2")
    assert (dispute.amount, dispute.available) == (5, -2)
    assert ledger.balance(account).frozen == 0
    ended = getattr(ledger, f"dispute_{end}")(account, dispute.seq, key="e")
    assert ended.available == -2 + left


def test_dispute_freezes_what_is_more_than_a_debt(ledger, account, indebted):
    ledger.grant(account, 6, "goodwill", key="g")
    dispute = ledger.dispute_open(account, indebted[0], 5, key="d2")
    assert (dispute.available, ledger.balance(account).frozen) == (0, 4)
    assert ledger.dispute_won(account, dispute.seq, key="w").available == 4


def test_credits_that_cover_a_debt_lapse_when_it_is_paid(ledger, account, indebted, clock):
    lapsed = lambda: [one.amount for one in ledger.expire_due() if one.account == account]  # noqa: E731
    clock.advance(hours=1)
    assert lapsed() == []
    with pytest.raises(book.NotAllowedError, match=r"of a balance of -0\.000002"):
        ledger.submit(Request("expiry", account, "due:k", names=indebted[1]))
    assert ledger.balance(account).available == -5  # they pay nothing any more
    ledger.grant(account, 4, "paid", key="more")
    assert lapsed() == [2]
    ledger.grant(account, 4, "paid", key="much more")
    assert lapsed() == [1]
    assert ledger.balance(account).available == 3
    assert lapsed() == []


def test_same_key_and_request_has_the_same_answer(ledger, account, paid, hold):
    assert hold(5) == hold(5)
    assert ledger.balance(account).held == 5


def test_same_key_and_another_request_is_refused(ledger, account, paid, hold):
    hold(5)
    with pytest.raises(book.KeyReusedError, match=r"got hold, which made movement 2 \(hold\)"):
        hold(6)
    with pytest.raises(book.KeyReusedError):
        ledger.release(account, 2, key="hold")


def test_keys_of_two_accounts_do_not_meet(ledger, account, paid, references):
    other = ledger.open_account(next(references))
    assert ledger.grant(other, 1, "paid", key="paid").account == other


def test_refused_request_may_be_tried_again_with_its_key(ledger, account, hold):
    with pytest.raises(book.InsufficientCreditsError):
        hold(5)
    ledger.grant(account, 5, "paid", key="g")
    assert hold(5).held == 5


def test_budget_of_a_key_counts_a_day(ledger, engine, account, paid, hold, rate, clock):
    ledger.set_budget(account, Budget(per_day=100), "key-1")
    made = hold(79, key="1", api_key="key-1")
    assert alerts(engine, account) == []
    hold(11, key="2", api_key="key-1")
    with pytest.raises(book.BudgetExceededError, match=r"per day of key key-1 allows 0\.0001"):
        hold(11, key="3", api_key="key-1")
    shares = [key.rpartition(":")[2] for key in alerts(engine, account)]
    assert shares == ["80", "90", "100"]
    hold(11, key="4", api_key="key-2")
    ledger.capture(account, made.seq, key="c", rate=rate.id, gpu_ms=1, amount=9)
    hold(80, key="5", api_key="key-1")
    clock.advance(days=1)
    hold(100, key="6", api_key="key-1")


def test_limit_of_an_account_counts_all_keys_of_a_month(ledger, account, paid, hold, clock):
    ledger.set_budget(account, Budget(per_month=100))
    hold(60, key="1", api_key="key-1", minutes=99999)
    clock.advance(days=17)  # the last day of the month
    hold(40, key="2", api_key="key-2", minutes=99999)
    with pytest.raises(book.BudgetExceededError, match="per month of the account"):
        hold(1, key="3")
    clock.advance(days=1)
    hold(100, key="3")


def test_budget_of_a_run_counts_its_extensions(ledger, account, paid, hold):
    ledger.set_budget(account, Budget(per_run=100), "key-1")
    made = hold(60, api_key="key-1")
    ledger.extend(account, made.seq, key="1", amount=40)
    with pytest.raises(book.BudgetExceededError, match="per run"):
        ledger.extend(account, made.seq, key="2", amount=1)


def test_dispute_of_a_grant_of_the_same_batch_stays(ledger, account):
    grant = Request("grant", account, "g", 10 * CREDIT, grant_kind="paid")
    granted, disputed = ledger.batch([grant, Request("dispute_open", account, "d", CREDIT, 1)])
    assert (granted.seq, disputed.seq) == (1, 2)
    with pytest.raises(book.NotAllowedError, match="disputed"):
        ledger.refund(account, granted.seq, CREDIT, key="r")
    assert ledger.dispute_won(account, disputed.seq, key="w").available == 10 * CREDIT


def test_requests_of_a_batch_may_name_its_movements(ledger, account, paid):
    refund = Request("refund", account, "f", 5, paid)
    cancel = Request("refund_cancel", account, "c", names=2)
    again = cancel._replace(key="d")
    answers = ledger.batch([refund, cancel, again])
    assert [getattr(one, "kind", None) or one.code for one in answers] == [
        "refund",
        "refund_cancel",
        "ended",
    ]


def test_refused_hold_tells_only_that_the_budget_is_at_its_end(ledger, engine, account, paid, hold):
    ledger.set_budget(account, Budget(per_day=100))
    with pytest.raises(book.BudgetExceededError):
        hold(101)
    assert [key.rpartition(":")[2] for key in alerts(engine, account)] == ["100"]


def test_statement_goes_on_where_it_stopped(ledger, account, paid, hold):
    for number in range(5):
        hold(1, key=str(number))
    first = ledger.statement(account, limit=4)
    rest = ledger.statement(account, before=first[-1].movement.seq)
    assert [line.movement.seq for line in first + rest] == [6, 5, 4, 3, 2, 1]


def test_post_is_part_of_the_callers_transaction(ledger, engine, account):
    request = Request("grant", account, "g", 5, grant_kind="paid")
    with engine.connect() as connection:
        ledger.post(connection, request)
        connection.rollback()
    assert ledger.balance(account).available == 0
    with engine.begin() as connection:
        ledger.post(connection, request)
    assert ledger.balance(account).available == 5


def test_quote_takes_the_rate_that_is_valid(ledger, clock):
    name = "l40s"
    ledger.card.add(name, 10, valid_from=clock.after(days=-2))
    now = ledger.card.add(name, 20, valid_from=clock.after(days=-1))
    ledger.card.add(name, 30, valid_from=clock.after(days=1))
    quote = ledger.card.quote(name, 1.5)
    assert (quote.amount, quote.gpu_ms, quote.rate) == (30, 1500, now)
    assert now.version == 2


def test_times_of_another_zone_are_the_same_times(ledger, account, paid, clock):
    zone = datetime.now(UTC).astimezone().tzinfo
    until = clock.after(minutes=5)
    first = ledger.hold(account, 5, until, key="h")
    assert ledger.hold(account, 5, until.astimezone(zone), key="h") == first
    assert first.expires_at - clock.now == timedelta(minutes=5)
