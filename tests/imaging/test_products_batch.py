"""A folder of photos from the first to the last, whatever happens in between."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from dressform.imaging.products import batch, choosing, journal, manifest, work
from dressform.imaging.products.journal import Key
from PIL import Image

OK = work.Ending(work.SUCCESS)


def paint(path, level=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 6), (level, 0, 0)).save(path)


@pytest.fixture
def shop(tmp_path):
    """Three photos: A.png, B.png, C/front.png."""
    for index, name in enumerate(("A.png", "B.png", "C/front.png")):
        paint(tmp_path / "in" / name, index)
    return tmp_path


class Clock:
    """Runs and chains with names of their own."""

    def __init__(self):
        self.count = 0

    def run(self, chain="press", saves=1, began_at=None):
        self.count += 1
        began_at = time.time() if began_at is None else began_at
        return work.Run(f"run-{self.count}", chain, began_at, saves)


@pytest.fixture
def clock():
    return Clock()


def order(shop, **options):
    return work.Order(shop / "in", "in", shop / "out", **options)


def save(product, ending=".png"):
    path = product.out / product.row.sku / f"{product.row.name}{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"picture")
    return batch.finish(product, [path.relative_to(product.out).as_posix()])[0]


def work_through(shop, clock, *, chain="press", began_at=None, **options):
    """Takes and saves until there is nothing left; returns the files in their order."""
    files = []
    while True:
        taken = batch.take(order(shop, **options), clock.run(chain, began_at=began_at))
        if taken.product is None:
            return files, taken
        files.append(taken.product.row.file)
        save(taken.product)


def rows(shop):
    with journal.opened(shop / "out") as book:
        return {key.file: row for key, row in book.rows.items()}


def table(shop):
    with (shop / "out" / manifest.FILE).open(encoding="utf-8-sig", newline="") as file:
        return {line["file"]: line for line in csv.DictReader(file)}


def test_every_photo_comes_once_in_order(shop, clock):
    files, last = work_through(shop, clock)
    assert files == ["A.png", "B.png", "C/front.png"]
    assert last.counts == work.Counts(total=3, done=3, failed=0, skipped=0, left=0)
    assert batch.summary(last.counts) == "3 of 3 photos done."


def test_the_picture_is_that_of_the_file(shop, clock):
    taken = batch.take(order(shop), clock.run())
    assert taken.picture.shape == (6, 4, 3)
    save(taken.product)
    assert batch.take(order(shop), clock.run()).picture[0, 0].tolist() == [1, 0, 0]


def test_a_second_press_does_nothing(shop, clock):
    work_through(shop, clock)
    before = (shop / "out" / ".dressform" / "journal.jsonl").read_bytes()
    assert work_through(shop, clock, chain="again")[0] == []
    assert (shop / "out" / ".dressform" / "journal.jsonl").read_bytes() == before


def test_manifest_tells_everything_about_a_photo(shop, clock):
    product = batch.take(order(shop), clock.run()).product
    batch.finish(product, ["A/A.png"], kind="headless", confidence=0.876, warnings=["It is dark."])
    line = table(shop)["A.png"]
    assert line["sku"] == "A"
    assert line["status"] == "done"
    assert line["outputs"] == "A/A.png"
    assert (line["kind"], line["confidence"], line["warnings"]) == (
        "headless",
        "0.88",
        "It is dark.",
    )
    assert line["sha256"] == choosing.fingerprint(shop / "in" / "A.png")
    assert line["finished"].startswith("20")


def test_damaged_file_fails_alone(shop, clock):
    (shop / "in" / "B.png").write_bytes(b"no picture")
    files, last = work_through(shop, clock)
    assert files == ["A.png", "C/front.png"]
    assert (last.counts.done, last.counts.failed) == (2, 1)
    assert table(shop)["B.png"]["status"] == "failed"
    assert "got something else: B.png" in table(shop)["B.png"]["error"]
    assert str(shop) not in table(shop)["B.png"]["error"]


def test_kinds_that_cannot_be_read_are_listed_as_skipped(shop, clock):
    (shop / "in" / "D.heic").write_bytes(b"x")
    _, last = work_through(shop, clock)
    assert last.counts.skipped == 1
    assert table(shop)["D.heic"]["status"] == "skipped"


def test_same_file_name_in_two_folders_keeps_both(shop, clock):
    paint(shop / "in" / "D" / "front.png", 9)
    work_through(shop, clock)
    found = table(shop)
    assert found["C/front.png"]["outputs"] == "C/front.png"
    assert found["D/front.png"]["outputs"] == "D/front.png"


def test_names_that_would_meet_are_numbered_and_stay(shop, clock):
    paint(shop / "in" / "A.jpg", 50)
    paint(shop / "in" / "a.bmp", 60)
    work_through(shop, clock)
    before = {file: row.outputs for file, row in rows(shop).items()}
    assert len({outputs[0].casefold() for outputs in before.values()}) == 5
    work_through(shop, clock, chain="again", redo="all", began_at=time.time())
    assert {file: row.outputs for file, row in rows(shop).items()} == before


def test_two_folders_with_one_output_do_not_meet(shop, clock):
    work_through(shop, clock)
    paint(shop / "in" / "sub" / "A.png", 77)
    other = work.Order(shop / "in" / "sub", "in/sub", shop / "out")
    taken = batch.take(other, clock.run())
    assert (taken.product.row.sku, taken.product.row.name) == ("A", "A-2")


class TestRedo:
    def test_failed_ones_only_where_wanted(self, shop, clock):
        (shop / "in" / "B.png").write_bytes(b"no picture")
        work_through(shop, clock)
        taken = batch.take(order(shop), clock.run("again"))
        assert taken.product is None
        assert taken.sentences == ()
        again = batch.take(order(shop, redo="failed"), clock.run("again"))
        assert again.counts.failed == 1
        assert any("got something else" in text for text in again.sentences)

    def test_all_means_each_once_for_a_press(self, shop, clock):
        work_through(shop, clock)
        files, _ = work_through(shop, clock, chain="all", redo="all", began_at=time.time())
        assert files == ["A.png", "B.png", "C/front.png"]

    def test_changed_file_is_done_again(self, shop, clock):
        work_through(shop, clock)
        paint(shop / "in" / "B.png", 200)
        os.utime(shop / "in" / "B.png", (1, 1))
        assert work_through(shop, clock, chain="again")[0] == ["B.png"]

    def test_same_content_with_another_time_is_not(self, shop, clock):
        work_through(shop, clock)
        os.utime(shop / "in" / "B.png", (1, 1))
        assert work_through(shop, clock, chain="again")[0] == []

    def test_mended_file_is_done(self, shop, clock):
        (shop / "in" / "B.png").write_bytes(b"no picture")
        work_through(shop, clock)
        paint(shop / "in" / "B.png", 5)
        assert work_through(shop, clock, chain="again")[0] == ["B.png"]

    def test_deleted_picture_is_made_again(self, shop, clock):
        work_through(shop, clock)
        (shop / "out" / "A" / "A.png").unlink()
        assert work_through(shop, clock, chain="again")[0] == ["A.png"]

    def test_unknown_choice_is_refused(self, shop, clock):
        with pytest.raises(ValueError, match="redo must be one of never, failed, all"):
            batch.take(order(shop, redo="some"), clock.run())


class TestEndings:
    """What `take` finds when the run before did not save its photo."""

    def end(self, shop, clock, *endings, chain="press"):
        for ending in endings:
            taken = batch.take(order(shop), clock.run(chain), ended=lambda run, e=ending: e)
        return taken

    def test_failed_run_is_the_photos_failure(self, shop, clock):
        taken = self.end(shop, clock, OK, work.Ending(work.ERROR, "No garment. Look."))
        assert taken.product.row.file == "B.png"
        assert table(shop)["A.png"]["error"] == "No garment. Look."

    def test_run_that_saved_nothing_is_a_mistake_of_the_workflow(self, shop, clock):
        self.end(shop, clock, OK, OK)
        assert "Connect product" in table(shop)["A.png"]["error"]

    def test_stop_of_the_user_stops_this_press_and_not_the_next(self, shop, clock):
        stopped = self.end(shop, clock, OK, work.Ending(work.INTERRUPTED))
        assert stopped.product is None
        assert stopped.sentences == ("Stopped. Press Run to go on where it stopped.",)
        assert work_through(shop, clock, chain="next")[0] == ["A.png", "B.png", "C/front.png"]

    def test_lost_photo_comes_back_last_and_is_given_up_at_the_second_loss(self, shop, clock):
        files = []
        for _ in range(6):
            taken = self.end(shop, clock, None)
            if taken.product is None:
                break
            files.append(taken.product.row.file)
            if taken.product.row.file != "A.png":  # A ends the process each time
                save(taken.product)
        assert files == ["A.png", "B.png", "C/front.png", "A.png"]
        assert "was begun 2 times" in table(shop)["A.png"]["error"]

    def test_full_disk_stops_the_press_and_blames_no_photo(self, shop, clock):
        product = batch.take(order(shop), clock.run()).product
        batch.release(product, "The disk is full.")
        stopped = batch.take(order(shop), clock.run())
        assert stopped.product is None
        assert stopped.sentences == ("Stopped: The disk is full.",)
        assert work_through(shop, clock, chain="next")[0] == ["A.png", "B.png", "C/front.png"]

    def test_workflow_that_fails_on_every_photo_alike_is_stopped(self, shop, clock):
        for number in range(20):
            paint(shop / "in" / f"{number}.png", number)
        broken = work.Ending(work.ERROR, "Weights are missing.")
        taken = self.end(shop, clock, *[broken] * 30)
        assert taken.product is None
        assert taken.counts.failed == choosing.SAME_FAILURES
        assert "failed alike: Weights are missing." in taken.sentences[0]
        again = batch.take(order(shop, redo="failed"), clock.run("next"))
        assert again.product is not None


class TestSeveralPictures:
    def test_photo_is_done_when_every_node_has_saved_it(self, shop, clock):
        product = batch.take(order(shop), clock.run(saves=2)).product
        assert save(product, ".png").status == "taken"
        row = save(product, ".jpg")
        assert (row.status, row.outputs) == ("done", ("A/A.png", "A/A.jpg"))

    def test_two_nodes_with_one_name_are_told(self, shop, clock):
        product = batch.take(order(shop), clock.run(saves=2)).product
        save(product)
        with pytest.raises(ValueError, match=r"name of its own, got A/A\.png twice\. Give"):
            save(product)


class TestJournal:
    def test_torn_line_is_passed_over_and_the_next_row_counts(self, shop, clock):
        work_through(shop, clock)
        path = shop / "out" / ".dressform" / "journal.jsonl"
        path.write_bytes(path.read_bytes()[:-20])
        assert rows(shop)["C/front.png"].status == "taken"
        assert work_through(shop, clock, chain="again")[0] == ["C/front.png"]
        assert {row.status for row in rows(shop).values()} == {"done"}

    @pytest.mark.parametrize(
        "line", [b"\xff\xfe", b"[1]", b"{}", b'{"folder": 1, "file": 2}', b"[" * 10_000, b"null"]
    )
    def test_foreign_lines_do_no_harm(self, shop, clock, line):
        work_through(shop, clock)
        with (shop / "out" / ".dressform" / "journal.jsonl").open("ab") as file:
            file.write(line + b"\n")
        assert len(rows(shop)) == 3

    def test_row_of_a_later_version_is_read(self, shop, clock):
        work_through(shop, clock)
        path = shop / "out" / ".dressform" / "journal.jsonl"
        line = json.loads(path.read_text().splitlines()[-1]) | {"new": 1}
        path.write_text(json.dumps(line) + "\n")
        assert rows(shop)["C/front.png"].status == "done"

    def test_names_of_every_kind_survive(self, shop):
        names = ["裙.png", "a\udc80.png", "new\nline.png", '"quote".png']
        with journal.opened(shop / "out") as book:
            book.write(*(manifest.Row("in", name, status="done") for name in names))
        with journal.opened(shop / "out") as book:
            assert {key.file for key in book.rows} == set(names)
        assert len(table(shop)) == len(names)

    def test_failed_write_leaves_what_stood_there(self, shop, clock, monkeypatch):
        work_through(shop, clock)
        path = shop / "out" / ".dressform" / "journal.jsonl"
        before = path.read_bytes()

        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(journal.os, "fsync", full)
        with pytest.raises(OSError, match="No space"), journal.opened(shop / "out") as book:
            book.write(manifest.Row("in", "new.png"))
        assert path.read_bytes() == before

    def test_manifest_that_another_program_holds_does_not_stop_the_work(
        self, shop, clock, monkeypatch
    ):
        from pathlib import Path

        def held(self, target):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "replace", held)
        product = batch.take(order(shop), clock.run()).product
        path = shop / "out" / "A.png"
        path.write_bytes(b"x")
        row, notice = batch.finish(product, ["A.png"])
        assert row.status == "done"
        assert "manifest.csv could not be written" in notice
        assert rows(shop)["A.png"].status == "done"

    def test_formulas_in_names_are_text_in_the_table(self, shop, clock):
        paint(shop / "in" / "=cmd.png")
        work_through(shop, clock)
        assert table(shop)["'=cmd.png"]["sku"] == "'=cmd"
        assert rows(shop)["=cmd.png"].sku == "=cmd"

    def test_ten_thousand_photos_are_no_burden(self, shop, clock):
        many = [
            manifest.Row("in", f"{n}.png", f"{n}", f"{n}", "done", "f" * 64, 9, 9, float(n))
            for n in range(10_000)
        ]
        with journal.opened(shop / "out") as book:
            book.write(*many)
        started = time.process_time()
        product = batch.take(order(shop), clock.run()).product
        save(product)
        assert time.process_time() - started < 10  # 1 s seen, two writes of the table
        assert Key("in", "A.png") in {Key("in", name) for name in rows(shop)}


WORKER = """
import sys, time
from pathlib import Path
from dressform.imaging.products import batch, work
root, name = Path(sys.argv[1]), sys.argv[2]
(root / f"ready-{name}").touch()
while not (root / "go").exists():
    time.sleep(0.01)
