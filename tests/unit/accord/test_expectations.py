"""What a scenario table may expect: how it is read, when it is met, and what is told that was got instead."""

import pytest

from detente.accord.document import read_document
from detente.accord.expectation_reading import EXPECTATIONS, ExpectationReader
from detente.accord.scenario import Restricted
from detente.accord.scenario_checking import Scene, judge
from detente.accord.terms import parse_terms
from detente.base.errors import Refused
from detente.base.instant import Instant, parse_duration
from tests.accord_play import BODY, DAY, PARTIES, T0, Play, founding
from tests.screening_play import Screened

DUTIES = """\
duties:
  - {id: done, of: developer, found_by: auditor, by: {after_entry: 30 s}}
  - {id: shown, of: developer, found_by: auditor, on_request: {by: authority, within: 1 d}}
"""
ESCALATION = "    escalation: {to: [auth-1], after: 100 s, within: 1 d}\n"
TEXT = (
    BODY.replace("every: 7 d, ", "")
    .replace("    need: {humans", f"{ESCALATION}    need: {{humans")
    .replace("triggers:\n", f"{DUTIES}triggers:\n")
    .replace("challenge_within: 72 h", "challenge_within: 10 s")
    + "screening: {by: [auditor], rate: 5 %, decisions: {count: 10, per: 7 d}, window: 365 d}\n"
)
TERMS = parse_terms((TEXT + PARTIES).encode(), template=True)
KNOWN = {
    "small": ("run", "dev-a"), "large": ("run", "dev-a"), "never": ("run", "dev-b"), "change": ("proposal", "dev-a"),
    "model": ("version", "dev-a"), "breach": ("finding", "aud-2"), "fine": ("finding", "aud-2"),
}  # fmt: skip


def read(text):
    errors = []
    reader = ExpectationReader(TERMS, KNOWN, errors, lambda node: parse_duration(node.text.removeprefix("+")))
    found = reader.read(read_document(text.encode()))
    return found, errors


def refused(text):
    """The numbers of everything that is wrong with it."""
    try:
        found, errors = read(text)
    except Refused as error:
        return [error.rule]
    assert errors or found
    return [error.rule for error in errors]


@pytest.fixture(scope="module")
def scene():
    """A slowdown of everybody, a pause that was lifted, another of dev-a that goes on; a breach; a seed let pass; things that are held."""
    play = Screened(founding(TEXT)).begin()
    named = {
        "small": play.run("dev-a", T0 + 80),
        "large": play.run("dev-a", T0 + 80, flop="1e25", name="run-2"),
        "never": play.run("dev-b", T0 + 80, name="run-3"),
        "change": play.propose("dev-a", T0 + 90),
        "model": play.model("dev-a", "model", T0 + 90, by="human"),
    }
    play.seed("bad", T0 + 120, "approve", commitment=play.commit("bad", at=T0 + 100))
    play.measure("aud-1", 30, T0 + 150, indicator="doubling", unit="d")
    for party, at in (("aud-1", 200), ("auth-1", 201)):
        play.vote(party, "pause", T0 + at)
    for party, at in (("aud-1", 300), ("auth-1", 301), ("auth-2", 302)):
        play.vote(party, "lift", T0 + at)
    named["breach"] = play.find("aud-2", "dev-b", T0 + 400)
    for party in ("auth-1", "auth-2"):
        play.rule(party, named["breach"], "dev-b", T0 + 420)
    play.measure("dev-a", 9, T0 + 500)
    play.halt("dev-a", named["small"], T0 + 510)
    play.vote("cloud", "pause", T0 + 520)
    play.vote("aud-1", "lift", T0 + 530, trigger="spreading", scope="dev-a")
    named["fine"] = play.find("aud-2", "dev-b", T0 + 540)
    play.find("aud-2", "dev-b", T0 + 541, claim="fulfils done")
    return Scene(play.state, Instant(T0 + 700), Instant(T0), named)


