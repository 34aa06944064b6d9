"""Reading terms: every error with its place, all at once; the shipped accords; quorums; conditions as text."""

import pickle
from pathlib import Path

import pytest

from detente.accord import document
from detente.accord.document import BYTES_MAX
from detente.accord.quorum import missing, seats_filled
from detente.accord.reading import TermsRefused, read_terms
from detente.accord.terms import PartyTerms, RoleQuorum, parse_terms
from tests.accord_play import BODY, PARTIES, founding

ACCORDS = Path(__file__).resolve().parents[3] / "accords"
TEMPLATE = BODY + PARTIES


def refused(text):
    with pytest.raises(TermsRefused) as caught:
        read_terms(text if isinstance(text, bytes) else text.encode(), template=True)
    return caught.value


def test_a_file_over_four_mebibytes_is_refused_before_it_is_read():
    """T01: the bound comes before the parser."""
    assert refused(b"# " + b"x" * BYTES_MAX).rule == "T01"


def test_an_endless_list_of_nodes_is_refused(monkeypatch):
    """T05: two hundred thousand nodes are enough for ten thousand clauses; here the bound is drawn in to be quick."""
    monkeypatch.setattr(document, "NODES_MAX", 1_000)
    assert refused(TEMPLATE + "x: [" + "1," * 1_001 + "]\n").rule == "T05"


def test_all_errors_are_reported_at_once_each_with_line_and_column():
    """The first is the exception, every one is in ``all``."""
    text = (
        TEMPLATE.replace("settle: 60 s", "settle: soon").replace("scope: party", "scope: parties", 1) + "colour: red\n"
    )
    error = refused(text)
    assert [each.rule for each in error.all] == ["T08", "T08", "T06"]
    assert error.rule == "T08"
    lines = text.splitlines()
    for each, word in zip(error.all, ("soon", "parties", "colour"), strict=True):
        line, column = map(int, each.got.split()[0].split(":"))
        assert lines[line - 1][column - 1 :].startswith(word), each


def test_a_refusal_of_terms_survives_pickling():
    """It crosses processes as it is."""
    error = pickle.loads(pickle.dumps(refused("colour: red\n")))  # noqa: S301 - our own bytes
    assert error.rule == refused("colour: red\n").rule


def test_a_template_founds_nothing():
    """T07: without keys nobody could speak."""
    with pytest.raises(TermsRefused) as caught:
        parse_terms(TEMPLATE.encode())
    assert caught.value.rule == "T07"


def test_the_digest_is_of_the_exact_bytes():
    """A comment more is another accord."""
    one, other = founding(), founding() + b"# seen\n"
    assert parse_terms(one).digest != parse_terms(other).digest
    assert parse_terms(one).version == parse_terms(other).version


def test_nothing_is_guessed_to_be_a_number_a_date_or_a_boolean():
    """The country NO stays a country; `yes` is a boolean only where one is meant."""
    terms = parse_terms(TEMPLATE.replace("country: DE", "country: NO").encode(), template=True)
    assert terms.parties["buyer"].country == "NO"
    assert terms.hold_points[0].need.author_excluded


PEOPLE = {
    "a": PartyTerms("US", frozenset({"auditor", "authority"})),
    "b": PartyTerms("US", frozenset({"auditor"})),
    "c": PartyTerms("US", frozenset({"authority"})),
}


def test_a_party_of_two_roles_takes_one_seat_whichever_helps():
    """Maximum matching: the order of names and roles makes no difference."""
    quorum = RoleQuorum({"auditor": 1, "authority": 1})
    assert missing(quorum, ["a"], PEOPLE) in {"1 more auditor", "1 more authority"}
    assert missing(quorum, ["a", "b"], PEOPLE) == ""
    assert missing(quorum, ["a", "c"], PEOPLE) == ""
    assert missing(quorum, ["b"], PEOPLE) == "1 more authority"


def test_repetition_and_strangers_fill_no_seat():
    """Distinct parties of the terms, each once."""
    assert seats_filled(RoleQuorum({"any": 3}), ["a", "a", "b", "stranger"], PEOPLE) == {"any": 2}


@pytest.mark.parametrize("n", range(3, 17))
def test_the_usual_choice_of_quorums_is_accepted_and_one_less_is_not(n):
    """T11: with f = (n − 1) // 3 and q = m = n − f every inequality holds; q or m one lower breaks it or does not by the rule."""
    f = (n - 1) // 3
    for q, m in ((n - f, n - f), (n - f, n - f - 1), (n - f - 1, n - f), (n - f + 1, n - f)):
        names = [f"m-{number}" for number in range(n)]
        parties = "parties:\n" + "".join(
            f"  {name}: {{country: US, roles: [mirror, auditor, authority, adjudicator]}}\n" for name in names
        )
        parties += "  dev-a: {country: US, roles: [developer]}\n"
        text = (
            "accord: n\nversion: 1\n" + parties
            + f"mirrors: {{may_fail: {f}, witness: {q}, issue: {m}, settle: 1 s}}\n"
            + "pause: {activities: [training], halt_within: 1 s}\nlift: {votes: {auditor: 1}}\n"
            + "permits: {life: {calm: 2 s, alert: 1 s}}\n"
        )  # fmt: skip
        sound = q + m > n + f and 2 * q - n > f and q <= n - f and m <= n - f
        if sound:
            assert read_terms(text.encode(), template=True).mirrors.witness == q
        else:
            assert refused(text).rule == "T11"
