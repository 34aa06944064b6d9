"""What must hold between the sections of terms: every bound at its last number, every name in every place that has names."""

import pytest

from detente.accord.reading import TermsRefused, read_terms
from tests.accord_play import BODY, PARTIES

CHECKPOINT = """\
checkpoints:
  - id: capable
    on: run.start
    when: {at_least: [spread, 5 x]}
    need: {certifications: [honest], by: [BY], count: COUNT}
"""
DUTY = "duties:\n  - {id: done, of: OF, found_by: FOUND, on_request: {by: ASK, within: 1 d}}\n"


def edited(*edits, text=BODY):
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def rules(*edits, text=BODY, parties=PARTIES):
    """The numbers of everything that is refused, and no two of one place."""
    try:
        read_terms((edited(*edits, text=text) + parties).encode(), template=True)
    except TermsRefused as refused:
        return [each.rule for each in refused.all]
    return []


def test_the_terms_of_these_tests_are_sound():
    """So that what is refused below is refused for what was edited."""
    assert rules() == []


def mirrored(count):
    """So many parties, all mirrors of which none may fail."""
    names = [f"m-{number}" for number in range(count)]
    roles = "[mirror, auditor, authority, adjudicator]"
    parties = "parties:\n" + "".join(f"  {name}: {{country: US, roles: {roles}}}\n" for name in names)
    return (
        "accord: n\nversion: 1\n" + parties
        + f"mirrors: {{may_fail: 0, witness: {min(count, 16)}, issue: {min(count, 16)}, settle: 1 s}}\n"
        + "pause: {activities: [training], halt_within: 1 s}\nlift: {votes: {auditor: 1}}\n"
        + "permits: {life: {calm: 2 s, alert: 1 s}}\n"
    )  # fmt: skip


@pytest.mark.parametrize(("count", "sound"), [(2, False), (3, True), (16, True), (17, False)])
def test_three_to_sixteen_mirrors(count, sound):
    """T12: at either end, and one beyond it."""
    assert rules(text=mirrored(count), parties="") == ([] if sound else ["T12"])


@pytest.mark.parametrize("mirrors", ["[aud-1, aud-2, auth-1, cloud]", "[aud-1, aud-2, auth-1, aud-1]", "[aud-1, aud-2, auth-1, nobody]"])  # fmt: skip
def test_mirrors_are_distinct_parties_with_that_role(mirrors):
    """T12 too where a name stands twice, or nobody has it."""
    assert set(rules(("{may_fail: 1,", f"{{parties: {mirrors}, may_fail: 1,"))) == {"T12"}


QUORUMS = {
    "lift": ("votes: {auditor: 1, authority: 2}", "votes: {auditor: %d}", 2),
    "amendment": ("votes: {developer: 1, authority: 2}", "votes: {authority: %d}", 2),
    "adjudication": ("votes: {adjudicator: 2}", "votes: {adjudicator: %d}", 3),
    "renewal": ("version: 1\n", "version: 1\nexpires: 2030-01-01\nrenewal: {for: 1 d, at_most: 1, votes: {developer: %d}}\n", 2),
    "confirmation": ("    then: slowdown\n", "    then: slowdown\n    lapses: {after: 1 d, unless: {any: %d}}\n", 8),
    "two roles of one party": ("votes: {adjudicator: 2}", "votes: {adjudicator: 3, mirror: %d}", 1),
}  # fmt: skip


@pytest.mark.parametrize("section", QUORUMS)
def test_a_quorum_asks_for_no_more_than_there_are(section):
    """T13: as many as hold the role can meet it, one more cannot; of a party with two roles one seat is filled."""
    old, new, most = QUORUMS[section]
    assert [rules((old, new % asked)) for asked in (most, most + 1)] == [[], ["T13"]]


@pytest.mark.parametrize(("by", "most"), [("auditor", 2), ("developer", 1), ("auditor, developer", 3)])
def test_a_checkpoint_asks_for_no_more_than_are_left_without_the_author(by, most):
    """T42: nobody certifies their own, so a developer among them counts for none of its own."""
    checkpoints = [CHECKPOINT.replace("BY", by).replace("COUNT", str(asked)) for asked in (most, most + 1)]
    assert [rules(("triggers:\n", f"{text}triggers:\n")) for text in checkpoints] == [[], ["T42"]]


@pytest.mark.parametrize(("alert", "calm", "sound"), [(0, 600, False), (1, 600, True), (600, 600, True), (601, 600, False)])  # fmt: skip
def test_a_permit_lives_longer_than_nothing_and_no_longer_in_alert(alert, calm, sound):
    """T23: equal lives are sound."""
    assert rules(("{calm: 6 h, alert: 10 min}", f"{{calm: {calm} s, alert: {alert} s}}")) == ([] if sound else ["T23"])


SPANS = [
    ("{after_entry: 10 d}", "{after_entry: 864001 s}", True),
    ("{after_entry: 10 d}", "{after_entry: 10 d}", False),
    ("2027-06-01", "2027-06-01T00:00:01Z", True),
    ("2027-06-01", "2027-06-01", False),
    ("2027-06-01", "{after_entry: 0 s}", True),
]


