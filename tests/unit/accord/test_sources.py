"""Where the clauses of terms come from: said in the text, read by no decision."""

import pytest

from detente.accord.difference import compare_terms
from detente.accord.reading import TermsRefused
from detente.accord.sources import NotExpressed, Source
from detente.accord.terms import Terms, parse_terms
from tests.vectors.write_accord_vectors import SMALL, SOURCED


def read(text: str) -> Terms:
    return parse_terms(text.encode(), template=True)


def test_a_note_says_document_article_wording_and_choice_of_the_clause_it_names():
    """One clause may have several notes; an id may hold dots and go on into the clause."""
    sources = read(SOURCED).sources
    assert sources.clauses["limits.big.first"] == (
        Source("A draft, version 2", "Art. 1", "primary", rules=("draft-1",), says="no run above it"),
    )
    assert [note.our_choice for note in sources.clauses["limits.big.first.when"]] == [
        "",
        "what went into the parents counts",
    ]
    assert sources.not_expressed == (
        NotExpressed("A draft, version 2", "Art. 9", "nothing here sees chips", rules=("draft-9",)),
    )
    assert sources.rules() == {"draft-1", "draft-9"}


WRONG = [
    ("{limits.small: {our_choice: ours}}", {"T40"}),
    ("{sources.limits.big: {our_choice: ours}}", {"T40"}),
    ("{limits.bi\u0433: {our_choice: ours}}", {"T40"}),
    ("{limits.big: {of: A draft, clause: Art. 1}}", {"T41"}),
    ("{limits.big: {}}", {"T41"}),
    ("{limits.big: [{wording: primary}, {our_choice: ours}]}", {"T41"}),
    ("{limits.big: {our_choice: ours, wording: certain}}", {"T08"}),
    ("{limits.big: {our_choice: ours, url: ftp://example.org}}", {"T08"}),
    ("{limits.big: {our_choice: ours, colour: red}}", {"T06"}),
    ("{not_expressed: [{of: A draft, clause: Art. 1}]}", {"T07"}),
    ("{not_expressed: {of: A draft}}", {"T07"}),
    ("[limits.big]", {"T07"}),
    ("{limits.small: {our_choice: ours}, limits.big: {}, lift: {our_choice: [ours]}}", {"T40", "T41", "T07"}),
]


@pytest.mark.parametrize(("sources", "rules"), WRONG, ids=[each[0] for each in WRONG])
def test_wrong_sources_are_refused_with_every_error_and_its_place(sources: str, rules: set[str]):
    """All at once, each with line and column of the member itself."""
    with pytest.raises(TermsRefused) as refused:
        read(f"{SMALL}sources: {sources}\n")
    assert {each.rule for each in refused.value.all} == rules
    last = len(SMALL.splitlines()) + 1
    assert {each.got.split(":")[0] for each in refused.value.all} == {str(last)}


def test_sources_change_no_other_member():
    """Terms with and without them differ in bytes and in nothing that a decision reads."""
    assert {
        change.section for change in compare_terms(read(SMALL.replace("id: big", "id: big.first")), read(SOURCED))
    } == {"sources"}


def test_a_difference_in_sources_neither_tightens_nor_loosens():
    """Each note that is new, gone or other is told by its clause."""
    other = read(
        SOURCED.replace("  parties.dev-a: {our_choice: an example}\n", "  lift: {our_choice: two of two}\n")
        .replace("one step", "one hour")
        .replace("nothing here sees chips", "no meter")
    )
    changes = compare_terms(read(SOURCED), other)
    assert {change.effect for change in changes} == {"changes"}
    assert [change.text for change in changes] == [
        "no longer says where parties.dev-a comes from",
        "says where lift comes from",
        "says otherwise where pause.halt_within comes from",
        "says otherwise why Art. 9 of A draft, version 2 is not expressed",
    ]
