"""Accords over one party, from their texts: what one promises and another takes away, and what is the same for both."""

import json

import pytest
from click.testing import CliRunner

from detente.accord.checking.side_by_side import check_together
from detente.accord.terms import parse_terms
from detente.cli import main
from tests.accord_play import BODY, PARTIES

KEEPS = "confidential: {run.planned_flop: committed, run.code: auditor-only, proposal.change: auditor-only}\n"


def text(*edits, body=BODY, parties=PARTIES):
    whole = body + parties
    for old, new in edits:
        assert whole.count(old) == 1, old
        whole = whole.replace(old, new)
    return whole


def terms(*edits, **more):
    return parse_terms(text(*edits, **more).encode(), template=True)


def claims(one, other):
    return [(c.id, c.verdict, c.text) for c in check_together({"a": one, "b": other})]


def broken(one, other):
    """Without who approves what, each in the same words both ways round."""
    return sorted({found for found, verdict, _ in claims(one, other) if verdict == "broken"})


def test_a_text_beside_itself_contradicts_nothing():
    """Every rule of it is met by itself, whatever it keeps."""
    keeps = terms(body=BODY + KEEPS)
    assert broken(keeps, keeps) == broken(terms(), terms()) == []


def test_what_one_keeps_the_other_gives_away():
    """A run is stated under each; a proposal is of one accord alone. Kept as strictly, or more, nothing is given away."""
    code = terms(body=BODY + "confidential: {run.code: auditor-only}\n")
    found = check_together({"a": terms(body=BODY + KEEPS), "b": code})
    [claim] = [claim for claim in found if claim.verdict == "broken"]
    assert (claim.id, claim.trace) == (
        "kept-apart",
        (
            "dev-a states a run under a, where its planned_flop is committed",
            "it states the same under b, where the planned_flop is public",
        ),
    )
    assert broken(terms(body=BODY + KEEPS), terms()) == ["kept-apart"]


def test_who_else_reads_what_is_kept_for_auditors_is_listed():
    """The auditors of the other text, where they are not one's own."""
    keeps = BODY + "confidential: {run.code: auditor-only}\n"
    other = terms(("roles: [provider]", "roles: [provider, auditor]"), body=keeps)
    [text_] = [text for found, _, text in claims(terms(body=keeps), other) if found == "read-by"]
    assert text_ == "what a keeps for its auditors (run.code) is given to cloud too, under b"


@pytest.mark.parametrize("role", ["auditor", "authority", "adjudicator"])
def test_a_competitor_under_one_does_not_judge_under_the_other(role):
    """Whoever develops under one text and inspects or judges other developers under the next."""
    hats = terms(("dev-a:  {country: US, roles: [developer]}", f"dev-a:  {{country: US, roles: [{role}]}}"),
                 ("{role: developer, at_least: 2}", "{role: developer, at_least: 1}"))  # fmt: skip
    assert broken(terms(), hats) == ["two-hats"]


LIMIT = "  - id: too-large\n    when: {more_than: [run.cumulative_flop, 1e24 FLOP]}\n    then: refuse\n"


@pytest.mark.parametrize(("bound", "void"), [("9e21", True), ("1e22", True), ("1.1e22", False)])
def test_an_approval_that_the_other_refuses_is_void(bound, void):
    """Asked above 1e22 FLOP: refused from below or at that bound on nothing can be approved, refused above it some can."""
    strict = terms((LIMIT, LIMIT.replace("1e24", bound)), ("  - id: report-first\n", "  - id: report-first\n    until: 2027-01-01\n"))  # fmt: skip
    found = [text for found, _, text in claims(terms(), strict) if found == "void-approval"]
    told = "whatever report-first of a approves, too-large of b refuses to whoever is bound by both"
    assert (told in found) is void


def test_a_refusal_that_begins_later_or_only_in_an_emergency_voids_nothing():
    """It must apply whenever the approval is asked for."""
    strict = LIMIT.replace("1e24", "1e22")
    for more in ("    from: {after_entry: 1 d}\n", "    while: call\n"):
        found = claims(terms(), terms((LIMIT, strict + more)))
        assert not [text for found_, _, text in found if found_ == "void-approval" and text.startswith("whatever report-first of a")]  # fmt: skip


def test_names_that_mean_two_things_are_told():
    """A party of two countries, an indicator in two units."""
    other = terms(("dev-b:  {country: GB", "dev-b:  {country: FR"))
    assert broken(terms(), other) == ["same-party"]
    days = terms(("spread: {supplied_by: developer, every: 7 d, unit: x}", "spread: {supplied_by: developer, every: 7 d, unit: d}"), ("[spread, 5 x]", "[spread, 5 d]"))  # fmt: skip
    assert broken(terms(), days) == ["same-indicator"]


def test_texts_without_a_party_in_common_are_told_so():
    """Neither binds whom the other binds; nothing else is claimed broken."""
    people = PARTIES.replace("dev-", "lab-").replace("aud-", "see-").replace("auth-", "gov-").replace("cloud", "iron").replace("buyer", "shop")  # fmt: skip
    names = [("dev-", "lab-"), ("aud-", "see-"), ("auth-", "gov-"), ("cloud", "iron"), ("buyer", "shop")]
    body = BODY
    for old, new in names:
        body = body.replace(old, new)
    found = claims(terms(), terms(body=body, parties=people))
    assert [verdict for _, verdict, _ in found if verdict == "broken"] == []
    assert [text for found_, _, text in found if found_ == "same-party"] == [
        "no party stands in a and b: neither binds whom the other binds"
    ]


def test_what_holds_for_whoever_is_bound_by_both_is_listed():
    """The shortest times, which ends first, and every bound at which the two differ."""
    other = terms(("calm: 6 h", "calm: 1 h"), ("halt_within: 15 min", "halt_within: 20 min"), (LIMIT, LIMIT.replace("1e24", "1e23")),
                  ("version: 1\n", "version: 1\nexpires: 2030-01-01\n"))  # fmt: skip
    listed = [text for _, verdict, text in claims(terms(), other) if verdict == "listed"]
    assert listed[0].startswith("a job under a, b runs only with permits of all, the shortest of 1 h")
    assert listed[0].endswith("within 15 min")
    assert "b expires at 2030-01-01T00:00:00Z; then a binds alone" in listed
    assert any(each.startswith("training of more than 1e23 FLOP in all: refused by b") for each in listed)


def test_the_command_tells_it_of_files_and_exits_by_it(tmp_path):
    """Each accord by the name of its file; 1 where something is broken."""
    for name, body in (("ours", BODY + KEEPS), ("theirs", BODY)):
        (tmp_path / f"{name}.yaml").write_text(text(body=body), "utf-8")
    files = [str(tmp_path / f"{name}.yaml") for name in ("ours", "theirs")]
    told = CliRunner().invoke(main, ["accord", "check", *files])
    assert told.exit_code == 1
    assert "✗ broken     confidential: ours keeps run.planned_flop committed, and theirs has it public" in told.stdout
    found = json.loads(CliRunner().invoke(main, ["accord", "check", *files, "--json"]).stdout)["claims"]
    assert {claim["id"] for claim in found if claim["verdict"] == "broken"} == {"kept-apart"}
    twice = CliRunner().invoke(main, ["accord", "check", files[0], files[0]])
    assert (twice.exit_code, "two files of one name" in twice.stderr) == (2, True)
