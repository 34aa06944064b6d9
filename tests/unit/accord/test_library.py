"""The shipped texts: sound, each clause with its source or marked as our choice, each on a subject, each word in one unit."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from detente.accord.terms import Terms, parse_terms
from detente.accord.vocabulary import clauses_of, names_in, read_vocabulary, subjects_of
from detente.app.comparing import VOCABULARY, library
from detente.cli import main

ACCORDS = Path(__file__).parents[3] / "accords"
NAMES = [path.name.removesuffix(".yaml") for path in library()]
OURS = {"solo"}
"""Written by nobody else: the whole text is our choice, and says so in its first lines."""
WORDS = read_vocabulary((ACCORDS / VOCABULARY).read_bytes())


def terms_of(name: str) -> Terms:
    return parse_terms((ACCORDS / f"{name}.yaml").read_bytes(), template=True)


def test_every_text_beside_the_vocabulary_has_a_table_of_scenarios():
    """A text without one is no text of the library, and there is none."""
    texts = {
        path.name.removesuffix(".yaml") for path in ACCORDS.glob("*.yaml") if not path.name.endswith(".scenarios.yaml")
    }
    assert {name for name in texts if not name.startswith(("vocabulary", "timeline"))} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_accords_are_sound_templates(name: str):
    """They read as they stand, are called like their file, and say what they mean in words."""
    terms = terms_of(name)
    assert terms.accord == name
    assert all(clause.when.spelled() for clause in clauses_of(terms))
    assert not terms.keys


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OURS])
def test_every_clause_says_where_it_comes_from_or_that_it_is_our_choice(name: str):
    """Nothing of ours passes for a document's: clauses with a condition, what they start, who lifts, and who keeps record."""
    terms = terms_of(name)
    noted = set(terms.sources.clauses)
    wanted = {clause.id for clause in clauses_of(terms)} | {"mirrors", "lift", "permits"}
    assert wanted <= noted


@pytest.mark.parametrize("name", NAMES)
def test_every_clause_is_on_a_subject_and_every_word_is_in_the_vocabulary(name: str):
    """One name, one unit; so a fact means the same to every text."""
    terms = terms_of(name)
    off = [clause.id for clause in clauses_of(terms) if not subjects_of(WORDS, name, clause)]
    assert off == []
    for indicator in terms.indicators.values():
        assert WORDS.words[indicator.name].unit == indicator.unit
    asked = {each for clause in clauses_of(terms) for each in names_in(clause.when)}
    assert {each for each in asked if "." not in each} <= set(WORDS.words)


def test_a_subject_asks_for_nothing_that_no_text_has():
    """Names and clauses of the vocabulary are those of the texts."""
    asked = {each for name in NAMES for clause in clauses_of(terms_of(name)) for each in names_in(clause.when)}
    clauses = {f"{name}:{clause.id}" for name in NAMES for clause in clauses_of(terms_of(name))}
    more = {"self_depth", "cumulative_flop", "run.planned_flop", "run.spent_flop", "run.activity"}
    more |= next(
        subject.asks for subject in WORDS.subjects if subject.id == "share-of-work"
    )  # that no text asks is a finding
    assert {each for subject in WORDS.subjects for each in subject.asks} <= asked | clauses | more


def test_the_model_accord_answers_each_requirement_or_says_why_not():
    """R1 to R11 of "When AI builds itself": r10 and r11 are intentions of its authors and no terms."""
    sources = terms_of("coordinated-pause").sources
    expressed = {rule for notes in sources.clauses.values() for note in notes for rule in note.rules}
    not_expressed = {rule for each in sources.not_expressed for rule in each.rules}
    assert expressed == {f"r{number}" for number in range(1, 10)}
    assert not_expressed == {"r5", "r6", "r10", "r11"}


BLOCK = re.compile(r"```console\n\$ detente accord check accords/(\S+)\.yaml\n(.*?)\n```", re.DOTALL)


def test_the_page_beside_the_texts_shows_what_check_says_is_broken():
    """For each text that does not pass, every broken claim, in its own words; the others pass."""
    page = (ACCORDS / "README.md").read_text("utf-8")
    shown = {name: lines.splitlines() for name, lines in BLOCK.findall(page)}
    for name in NAMES:
        output = CliRunner().invoke(main, ["accord", "check", str(ACCORDS / f"{name}.yaml")]).stdout
        broken = [line for line in output.splitlines() if line.startswith("✗")]
        assert shown.get(name, []) == broken, name
        (row,) = [line for line in page.splitlines() if line.startswith(f"| [{name}](")]
        assert row.endswith("| broken |" if broken else "| passes |"), name
    assert set(shown) <= set(NAMES)
