"""The rate card: what GPU time costs, from when on."""

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from . import store
from .away import answering
from .pricing import Quote, Rate, price
from .values import MAX_AMOUNT, MAX_GPU_MS, MAX_RATE, InvalidError, NotFoundError, text, utc, whole

RATES = f"SELECT {store.RATE} FROM ledger.rate ORDER BY gpu_class, valid_from, version"


class RateCard:
    """Rows of prices that are never changed: a later one takes over."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], datetime]) -> None:
        self._engine, self._clock = engine, clock
        self._alone = engine.execution_options(isolation_level="AUTOCOMMIT")

    def add(
        self,
        gpu_class: str,
        micro_per_gpu_s: int,
        *,
        minimum_micro: int = 0,
        step_ms: int = 1,
        valid_from: datetime | None = None,
    ) -> Rate:
        """Adds a row, valid at once unless a time is given."""
        text("gpu_class", gpu_class)
        whole("micro_per_gpu_s", micro_per_gpu_s, 0, MAX_RATE)
        whole("minimum_micro", minimum_micro, 0, MAX_AMOUNT)
        whole("step_ms", step_ms, 1, 3_600_000)
        begins = utc("valid_from", valid_from or self._clock())
        sql = f"""INSERT INTO ledger.rate
                (version, gpu_class, valid_from, micro_per_gpu_s, minimum_micro, step_ms)
            SELECT coalesce(max(version), 0) + 1, :c, :t, :p, :m, :s
            FROM ledger.rate WHERE gpu_class = :c RETURNING {store.RATE}"""
        values = {"c": gpu_class, "t": begins, "p": micro_per_gpu_s, "m": minimum_micro}
        with answering(), self._engine.begin() as connection:
            return Rate(*connection.execute(sa.text(sql), values | {"s": step_ms}).one())

    def rates(self) -> list[Rate]:
        """Returns all rows, the oldest of each GPU class first."""
        with answering(), self._alone.connect() as connection:
            return [Rate(*row) for row in connection.execute(sa.text(RATES))]

    def quote(self, gpu_class: str, seconds: float) -> Quote:
        """Returns what a run would cost by the rate that is valid now."""
        now = self._clock()
        rates = self.rates()
        valid = [one for one in rates if one.gpu_class == gpu_class and one.valid_from <= now]
        if not valid:
            known = sorted({one.gpu_class for one in rates})
            raise NotFoundError(
                f"gpu_class must be one of {', '.join(known) or 'a rate card with rows'}, got "
                f"{gpu_class!a:.60}. Choose another."
            )
        if not 0 <= seconds <= MAX_GPU_MS / 1000:
            raise InvalidError(f"seconds must be 0 or more, got {seconds}. Give a real time.")
        gpu_ms = -int(-seconds * 1000 // 1)
        return Quote(price(valid[-1], gpu_ms), gpu_ms, valid[-1])
