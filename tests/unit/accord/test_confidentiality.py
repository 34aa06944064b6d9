"""What the terms keep for auditors or behind a commitment: who is given it, what may not be spelled out, who learns it."""

from dataclasses import fields
from decimal import Decimal

import pytest

from detente.accord.checking.disclosure import check_disclosure
from detente.accord.confidentiality import EVIDENCE, KNOWN, Readers
from detente.accord.difference import compare_terms
from detente.accord.reading import TermsRefused
from detente.accord.status import run_standing
from detente.accord.terms import parse_terms
from detente.app.blobs import readers_of
from detente.base.digest import sha256_hex
from detente.statement.commitment import Committed
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from detente.statement.measurement import Measurement
from detente.statement.proposal import Proposal
from detente.statement.resumed import Resumed
from detente.statement.run import Run
from detente.statement.version import Version
from tests.accord_play import BODY, PARTIES, T0, Play, founding
from tests.vectors.write_accord_vectors import SMALL

NOW = T0 + 1_000
KEPT = "confidential: {run.code: auditor-only, run.planned_flop: committed}\n"
TERMS = founding(BODY + KEPT)
BODIES = {
    "run": Run, "version": Version, "proposal": Proposal, "halted": Halted, "resumed": Resumed,
    "measurement": Measurement, "finding": Finding,
}  # fmt: skip
CODE, DATA, CONFIG = (sha256_hex(name) for name in (b"code", b"data", b"config"))


def read(text):
    return parse_terms(text.encode(), template=True)


def run_with(play, party, at, *, code=CODE, flop=None, name="run-1"):
    planned = Committed("c" * 64) if flop is None else Decimal(flop)
    return play.say(party, "run", Run(name, "training", planned, (), (DATA,), code=code, config=CONFIG), at)


def given_to(play, digest):
    found = readers_of(play.state, NOW).of(digest)
    return found if found is None else set(found)


def test_bytes_that_are_kept_go_to_auditors_and_to_whoever_stated_them():
    """A competitor, a mirror and an authority are none of these; what other fields name goes to anybody."""
    play = Play(TERMS).begin()
    run_with(play, "dev-a", T0 + 100)
    assert given_to(play, CODE) == {"aud-1", "aud-2", "dev-a"}
    assert given_to(play, DATA) is None
    assert given_to(play, CONFIG) is None


def test_whoever_repeats_the_digest_of_another_gains_nothing():
    """Named by two parties: then only auditors are given it, in whatever field the second names it."""
    play = Play(TERMS).begin()
    run_with(play, "dev-a", T0 + 100)
    play.hear("dev-b", "run", Run("copy", "training", Committed("c" * 64), (), (CODE,)))
    assert given_to(play, CODE) == {"aud-1", "aud-2"}


def test_a_statement_without_effect_opens_nothing():
    """A run that is refused for spelling out its plan still keeps its code."""
    play = Play(TERMS).begin()
    run_with(play, "dev-a", T0 + 100, flop="1e20")
    assert [note.rule for note in play.state.notes] == ["F23"]
    assert given_to(play, CODE) == {"aud-1", "aud-2", "dev-a"}


def test_bytes_that_nobody_named_are_kept_until_somebody_does():
    """What names them may not have been heard of here yet."""
    play = Play(TERMS).begin()
    assert given_to(play, CODE) == {"aud-1", "aud-2"}


def test_terms_that_keep_nothing_give_everything_to_anybody():
    """And so do those that keep amounts only."""
    assert Readers(frozenset({"aud-1"}), {}).of(CODE) is None
    assert Readers(frozenset({"aud-1"}), {"run.planned_flop": "committed", "run.code": "public"}).of(CODE) is None


def test_the_text_of_an_amendment_is_everybodys():
    """Whoever is to sign it has to read it."""
    play = Play(TERMS).begin()
    text = founding(BODY.replace("version: 1", "version: 2"))
    play.amend(text, T0 + 100)
    assert given_to(play, sha256_hex(text)) is None


def test_a_run_that_spells_out_its_plan_has_no_effect():
    """F23, stored and cited; nothing may run on it, while one that commits is judged by its bound."""
    play = Play(TERMS).begin()
    open_ = run_with(play, "dev-a", T0 + 100, flop="1e20")
    kept = run_with(play, "dev-a", T0 + 110, name="run-2")
    assert run_standing(play.state, open_, NOW).held_by == ("declaration",)
    assert run_standing(play.state, kept, NOW).held_by == ("report-first", "too-large")
    play.find("aud-1", "dev-a", T0 + 200, claim="below 1e22 FLOP", run=kept)
    assert run_standing(play.state, kept, NOW).outcome == "free"
    assert [(note.rule, note.statement) for note in play.state.notes] == [("F23", open_)]


def test_what_was_declared_before_terms_kept_it_back_stays_said():
    """A statement is judged by the terms that it speaks under."""
    play = Play().begin()
    run = run_with(play, "dev-a", T0 + 100, flop="1e20")
    play.amend(founding(BODY.replace("version: 1", "version: 2") + KEPT), T0 + 200)
    assert run_standing(play.state, run, T0 + 10 * 86_400).outcome == "free"
    play.version = 2
    later = run_with(play, "dev-a", T0 + 10 * 86_400, flop="1e20", name="run-2")
    assert [(note.rule, note.statement) for note in play.state.notes] == [("F23", later)]


