"""What the pages say exists: links lead somewhere, commands can be typed, the generated parts are fresh."""

import importlib.util
from pathlib import Path

import click
import pytest

from tests.repo import cli_reference, docs_index, pages
from tests.repo.tree import ROOT, tracked

PAGES = [page for page in tracked() if page.suffix == ".md" and "vectors" not in page.relative_to(ROOT).parts[:1]]


@pytest.fixture
def main() -> click.Group:
    """The command line, once it is built."""
    if importlib.util.find_spec("detente.cli") is None:
        pytest.skip("src/detente/cli is not built yet: the pages' commands cannot be compared")
    from detente.cli import main

    return main


def test_every_relative_link_resolves():
    """A link leads to a file of the repository, a fragment to a heading."""
    found = pages.broken_links(PAGES, ROOT)
    assert not found, "\n" + "\n".join(found)


def test_every_decision_has_a_number_of_its_own():
    """A decision is cited by its number: its file and its heading bear the same one, and no other does."""
    records = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [record.name[:4] for record in records]
    assert len(numbers) == len(set(numbers)), f"given twice: {sorted({n for n in numbers if numbers.count(n) > 1})}"
    assert [record.read_text("utf-8")[2:6] for record in records] == numbers


def test_the_list_of_pages_is_fresh():
    """docs/README.md links every page of docs/ and spec/; `make docs-index` writes it."""
    text = (ROOT / "docs" / "README.md").read_text("utf-8")
    assert text == docs_index.replaced(text, docs_index.rendered()), "out of date: make docs-index"


def test_the_command_reference_is_the_commands_own_help(main: click.Group):
    """docs/reference/cli.md is every --help, in order; `make cli-docs` writes it."""
    assert cli_reference.PAGE.exists(), "missing: make cli-docs"
    assert cli_reference.PAGE.read_text("utf-8") == cli_reference.rendered(main), "out of date: make cli-docs"


def _unknown(command: click.Command, text: str) -> list[str]:
    """Commands that ``text`` shows and ``command`` lacks: words are followed as far as groups go."""
    found = []
    for words in pages.shown_commands(text):
        here, context = command, click.Context(command, info_name="detente")
        for word in words:
            if not isinstance(here, click.Group):
                break
            below = here.get_command(context, word)
            if below is None:
                found.append("detente " + " ".join(words))
                break
            here = below
    return found


def test_every_command_shown_exists(main: click.Group):
    """A page or a specification shows no command that cannot be typed."""
    found = [
        f"{page.relative_to(ROOT)}: {command}" for page in PAGES for command in _unknown(main, page.read_text("utf-8"))
    ]
    assert not found, "\n" + "\n".join(found)


@click.group
def _example() -> None:
    """Example."""


@_example.group
def log() -> None:
    """Read a log."""


@log.command
@click.option("--deep", is_flag=True, help="Look at every byte.")
def verify() -> None:
    """Verify a log."""


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("Run `detente log verify`.", []),
        ("Run `detente log --deep` or `detente --version`.", []),
        ("```console\n$ detente log verify drill\n```", []),
        ("detente pause is a phrase in prose", []),
        ("```python\nfrom detente import guard\n```", []),
        ("```console\n$ detente log verify\nnone seen: `from detente import guard` lets it save\n```", []),
        ("Run `detente log mend`.", ["detente log mend"]),
        ("```console\n$ .venv/bin/detente brake --now\n```", ["detente brake"]),
    ],
)
def test_a_command_that_does_not_exist_is_named(text: str, unknown: list[str]):
    """Words are checked as far as the groups go; what follows a command is its own argument."""
    assert _unknown(_example, text) == unknown


def test_the_reference_shows_every_command_and_option():
    """Groups, commands and their options all stand in the page."""
    page = cli_reference.rendered(_example)
    assert [line for line in page.split("\n") if line.startswith("## ")] == [
        "## detente",
        "## detente log",
        "## detente log verify",
    ]
    assert "Look at every byte." in page


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("[a](b.md)", None),
        ("[a](b.md#two-words)", None),
        ("[a](https://example.org/missing)", None),
        ("`[a](missing.md)`", None),
        ("[a](missing.md)", "a.md: missing.md does not exist"),
        ("![a](missing.png)", "a.md: missing.png does not exist"),
        ('<img src="missing.png">', "a.md: missing.png does not exist"),
        ("[a](b.md#three)", "a.md: b.md#three names no heading"),
        ("[a](../..)", "a.md: ../.. leads out of the repository"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, link: str, complaint: str | None):
    """Missing files, missing headings and ways out of the repository are each named."""
    (tmp_path / "a.md").write_text(link, "utf-8")
    (tmp_path / "b.md").write_text("# Two `words`\n", "utf-8")
    assert pages.broken_links([tmp_path / "a.md"], tmp_path) == ([complaint] if complaint else [])


def test_the_list_of_pages_holds_heading_and_first_sentence(tmp_path: Path):
    """A new page changes the list, so that a list that was not made again is seen."""
    (tmp_path / "docs" / "concepts").mkdir(parents=True)
    empty = docs_index.rendered(tmp_path)
    (tmp_path / "docs" / "concepts" / "permit.md").write_text("# Permit\n\nLeave to act. It [lapses](x.md).\n", "utf-8")
    assert "- [Permit](concepts/permit.md): Leave to act.\n" in docs_index.rendered(tmp_path)
    assert empty != docs_index.rendered(tmp_path)