MET = {
    "phase": ("in_force", "expired"),
    "bound": ("dev-a", "cloud"),
    "not_bound": ("cloud", "dev-a"),
    "paused": (
        "{party: dev-a, by: spreading, since: 500 s, round: 0, because: spread ≥ 5 x}",
        "{party: dev-a, by: call}", "{party: dev-a, since: 501 s}", "{party: dev-a, round: 1}",
        "{party: dev-a, because: nothing}", "{party: dev-b}",
    ),
    "not_paused": ("{party: dev-b}", "{party: dev-a}", "{party: [dev-b, dev-a]}"),
    "slowed": ("{party: [dev-a, dev-b], rate: 10 %}", "{party: dev-a, rate: 11 %}", "{party: dev-a, by: spreading}"),
    "not_slowed": ("{party: dev-a, by: call}", "{party: dev-a, activity: training}"),
    "free": ("{run: small}", "{run: large}", "{change: change}"),
    "held": (
        "{change: change, by: self-modification, because: 2 more human}", "{run: small}", "{run: large}",
        "{change: change, because: nothing}",
    ),
    "refused": ("{run: large, by: too-large}", "{run: large, by: report-first, because: nothing}", "{run: small}"),
    "lifted": ("{trigger: call, round: 0}", "{trigger: call, round: 1}", "{trigger: spreading, scope: dev-a}"),
    "not_lifted": ("{trigger: spreading, scope: dev-a}", "{trigger: call}"),
    "lapsed": (None, "{trigger: call}"),
    "not_lapsed": ("{trigger: call}", None),
    "ended_by_expiry": (None, "{trigger: call}"),
    "duty": (
        "[{duty: done, party: dev-a, is: overdue}, {duty: done, party: dev-b, is: fulfilled}, {duty: shown, party: dev-a, is: unasked}]",
        "{duty: done, party: dev-a, is: fulfilled}", "{duty: done, party: cloud, is: overdue}",
    ),
    "latched": ("{trigger: spreading, scope: dev-a, round: 0}", "{trigger: call}", "{trigger: fast, round: 1}"),
    "not_latched": ("{trigger: call}", "{trigger: fast}"),
    "lift_lacks": (
        "{trigger: spreading, scope: dev-a, because: 2 more authority}",
        "{trigger: spreading, scope: dev-a, because: 1 more auditor}", "{trigger: call, because: authority}",
    ),
    "halt": (
        "[{run: small, is: declared}, {run: never, is: not_listed}]", "{run: small, is: running}", "{run: never, is: declared}",
    ),
    "finding": ("[{finding: breach, is: breach}, {finding: fine, is: open}]", "{finding: fine, is: breach}"),
    "seeds": ("{caught: 0, decided: 1, void: 0, open: 0}", "{caught: 1}", "{decided: 0}", "{void: 1}", "{open: 1}"),
    "escalation": (
        "{change: change, is: open, to: auth-1}", "{change: change, is: none}", "{change: change, is: open, to: auth-2}",
        "{change: change, is: overdue}",
    ),
    "sanctioned": (
        "[{party: dev-b, act: refuse_compute, by: cloud}, {party: dev-b, act: publish}]",
        "{party: dev-b, act: refuse_compute, by: buyer}", "{party: dev-a, act: publish}",
    ),
    "not_sanctioned": ("{party: dev-a, act: publish}", "{party: dev-b, act: publish}"),
    "released_by_time": (None, "pause_lapsed"),
    "not_released_by_time": ("pause_lapsed", None),
    "without_effect": ("{rule: F05, by: cloud}", "{rule: F05, by: dev-a}", "{rule: F09, by: cloud}"),
    "policy": ("{training: governed}", "{training: free}"),
    "alert": ("yes", "no"),
}  # fmt: skip
"""Each expectation with what is so in the scene, and then what is not."""
SO = [(f"{{{word}: {value[0]}}}", True) for word, value in MET.items() if value[0] is not None]
NOT_SO = [(f"{{{word}: {each}}}", False) for word, value in MET.items() for each in value[1:] if each is not None]


def test_every_expectation_is_tried_in_both_senses():
    """What is only ever met here would be met by anything; lapses and other ends by time have a scene of their own."""
    assert set(MET) == set(EXPECTATIONS)
    only_one = {word for word, value in MET.items() if None in value}
    assert only_one == {"lapsed", "not_lapsed", "ended_by_expiry", "released_by_time", "not_released_by_time"}


@pytest.mark.parametrize(("text", "met"), SO + NOT_SO)
def test_an_expectation_is_met_where_it_is_so_and_not_where_it_is_not(scene, text, met):
    """Of a list every one must be so."""
    found, errors = read(text)
    assert errors == []
    assert all(judge(each, scene).met for each in found) is met