WRONG = [
    ("{run.weights: auditor-only}", "T43"),
    ("{run.\u0441ode: auditor-only}", "T43"),
    ("{run.code: committed}", "T44"),
    ("{run.planned_flop: auditor-only}", "T44"),
    ("{run.code: secret}", "T08"),
    ("[run.code]", "T07"),
    ("{run.code: [auditor-only]}", "T07"),
]


@pytest.mark.parametrize(("text", "rule"), WRONG, ids=[each for each, _ in WRONG])
def test_a_field_that_cannot_be_kept_so_is_refused_with_its_place(text, rule):
    """Known fields, each with the classes that it can have."""
    with pytest.raises(TermsRefused) as refused:
        read(f"{SMALL}confidential: {text}\n")
    assert [each.rule for each in refused.value.all] == [rule]
    assert refused.value.got.startswith(f"{len(SMALL.splitlines()) + 1}:")


def test_every_error_in_what_is_kept_is_told_at_once():
    """Three wrong fields, three refusals."""
    with pytest.raises(TermsRefused) as refused:
        read(SMALL + "confidential: {run.weights: public, run.code: committed, run.data: hidden}\n")
    assert [each.rule for each in refused.value.all] == ["T43", "T44", "T08"]


def test_terms_that_keep_what_nobody_may_look_at_are_refused():
    """T45: kept from everybody, it would restrict nobody."""
    with pytest.raises(TermsRefused) as refused:
        read(SMALL.replace("auditor", "authority") + "confidential: {run.code: auditor-only}\n")
    assert {each.rule for each in refused.value.all} == {"T45"}


def test_a_difference_in_what_is_kept_is_told_by_its_field():
    """To commit to a plan is tighter than to declare it; who reads code changes no leave."""
    plain, kept = read(SMALL), read(SMALL + KEPT)
    assert [(each.effect, each.text) for each in compare_terms(plain, kept)] == [
        ("changes", "changes who learns run.code from public to auditor-only"),
        ("tightens", "changes who learns run.planned_flop from public to committed"),
    ]
    assert [each.effect for each in compare_terms(kept, plain)] == ["changes", "loosens"]


def test_check_finds_no_competitor_where_auditors_do_not_develop():
    """Both kinds hold, and what everybody sees all the same is listed."""
    claims = list(check_disclosure(read(BODY + KEPT + PARTIES)))
    assert [claim.verdict for claim in claims] == ["holds", "holds", "listed"]


def test_check_names_the_developer_that_audits_its_competitors_with_a_trace():
    """Broken: who learns it, of whom, and how."""
    text = BODY + KEPT + PARTIES.replace("dev-b:  {country: GB, roles: [developer]}", "dev-b:  {country: GB, roles: [developer, auditor]}")  # fmt: skip
    broken = [claim for claim in check_disclosure(read(text)) if claim.verdict == "broken"]
    assert [claim.id for claim in broken] == ["competitor-learns"]
    assert broken[0].text == "dev-b, a developer, learns run.code of dev-a"
    assert broken[0].trace[1] == "dev-b asks for them as the auditor that it is too, and is given them"


def test_check_lists_a_developer_that_mirrors():
    """It stores statements and digests, and no bytes."""
    text = BODY + KEPT + PARTIES.replace("dev-b:  {country: GB, roles: [developer]}", "dev-b:  {country: GB, roles: [developer, mirror]}").replace("aud-2:  {country: JP, roles: [auditor, mirror]}", "aud-2:  {country: JP, roles: [auditor]}")  # fmt: skip
    said = [claim.text for claim in check_disclosure(read(text)) if claim.verdict == "listed"]
    assert any(each.startswith("dev-b develops and mirrors") for each in said)


def test_check_objects_to_bounds_that_only_competitors_could_find():
    """An inspector is shown the value; where each is a developer, a competitor learns it; where none is left, it stays unknown."""
    small = SMALL.replace("aud-3: {country: DE, roles: [authority", "aud-3: {country: DE, roles: [research")
    kept = "confidential: {run.planned_flop: committed}\n"
    both = small.replace("roles: [auditor,", "roles: [developer, auditor,")
    (broken,) = check_disclosure(read(both + kept))
    assert (broken.id, broken.verdict) == ("competitor-learns", "broken")
    alone = both.replace("aud-2: {country: JP, roles: [developer, auditor,", "aud-2: {country: JP, roles: [research,")
    alone = alone.replace("dev-a: {country: US, roles: [developer]}", "dev-a: {country: US, roles: [research]}")
    alone = alone.replace("at_least: 2}", "at_least: 1}").replace("{auditor: 2}", "{auditor: 1}")
    (broken,) = check_disclosure(read(alone + kept))
    assert (broken.id, broken.verdict) == ("unfulfillable", "broken")


def test_check_objects_to_reviewers_who_are_not_given_what_they_approve():
    """A hold point for authorities over a change that is kept for auditors cannot be passed with open eyes."""
    kept = "confidential: {proposal.change: auditor-only}\n"
    text = (BODY + kept + PARTIES).replace("same_host: refuse}", "same_host: refuse, by: [authority]}")
    broken = [claim for claim in check_disclosure(read(text)) if claim.verdict == "broken"]
    assert [claim.id for claim in broken] == ["unfulfillable"]


@pytest.mark.parametrize("name", EVIDENCE)
def test_every_field_that_can_be_kept_is_a_member_of_its_statement(name):
    """A field renamed in a predicate would be kept in name alone."""
    kind, _, member = name.partition(".")
    assert member in {field.name for field in fields(BODIES[kind])}
    assert name in KNOWN