@pytest.mark.parametrize(("begins", "ends", "sound"), SPANS)
@pytest.mark.parametrize("rule", ["  - id: too-large\n", "    on: version.train\n", "  - id: call\n", "    then: slowdown\n"])  # fmt: skip
def test_a_rule_applies_at_some_instant(rule, begins, ends, sound):
    """T30: a second is enough, none is not; a date and a span from entry into force cannot be held against each other."""
    assert rules((rule, f"{rule}    from: {begins}\n    until: {ends}\n")) == ([] if sound else ["T30"])


@pytest.mark.parametrize(("by", "until", "sound"), [(10, 11, True), (10, 10, False)])
def test_a_duty_does_not_end_before_it_is_due(by, until, sound):
    """T30 as for a rule: due at ten days, it is one for a day, and for none it is none."""
    text = f"duties:\n  - {{id: done, of: developer, found_by: auditor, by: {{after_entry: {by} d}}, until: {{after_entry: {until} d}}}}\n"
    assert rules(("triggers:\n", f"{text}triggers:\n")) == ([] if sound else ["T30"])


COMPARED = [
    ("cumulative_flop, 1e25 FLOP", []),
    ("cumulative_flop, 1e25", ["T21"]),
    ("self_depth, 3", []),
    ("self_depth, 3 x", ["T21"]),
    ("spread, 5 x", []),
    ("spread, 5 d", ["T21"]),
    ("height, 5 x", ["T20"]),
]


@pytest.mark.parametrize(("compared", "found"), COMPARED)
def test_what_is_compared_is_supplied_and_in_its_unit(compared, found):
    """T20, T21: in a trigger, in the lift and in a checkpoint alike; what is computed from the lineage needs no supplier."""
    checkpoint = CHECKPOINT.replace("BY", "auditor").replace("COUNT", "1").replace("spread, 5 x", compared)
    assert rules(("at_least: [spread, 5 x]", f"at_least: [{compared}]")) == found
    assert rules(("when: {none_open: finding}", f"when: {{less_than: [{compared}]}}")) == found
    assert rules(("triggers:\n", f"{checkpoint}triggers:\n")) == found


NAMED = {
    "votes": ("of: [auditor, authority]", "of: [NAME]"),
    "supplier": ("supplied_by: developer", "supplied_by: NAME"),
    "approval": ("approval_of: [auth-1, auth-2]", "approval_of: [NAME]"),
    "lift": ("veto_on_purpose: [auth-1, auth-2]", "alone_on_purpose: [NAME]"),
    "trigger": ("    then: slowdown\n", "    then: slowdown\n    alone_on_purpose: [NAME]\n"),
    "consequence": ("cloud: refuse_compute", "NAME: refuse_compute"),
    "hold point": ("same_host: refuse", "same_host: refuse, by: [NAME]"),
    "finding": ("when: {at_least: [spread, 5 x]}", "when: {open_finding: {by: [NAME]}}"),
    "entry": ("{acceded: {role: developer, at_least: 2}}", "{acceded: {parties: [NAME]}}"),
    "duty": ("triggers:\n", DUTY.replace("OF", "NAME").replace("FOUND", "auditor").replace("ASK", "auditor") + "triggers:\n"),
    "inspector": ("triggers:\n", DUTY.replace("OF", "developer").replace("FOUND", "NAME").replace("ASK", "auditor") + "triggers:\n"),
    "asker": ("triggers:\n", DUTY.replace("OF", "developer").replace("FOUND", "auditor").replace("ASK", "NAME") + "triggers:\n"),
    "certifier": ("triggers:\n", CHECKPOINT.replace("BY", "NAME, auditor").replace("COUNT", "1") + "triggers:\n"),
    "reciprocity": ("withdrawal:", "reciprocity: {when: {ruling: breach, of: NAME, uncured_for: 7 d}, then: release_others}\nwithdrawal:"),
}  # fmt: skip
PARTIES_ALONE = {"approval", "lift", "trigger", "consequence", "entry"}
"""Places where a role would leave open who it is."""


@pytest.mark.parametrize("place", NAMED)
def test_whoever_is_named_is_there(place):
    """T09: a party wherever there are names, a role that somebody has where roles may stand, and nobody else."""
    old, new = NAMED[place]
    assert [rules((old, new.replace("NAME", name))) for name in ("auth-1", "nobody", "witness")] == [
        [],
        ["T09"],
        ["T09"],
    ]
    assert rules((old, new.replace("NAME", "authority"))) == (["T09"] if place in PARTIES_ALONE else [])


def test_everything_that_is_wrong_is_said_at_once():
    """Between the sections, too: four rules of four sections in one refusal."""
    assert sorted(
        rules(
            ("settle: 60 s", "settle: 60 s, parties: [aud-1, aud-2]"),
            ("votes: {adjudicator: 2}", "votes: {adjudicator: 9}"),
            ("supplied_by: developer", "supplied_by: nobody"),
            ("alert: 10 min", "alert: 10 h"),
        )
    ) == ["T09", "T11", "T12", "T13", "T23"]
