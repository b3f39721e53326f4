import json
import subprocess
import sys
import threading
from pathlib import Path

import jsonschema
import pytest
from dressform.quality.votes import journal

ROOT = Path(__file__).parents[3]


def vote(ticket="t1", choice="left", **more):
    made = journal.Vote(
        ticket, "ann", "p1", "s1", "old", "new", choice, 1, 2.5, "2026-11-23T10:00:00+00:00"
    )
    return made._replace(**more)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "session" / "votes.jsonl"


def test_a_vote_is_a_line_that_the_schema_knows(path):
    journal.Journal(path).add(vote(rater="小李"))
    [line] = path.read_text(encoding="utf-8").splitlines()
    schema = json.loads((ROOT / "docs" / "votes.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(line), schema)
    assert "小李" in line
    assert list(journal.read(path)) == [vote(rater="小李")]


def test_a_double_submit_counts_once(path):
    kept = journal.Journal(path)
    assert kept.add(vote())
    assert not kept.add(vote())
    assert not kept.add(vote(choice="right"))  # a finger on two keys
    assert kept.votes() == (vote(),)
    assert len(path.read_text().splitlines()) == 1


def test_an_answer_can_be_taken_back(path):
    kept = journal.Journal(path)
    kept.add(vote())
    assert kept.add(vote(choice="right"), revise=True)
    assert not kept.add(vote(choice="right"), revise=True)
    assert journal.Journal(path).votes() == (vote(choice="right"),)


def test_a_line_that_a_crash_cut_off_is_forgotten_and_the_rest_kept(path):
    kept = journal.Journal(path)
    kept.add(vote("t1"))
    kept.add(vote("t2"))
    kept.close()
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in range(len(lines[0]), len(whole)):
        path.write_bytes(whole[:cut])
        again = journal.Journal(path)
        assert [one.ticket for one in again.votes()] == ["t1"]
        again.close()
    again = journal.Journal(path)
    again.add(vote("t3"))
    assert [one.ticket for one in journal.read(path)] == ["t1", "t3"]


def test_a_file_of_something_else_is_refused_and_left_alone(path):
    path.parent.mkdir()
    path.write_text('{"hello": 1}\n')
    with pytest.raises(ValueError, match="on line 1"):
        journal.Journal(path)
    assert path.read_text() == '{"hello": 1}\n'


def test_many_threads_lose_nothing(path):
    kept = journal.Journal(path)

    def work(start):
        for number in range(start, start + 25):
            kept.add(vote(f"t{number}"))

    threads = [threading.Thread(target=work, args=(n,)) for n in (0, 10, 20, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.ticket for one in journal.read(path)} == {
        f"t{n}" for n in (*range(45), *range(50, 75))
    }
    assert len(path.read_bytes().splitlines()) == 70


def test_what_was_confirmed_survives_a_kill(path):
    """A process that votes and says so is killed in the midst of it."""
    code = (
        "import sys; from pathlib import Path\n"
        "from dressform.quality.votes import journal\n"
        "kept = journal.Journal(Path(sys.argv[1]))\n"
        "for n in range(100_000):\n"
        "    kept.add(journal.Vote(f't{n}', 'a', 'p', 's', 'x', 'y', 'left', 1, 1.0, ''))\n"
        "    print(n, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True
    ) as process:
        confirmed = [int(process.stdout.readline()) for _ in range(20)]
        process.kill()
        confirmed += [int(line) for line in process.stdout if line.endswith("\n")]
    kept = {one.ticket for one in journal.Journal(path).votes()}
    assert kept >= {f"t{n}" for n in confirmed}


def test_a_full_disk_confirms_nothing(path, monkeypatch):
    kept = journal.Journal(path)
    kept.add(vote("t1"))
    with monkeypatch.context() as patch:
        write = journal.os.write
        patch.setattr(journal.os, "write", lambda file, data: write(file, data[:10]))
        with pytest.raises(OSError, match="disk is full"):
            kept.add(vote("t2"))
    assert kept.of("t2") is None
    kept.add(vote("t3"))
    assert [one.ticket for one in journal.read(path)] == ["t1", "t3"]
