"""Which of several candidates is the best, by the measures of Check Quality."""

from typing import TYPE_CHECKING

import numpy as np

from ..imaging.parsing import Parsing
from ..inference.order import Candidate, Rank, Score

if TYPE_CHECKING:
    from ..quality.verdict import Check


def by_quality(source: np.ndarray, parsing: Parsing | None, photo: np.ndarray) -> Rank | None:
    """Returns what scores a candidate: fewest failed checks first, then warnings, then severity.

    Args:
        source: (h, w, 3) uint8, the photo of the garment.
        parsing: Of the source; None can tell nothing.
        photo: (H, W, 3) uint8, the photo that was painted on.
    """
    if parsing is None:
        return None

    def rank(candidate: Candidate) -> Score:
        from ..quality import verdict

        found = verdict.check(
            candidate.image,
            source,
            parsing,
            garment_mask=candidate.garment > 0.5,
            person=photo,
            repaint_mask=candidate.repainted > 0,
        )
        states = [check.state for check in found.checks]
        score = _score(found.checks)
        return Score(
            (states.count("fail"), states.count("warn"), -score),
            {
                "score": round(score, 4),
                "overall": found.overall,
                "checks": {check.name: check.state for check in found.checks},
            },
        )

    return rank


def _score(checks: "tuple[Check, ...]") -> float:
    """1 is faultless, 0 is every measured check at its threshold of failing or beyond."""
    shares = [
        min(1.0, max(0.0, check.value / check.thresholds["fail"]))
        for check in checks
        if check.value is not None and check.thresholds.get("fail")
    ]
    return 1 - sum(shares) / len(shares) if shares else 0.0
