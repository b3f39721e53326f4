"""Which node classes may run here: those of allowed packs, as the workers tell them. Pure."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

HOSTED = Path(__file__).with_name("hosted.toml")
# A class by such a name computes what a text says, or searches by a pattern of the customer's.
COMPUTES = re.compile(
    r"(?i)(eval|exec(?!ution)|expression|python|script(?!ion)|shell|command|javascript|regex|"
    r"wildcard|lambda)"
)


class Policy(NamedTuple):
    """Packs in the order in which they win a class that several define, and classes never run."""

    packs: tuple[str, ...]
    refused: frozenset[str]

    @classmethod
    def read(cls, *files: Path) -> "Policy":
        """Reads the first file that exists, else the package's own."""
        file = next((one for one in files if one.is_file()), HOSTED)
        rows = tomllib.loads(file.read_text(encoding="utf-8"))
        return cls(tuple(rows["packs"]), frozenset(rows["refused"]))

    def bind(self, asked: Iterable[str], told: Iterable[Mapping[str, str]]) -> dict[str, str]:
        """Binds classes to the pack that shall define them; leaves out what may not run.

        Args:
            asked: Classes of a workflow.
            told: Of each worker, what pack defines a class there.
        """
        told = list(told)
        bound = {}
        for one in asked:
            if one in self.refused or COMPUTES.search(one):
                continue
            packs = {classes.get(one) for classes in told}
            if pack := next((pack for pack in self.packs if pack in packs), None):
                bound[one] = pack
        return bound