def test_ends_by_time_are_told_from_lifts():
    """A pause that lapsed, one that the sunset ended, and both listed as released by time."""
    ended = TEXT.replace("version: 1\n", "version: 1\nexpires: 2027-12-31\n")
    play = Play(founding(ended)).begin()
    for party in ("aud-1", "auth-1"):
        play.vote(party, "pause", T0 + 200)
        play.vote(party, "pause", T0 + 300 * DAY, number=1)
    scene = Scene(play.state, Instant(T0 + 400 * DAY), Instant(T0), {})
    so = "{lapsed: {trigger: call}, ended_by_expiry: {trigger: call, round: 1}, released_by_time: [pause_lapsed, accord_expired], not_lifted: {trigger: call}}"  # fmt: skip
    not_so = "{not_lapsed: {trigger: call}, not_released_by_time: pause_lapsed, lifted: {trigger: call}, lapsed: {trigger: call, round: 1}}"  # fmt: skip
    assert [judge(each, scene).met for each in read(so)[0]] == [True] * 5
    assert [judge(each, scene).met for each in read(not_so)[0]] == [False] * 4


def test_what_was_got_is_told_with_what_it_rests_on(scene):
    """Met or not: the pause with its round and time, and the measurement behind it."""
    [expected] = read("{paused: {party: dev-a, activity: training, by: call}}")[0]
    judged = judge(expected, scene)
    assert judged.got == "training of dev-a is paused by spreading round 0 since 2027-01-15T08:08:20Z"
    cited = {statement for reason in judged.reasons for statement in reason.cites}
    measured = {item.id for item in scene.state.items.values() if item.kind == "measurement" and item.time == T0 + 500}
    assert cited == measured
    assert judged.as_json()["expected"] == "training of dev-a is paused by call"


def test_without_an_activity_each_that_a_pause_stops_is_meant():
    """One expectation for each, and for each of several parties."""
    found, _ = read("{not_paused: {party: [dev-a, dev-b]}}")
    assert [(each.party, each.activity) for each in found if isinstance(each, Restricted)] == [
        ("dev-a", "training"), ("dev-a", "self_improvement"), ("dev-b", "training"), ("dev-b", "self_improvement"),
    ]  # fmt: skip


MISSPELT = [
    ("{}", ["X03"]),
    ("{paused: {party: dev-x}}", ["X01"]),
    ("{not_paused: {party: dev-a, by: cal}}", ["X06"]),
    ("{not_lifted: {trigger: spreading}}", ["X06"]),
    ("{not_lifted: {trigger: call, scope: dev-a}}", ["X06"]),
    ("{refused: {run: large, by: to-large}}", ["X06"]),
    ("{duty: {duty: doen, party: dev-a, is: open}}", ["X06"]),
    ("{free: {run: model}}", ["X04"]),
    ("{free: {change: small}}", ["X04"]),
    ("{held: {release: change}}", ["X04"]),
    ("{finding: {finding: small, is: open}}", ["X04"]),
    ("{free: {}}", ["X03"]),
    ("{phase: over}", ["T08"]),
    ("{alert: perhaps}", ["T08"]),
    ("{policy: {training: slow}}", ["T08"]),
    ("{sanctioned: {party: dev-b, act: fine}}", ["T08"]),
    ("{not_released_by_time: sunset}", ["T08"]),
    ("{halt: {run: small, is: stopped}}", ["T08"]),
    ("{not_paused: {party: dev-a, since: 500 s}}", ["T06"]),
    ("{paused: {party: dev-a, rate: 10 %}}", ["T06"]),
    ("{free: {run: small, by: too-large}}", ["T06"]),
    ("{not_latched: {trigger: call, round: 0}}", ["T06"]),
    ("{pasued: {party: dev-a}}", ["T06"]),
    ("{seeds: {}}", ["X03"]),
    ("{seeds: {caugth: 1}}", ["T06"]),
    ("{paused: {party: dev-x}, duty: {duty: doen, party: dev-a, is: open}}", ["X01", "X06"]),
]


@pytest.mark.parametrize(("text", "rules"), MISSPELT)
def test_what_could_never_fail_or_hold_is_refused(text, rules):
    """A misspelt trigger is never latched, and "not paused by cal" would hold for ever: each by its number, all at once."""
    assert refused(text) == rules
