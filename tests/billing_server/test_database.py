"""Statements that are sent together."""

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
import sqlalchemy as sa

ADD = "INSERT INTO together VALUES (:n, :text)"
ALL = "SELECT n, text FROM together ORDER BY n"
pytestmark = pytest.mark.postgres


@pytest.fixture
def database():
    from dressform.billing_server import database

    return database


@pytest.fixture
def table(engine):
    with engine.begin() as connection:
        sql = "CREATE TABLE together (n int PRIMARY KEY, text text NOT NULL)"
        connection.execute(sa.text(sql))
    yield
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE together"))


@pytest.fixture
def rows(engine, database, table):
    """Reads the table from another connection."""
    return lambda: [tuple(row) for row in database.execute(engine, ALL)]


def test_each_sees_what_the_one_before_did_and_others_only_the_whole(engine, database, rows):
    with engine.begin() as connection:
        none, first, second, both = database.together(
            connection,
            (ALL, {}),
            (f"{ADD} RETURNING n", {"n": 2, "text": "100 % :x"}),
            (ADD, {"n": 1, "text": "'"}),
            (ALL, {}),
        )
        assert (none, first, second) == ([], [(2,)], [])
        assert both == [(1, "'"), (2, "100 % :x")]
        assert rows() == []
    assert rows() == both


def test_they_are_part_of_the_connections_transaction(engine, database, rows):
    with engine.connect() as connection:
        connection.execute(sa.text(ADD), {"n": 1, "text": "a"})
        database.together(connection, (ADD, {"n": 2, "text": "b"}))
        connection.rollback()
        assert database.together(connection, (ALL, {})) == [[]]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"n": 1, "text": "again"}, sa.exc.IntegrityError),
        ({"n": 2, "text": None}, sa.exc.IntegrityError),
        ({"n": 2, "text": "\0"}, sa.exc.DataError),
        ({"n": 10**12, "text": "a"}, sa.exc.DataError),
    ],
    ids=["twice", "nothing", "nul", "too large"],
)
def test_one_that_fails_takes_all_along_and_is_told_as_sqlalchemy_does(
    engine, database, rows, wrong, error
):
    with pytest.raises(error), engine.begin() as connection:
        database.together(
            connection, (ADD, {"n": 1, "text": "a"}), (ADD, wrong), (ADD, {"n": 3, "text": "c"})
        )
    assert rows() == []
    with engine.begin() as connection:  # maybe the same one, of the pool
        database.together(connection, (ADD, {"n": 4, "text": "d"}))
    assert rows() == [(4, "d")]


def test_a_connection_that_was_cut_is_told_as_away_and_not_used_again(fresh, database):
    from dressform.billing_server.ledger.away import AWAY

    own = database.connect(fresh(migrated=False), pool_size=1)

    def cut():
        with own.begin() as connection:
            ((pid,),) = database.together(connection, ("SELECT pg_backend_pid()", {}))[0]
            with own.connect() as other:
                other.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            database.together(connection, ("SELECT 1", {}))

    try:
        with pytest.raises(AWAY):
            cut()
        with own.begin() as connection:
            assert database.together(connection, ("SELECT 1", {})) == [[(1,)]]
    finally:
        own.dispose()


def test_locks_are_heard_of_by_what_comes_after_them(engine, database, table):
    """A row that was waited for is read as it is then, not as it was when the call began."""
    import threading

    with engine.begin() as connection:
        database.together(connection, (ADD, {"n": 1, "text": "old"}))
    found = []

    def wait():
        lock = ("SELECT 1 FROM together WHERE n = 1 FOR UPDATE", {})
        with engine.begin() as connection:
            found.extend(database.together(connection, lock, (ALL, {})))

    with engine.begin() as connection:
        database.together(connection, ("UPDATE together SET text = 'new'", {}))
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.3)
        assert found == []
    waiting.join(20)
    assert found == [[(1,)], [(1, "new")]]
