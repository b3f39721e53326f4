"""One photo after the other: a photo is taken from the folder, and finished when it is saved.

Whatever happens in between, the journal tells it.
"""

from collections.abc import Callable, Sequence

from .. import pictures
from . import choosing, journal, listing
from .choices import REDO
from .journal import Journal, Key
from .manifest import DONE, FAILED, WAITING, Row
from .work import Counts, Ending, Order, Product, Run, Taken


def take(
    order: Order,
    run: Run,
    *,
    ended: Callable[[str], Ending | None] = lambda run: None,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Taken:
    """Takes the next photo that can be read; tells of those that cannot in the manifest.

    Args:
        order: What the user asked for.
        run: The run that the photo is for.
        ended: How the run of an id ended; None where that is not known.
        tick: Called between photos with how many are settled, of how many; it may raise.

    Raises:
        ValueError: The folder has no photos, or redo is unknown.
        OSError: The folder cannot be read, or the manifest not be written.
    """
    if order.redo not in REDO:
        raise ValueError(f"redo must be one of {', '.join(REDO)}, got {order.redo!r}. Choose one.")
    found = listing.photos(
        order.folder, subfolders=order.subfolders, roots=order.roots, without=[order.out]
    )
    sentences: list[str] = []
    while True:
        with journal.opened(order.out) as book:
            stopped = choosing.settle(book, order, run, ended)
            choosing.skip(book, order, found, run)
            open_now = [] if stopped else choosing.still_open(book, order, found, run)
            product = choosing.claim(book, order, open_now[0], run) if open_now else None
            counts = choosing.count(book, order, found, len(open_now))
        sentences += [text for text in (stopped, book.notice) if text]
        tick(counts.total - counts.left, counts.total)
        if product is None:
            return Taken(None, None, counts, tuple(sentences))
        path = order.folder / product.row.file
        try:
            picture = pictures.open_picture(path)
        except (ValueError, OSError, MemoryError) as error:
            # The manifest may be passed on: the computer's own folders are nobody's business.
            told = str(error).replace(str(path), product.row.file)
            sentence = told or "The photo needs more memory than there is. Scale it down."
            fail(product, sentence)
            sentences.append(sentence)
            continue
        return Taken(product, picture, counts, tuple(sentences))


def finish(
    product: Product,
    outputs: Sequence[str],
    *,
    kind: str = "",
    confidence: float = -1.0,
    warnings: Sequence[str] = (),
) -> tuple[Row, str]:
    """Records that pictures of a photo were saved; with the last of them it is done.

    Args:
        product: From `take`.
        outputs: Paths below the output folder, with slashes.
        kind, confidence, warnings: Of its parsing, where it was parsed.

    Returns:
        Its row, and a sentence where manifest.csv could not be written, else an empty text.

    Raises:
        ValueError: Another node of the same run saved under the same name.
    """
    with journal.opened(product.out) as book:
        row = _current(book, product)
        twice = [one for one in outputs if one in row.outputs]
        if twice:
            raise ValueError(
                f"each Save Product must save under a name of its own, got {twice[0]} twice. "
                "Give one of them a suffix or another format."
            )
        row = row._replace(
            outputs=(*row.outputs, *outputs),
            saved=row.saved + 1,
            warnings=tuple(dict.fromkeys([*row.warnings, *warnings])),
            kind=kind or row.kind,
            confidence=confidence if confidence >= 0 else row.confidence,
        )
        if row.saved >= product.saves:
            row = choosing.ended_row(row, DONE)
        book.write(row)
    return row, book.notice


def fail(product: Product, sentence: str) -> Row:
    """Records that a photo failed, and why."""
    with journal.opened(product.out) as book:
        row = choosing.ended_row(_current(book, product), FAILED, sentence)
        book.write(row)
    return row


def release(product: Product, sentence: str) -> Row:
    """Records that a photo waits again, for a reason that is not its own, such as a full disk."""
    with journal.opened(product.out) as book:
        row = _current(book, product)
        row = row._replace(status=WAITING, attempts=row.attempts - 1, error=sentence)
        book.write(row)
    return row


def summary(counts: Counts) -> str:
    """Returns how far a folder has come, in one sentence."""
    parts = [f"{counts.done} of {counts.total} photos done"]
    parts += [f"{counts.failed} failed"] if counts.failed else []
    parts += [f"{counts.skipped} skipped"] if counts.skipped else []
    parts += [f"{counts.left} left"] if counts.left else []
    return f"{', '.join(parts)}."


def _current(book: Journal, product: Product) -> Row:
    """The row as another process or an earlier node of this run may have left it."""
    row = book.rows.get(Key(product.row.folder, product.row.file))
    return row if row is not None and row.run == product.row.run else product.row