order = work.Order(root / "in", "in", root / "out")
count = 0
while True:
    count += 1
    taken = batch.take(order, work.Run(f"{name}-{count}", name, time.time()))
    if taken.product is None:
        break
    time.sleep(float(sys.argv[3]))
    row = taken.product.row
    path = root / "out" / row.sku / f"{row.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(row.file.encode())
    batch.finish(taken.product, [path.relative_to(root / "out").as_posix()])
"""


def start(shop, name, pause_s):
    return subprocess.Popen([sys.executable, "-c", WORKER, str(shop), name, str(pause_s)])


def go(shop, *names):
    """Lets them begin when all have started, which takes a busy machine long."""
    deadline = time.monotonic() + 120
    while not all((shop / f"ready-{name}").exists() for name in names):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (shop / "go").touch()


def test_two_processes_share_a_folder_and_lose_nothing(shop):
    for number in range(12):
        paint(shop / "in" / f"{number}.png", number)
    both = [start(shop, name, 0.3) for name in ("one", "two")]
    go(shop, "one", "two")
    assert [process.wait(240) for process in both] == [0, 0]
    found = rows(shop)
    assert len(found) == 15
    assert {row.status for row in found.values()} == {"done"}
    assert {row.run.split("-")[0] for row in found.values()} == {"one", "two"}
    assert len(table(shop)) == 15


@pytest.mark.skipif(os.name == "nt", reason="has no SIGKILL")
def test_killed_in_the_middle_goes_on_and_doubles_nothing(shop, clock):
    for number in range(9):
        paint(shop / "in" / f"{number}.png", number)
    process = start(shop, "killed", 0.5)
    go(shop, "killed")
    deadline = time.monotonic() + 120
    while sum(row.status == "done" for row in rows(shop).values()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {file for file, row in rows(shop).items() if row.status == "done"}
    assert 3 <= len(before) < 12
    files, last = work_through(shop, clock, chain="resumed")
    assert before.isdisjoint(files)
    assert len(before) + len(files) == 12 == last.counts.done
    assert sorted(path.suffix for path in (shop / "out").rglob("*.p*")) == [".png"] * 12
    assert np.unique([line["status"] for line in table(shop).values()]).tolist() == ["done"]
