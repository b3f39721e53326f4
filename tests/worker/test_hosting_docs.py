"""What docs/hosting.md and the README tell operators is there: commands, metrics, files."""

import re
import shlex
from pathlib import Path

import pytest
from dressform import cli

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(text):
    """Commands of code blocks, without comments."""
    for line in re.findall(
        r"^(?: {4})?(dressform (?:serve|worker|backup|restore|ledger) .*)$", text, re.M
    ):
        yield line.split("#")[0].strip()


@pytest.mark.parametrize("line", sorted({*commands(TEXT), *commands(README)}))
def test_commands_are_understood(line):
    words = shlex.split(line.replace("@FILE", "@file"))[1:]
    assert callable(cli._parser().parse_args(words).command)


def test_there_are_commands():
    assert len(list(commands(TEXT))) >= 3


def test_metrics_that_are_alerted_on_are_served():
    served = (ROOT / "billing_server" / "metrics.py").read_text(encoding="utf-8")
    named = set(re.findall(r"dressform_[a-z_]+", TEXT)) - {"dressform_"}
    assert len(named) > 5
    for name in named:
        assert name.removesuffix("_count") in served, name


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / "docs" / target).exists(), target


def test_paths_of_the_first_hosted_picture_exist():
    for path in ("samples/hosted_run.py", "bench/first_hosted_run.py"):
        assert path in README
        assert (ROOT / path).is_file()
    assert "serve: $(STAMP)" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_variables_are_read_by_the_server():
    sources = [p.read_text(encoding="utf-8") for p in (ROOT / "billing_server").rglob("*.py")]
    code = "\n".join(sources).upper()
    for name in re.findall(r"`([A-Z][A-Z_]+_[A-Z_]+)(?:=[^`]*)?`", TEXT):
        assert name in code, name
