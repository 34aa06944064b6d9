"""Writes vectors/terms, accord, accord-members and accord-times anew: ``python -m tests.vectors.write_accord_vectors``. The same bytes each time."""

import json
import shutil
from decimal import Decimal
from pathlib import Path

from detente.accord.screened import screened_at
from detente.accord.terms import parse_terms
from detente.base.instant import show_instant
from detente.accord.status import change_standing
from detente.statement.accession import Accession
from detente.statement.facility import Facility
from detente.statement.keys import Enrolment, KeyRotation, prove_possession
from detente.testing.authenticator import Passkey
from tests.accord_play import BODY, DAY, PARTIES, SETTLE, T0, Play, founding, keys_text, signer
from tests.screening_play import Screened

VECTORS = Path(__file__).resolve().parents[2] / "vectors"

SMALL = """\
accord: small
version: 1
parties:
  dev-a: {country: US, roles: [developer]}
  aud-1: {country: CA, roles: [auditor, mirror]}
  aud-2: {country: JP, roles: [auditor, mirror]}
  aud-3: {country: DE, roles: [authority, mirror]}
mirrors: {may_fail: 0, witness: 2, issue: 2, settle: 60 s}
limits:
  - {id: big, when: {more_than: [run.cumulative_flop, 1e24 FLOP]}, then: refuse}
triggers:
  - {id: call, when: {votes: {of: [auditor], at_least: 2}}, then: pause, scope: all}
pause: {activities: [training], halt_within: 15 min}
lift: {votes: {auditor: 2}}
permits: {life: {calm: 1 h, alert: 10 min}}
"""
SMALL_PARTIES = ("dev-a", "aud-1", "aud-2", "aud-3")
KEYED = SMALL + keys_text(SMALL_PARTIES, SMALL_PARTIES[1:])


def edit(text, old, new):
    assert old in text, old
    return text.replace(old, new, 1)


CONFIDENTIAL = "confidential: {run.code: auditor-only, run.planned_flop: committed, run.data: public}\n"
CHECKPOINT = """\
checkpoints:
  - id: large
    on: run.start
    when: {more_than: [run.planned_flop, 1e23 FLOP]}
    need: {certifications: [honest], by: [auditor], count: 1}
"""
SCREENING = """\
hold_points:
  - {id: next, on: version.train, when: {change.proposer: model}, need: {humans: 1, device: software, screened: yes}}
screening:
  by: [auditor]
  rate: 5 %
  decisions: {count: 10, per: 7 d}
  window: 365 d
  minimum: {caught: 80 %, confidence: 95 %}
"""
ASKED = edit(SMALL, "triggers:\n", "triggers:\n  - {id: no-access, when: {overdue: inspection}, then: pause, scope: party}\n") + """\
duties:
  - id: inspection
    of: developer
    found_by: auditor
    on_request: {by: [auditor, authority], within: 24 h, most: {number: 20, every: 365 d}}
"""
TIMED = """\
hold_points:
  - id: next
    on: version.train
    when: {change.proposer: model}
    need: {humans: 1, device: software, by: [auditor]}
    approved_for: 30 d
    decide_within: 14 d
    escalation: {to: [authority], after: 5 d, within: 5 d}
"""
SOURCED = edit(SMALL, "id: big", "id: big.first") + """\
sources:
  limits.big.first: {of: "A draft, version 2", clause: Art. 1, wording: primary, rules: [draft-1], says: no run above it}
  limits.big.first.when:
    - {of: "A draft, version 2", clause: Art. 2, wording: reading, url: "https://example.org/2", leaves_open: what counts}
    - {our_choice: what went into the parents counts}
  pause.halt_within: {our_choice: one step}
  parties.dev-a: {our_choice: an example}
  not_expressed:
    - {of: "A draft, version 2", clause: Art. 9, why: nothing here sees chips, rules: [draft-9]}
"""


SUNSET = T0 + 100 * DAY
MEMBERS = edit(
    edit(SMALL, "accord: small\nversion: 1\n", f"accord: members\nversion: 1\nexpires: {show_instant(SUNSET)}\n"),
    "permits:",
    """\
renewal: {for: 365 d, at_most: 1, votes: {developer: 1, authority: 1}}
confidential: {run.planned_flop: committed}
screening: {by: [auditor], rate: 5 %, decisions: {count: 10, per: 7 d}, window: 365 d}
duties:
  - id: inspection
    of: developer
    found_by: auditor
    on_request: {by: [auditor, authority], within: 24 h, most: {number: 1, every: 365 d}}
permits:""",
)
"""Terms with members that most accords leave out."""


def _terms():
    """Name, why, and the bytes; a name that ends in _fail begins with its number."""
    yield "founding", "The smallest terms with mirrors, keys included.", KEYED
    yield "norway", "NO is a country, never a boolean: nothing is guessed.", edit(SMALL, "country: DE", "country: NO")
    yield (
        "self-witnessed",
        "One party that witnesses itself.",
        (
            "accord: alone\nversion: 1\nparties: {lab: {country: US, roles: [developer, safety]}}\nmirrors: self\n"
            "pause: {activities: [training], halt_within: 1 min}\nlift: {votes: {safety: 1}}\n"
            "permits: {life: {calm: 1 h, alert: 1 min}}\n"
        ),
    )
    yield "exact-inequalities", "n = 4, f = 1, q = m = 3: every inequality holds with nothing to spare.", BODY + PARTIES
    yield "confidential", "Code for auditors alone, and plans behind commitments.", SMALL + CONFIDENTIAL
    yield "checkpoint", "A capability checkpoint, which two auditors can meet.", SMALL + CHECKPOINT
    yield "screening", "Known-bad changes in the queue, and reviewers who must be shown to catch them.", SMALL + SCREENING
    yield "hold-times", "Approvals that expire, proposals that lapse, and whom a change is escalated to.", SMALL + TIMED
    yield "on-request", "A challenge inspection: due within 24 hours of a request, twenty times in 365 days.", ASKED
    yield "sources", "Where clauses come from, and what is not expressed; names of clauses may hold dots.", SOURCED
    fails = {
        "T02-not-yaml": ("a mapping that never closes", SMALL + "x: {\n"),
        "T02-not-utf8": ("bytes that are not UTF-8", SMALL.encode() + b"x: \xff\n"),
        "T03-key-twice": ("two members with one name", SMALL + "version: 2\n"),
        "T30-ends-before-it-begins": (
            "a limit until the day it begins", edit(SMALL, "then: refuse", "from: 2027-01-01, until: 2027-01-01, then: refuse")),
        "T31-while-nothing": ("a limit while a trigger that is not there", edit(SMALL, "then: refuse", "while: flood, then: refuse")),
        "T31-no-limits": ("a trigger that starts limits, of which there is none", edit(SMALL, "then: pause", "then: limits")),
        "T32-no-duty": ("a trigger that asks for a duty which is not there", edit(SMALL, "{votes: {of: [auditor], at_least: 2}}", "{overdue: register}")),
        "T33-no-sunset": ("a renewal of what never expires", edit(SMALL, "permits:", "renewal: {for: 365 d, at_most: 1}\npermits:")),
        "T04-anchor": ("an anchor, from which text could grow", edit(SMALL, "[auditor, mirror]", "&r [auditor, mirror]")),
        "T04-alias": ("a laughing bomb: aliases of aliases", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"),
        "T04-tag": ("a tag that asks for a type", edit(SMALL, "version: 1", "version: !!int 1")),
        "T04-directive": ("YAML 1.1, in which NO is false", "%YAML 1.1\n---\n" + SMALL),
        "T04-two-documents": ("a second document", SMALL + "---\na: 1\n"),
        "T05-too-deep": ("more than 24 levels", SMALL + "x: " + "[" * 30 + "]" * 30 + "\n"),
        "T06-unknown-member": ("a member that terms do not have", SMALL + "colour: red\n"),
        "T07-member-missing": ("no permits", edit(SMALL, "permits: {life: {calm: 1 h, alert: 10 min}}\n", "")),
        "T07-need-and-refuse": ("a limit that refuses and also needs", edit(SMALL, "then: refuse}", "then: refuse, need: [declaration]}")),
        "T07-a-date-and-a-request": ("a duty that is due by a date and on request", edit(ASKED, "    on_request", "    by: 2027-01-01\n    on_request")),
        "T07-no-time-to-answer": ("an escalation that says not by when it is answered", SMALL + edit(TIMED, ", within: 5 d", "")),
        "T09-escalated-to-nobody": ("an escalation to a role that nobody has", SMALL + edit(TIMED, "to: [authority]", "to: [adjudicator]")),
        "T08-no-duration": ("a duration in words", edit(SMALL, "15 min", "a while")),
        "T08-look-alike": ("a Cyrillic letter in an id", edit(SMALL, "id: call", "id: c\u0430ll")),
        "T08-float": ("a quantity that is no decimal", edit(SMALL, "1e24 FLOP", "1.0e+024 FLOP")),
        "T09-unknown-party": ("votes of nobody", edit(SMALL, "{of: [auditor]", "{of: [auditors]")),
        "T09-party-like-a-role": ("a party called auditor", edit(SMALL, "  dev-a:", "  auditor:")),
        "T10-unknown-role": ("a role that does not exist", edit(SMALL, "roles: [developer]", "roles: [boss]")),
        "T11-quorum": ("q + m ≤ n + f: two quorums need not meet", edit(SMALL, "witness: 2, issue: 2", "witness: 2, issue: 1")),
        "T11-liveness": ("q > n − f: one silent mirror stops everything", edit(SMALL, "may_fail: 0, witness: 2", "may_fail: 1, witness: 3")),
        "T12-two-mirrors": ("two mirrors", edit(SMALL, "aud-3: {country: DE, roles: [authority, mirror]}", "aud-3: {country: DE, roles: [authority]}")),
        "T12-mirror-without-keys": ("a mirror with neither mirror nor permit key", SMALL + keys_text(SMALL_PARTIES, SMALL_PARTIES[1:3])),
        "T13-lift-nobody-can-meet": ("four auditors to lift, and there are two", edit(SMALL, "lift: {votes: {auditor: 2}}", "lift: {votes: {auditor: 4}}")),
        "T14-unknown-atom": ("an atom that does not exist", edit(SMALL, "votes: {of", "voices: {of")),
        "T15-votes-in-a-limit": ("a limit that asks for votes", edit(SMALL, "{more_than: [run.cumulative_flop, 1e24 FLOP]}", "{votes: {of: [auditor], at_least: 1}}")),
        "T16-one-key-twice": ("one key for two parties", KEYED.replace(signer("aud-2", "statement").public_key.hex(), signer("aud-1", "statement").public_key.hex())),
        "T17-keys-of-nobody": ("keys of a party that is not there", edit(KEYED, "  aud-3:\n    root", "  aud-9:\n    root")),
        "T18-no-keys": ("a party without keys", SMALL + keys_text(SMALL_PARTIES[:3], SMALL_PARTIES[1:])),
        "T19-threshold": ("two of one root key", edit(KEYED, "threshold: 1", "threshold: 2")),
        "T08-proof-of-another-key": ("a proof of possession by another party's key", _swapped_proof()),
        "T08-reviewer-without-name": ("a reviewer called by what no approval could say", edit(KEYED, "name: r-1,", "name: 'the first',")),
        "T20-nobody-supplies": ("a trigger on what nobody measures", edit(SMALL, "{votes: {of: [auditor], at_least: 2}}", "{at_least: [mood, 3]}")),
        "T21-unit": ("a trigger in another unit", edit(SMALL, "{votes: {of: [auditor], at_least: 2}}", "{at_least: [ai_proposed_depth, 3 d]}")),
        "T21-no-unit": ("an indicator that is supplied, in no unit", edit(SMALL, "limits:\n", "indicators:\n  mood: {supplied_by: developer}\nlimits:\n")),
        "T22-two-ids": ("two limits with one id", edit(SMALL, "limits:\n", "limits:\n  - {id: big, when: {more_than: [run.planned_flop, 1 FLOP]}, then: refuse}\n")),
        "T50-no-minimum": ("screened reviewers, and nothing that they must reach", SMALL + SCREENING.replace("  minimum: {caught: 80 %, confidence: 95 %}\n", "")),
        "T51-seeds-itself": ("a developer whose changes nobody else may seed", SMALL + SCREENING.replace("by: [auditor]", "by: [dev-a]")),
        "T15-a-run-of-a-change": ("a checkpoint on a change that asks for a run", SMALL + CHECKPOINT.replace("run.start", "version.train")),
        "T20-lift-nobody-supplies": ("a lift that asks for what nobody measures", edit(SMALL, "lift: {votes: {auditor: 2}}", "lift: {votes: {auditor: 2}, when: {at_most: [mood, 3]}}")),
        "T22-one-certification-twice": ("a certification named twice", SMALL + CHECKPOINT.replace("[honest]", "[honest, honest]")),
        "T42-nobody-else": ("two auditors to certify what one of the two develops", edit(SMALL, "aud-1: {country: CA, roles: [", "aud-1: {country: CA, roles: [developer, ") + CHECKPOINT.replace("count: 1", "count: 2")),
        "T43-no-such-field": ("a field kept that no statement has", SMALL + "confidential: {run.weights: auditor-only}\n"),
        "T44-a-digest-committed": ("a digest that cannot be committed to", SMALL + "confidential: {run.code: committed}\n"),
        "T45-no-auditor": ("kept for auditors, and there is none", SMALL.replace("auditor", "authority") + "confidential: {run.code: auditor-only}\n"),
        "T23-alert-longer": ("permits that live longer in alert", edit(SMALL, "alert: 10 min", "alert: 2 h")),
        "T40-no-such-clause": ("the source of a clause that is not there", SMALL + "sources: {limits.small: {our_choice: ours}}\n"),
        "T41-no-document": ("a note that names an article of no document", SMALL + "sources: {limits.big: {clause: Art. 1}}\n"),
    }  # fmt: skip
    for name, (why, text) in fails.items():
        yield f"{name}_fail", f"Refused: {why}.", text


def _swapped_proof():
    lines = KEYED.splitlines()
    at = [n for n, line in enumerate(lines) if "statement:" in line]
    one, two = lines[at[0] + 1], lines[at[1] + 1]
    key, proof = one.split("proof:")[0], two.split("proof:")[1]
    lines[at[0] + 1] = f"{key}proof:{proof}"
    return "\n".join(lines) + "\n"


def _called(play):
    play.begin()
    play.vote("aud-1", "pause", T0 + 100)
    play.vote("auth-1", "pause", T0 + 110)


def _folds():
    """Name, why, the play, and the instant at which its status is asked."""

    def case(name, why, act, *, at=T0 + 2_000):
        play = Play()
        act(play)
        return name, why, play, at

    def begun(act):
        def run(play):
            play.begin()
            act(play)

        return run

    yield case("pause-and-lift", "Two votes pause; one auditor and two authorities lift.", lambda p: (
        _called(p), [p.vote(v, "lift", T0 + 300 + n) for n, v in enumerate(("aud-2", "auth-1", "auth-2"))]))  # fmt: skip
    yield case("lift-taken-back", "A voter's pause cancels their lift before it takes effect.", lambda p: (
        _called(p), [p.vote(v, "lift", T0 + 300 + n) for n, v in enumerate(("aud-2", "auth-1", "auth-2"))],
        p.vote("auth-2", "pause", T0 + 330)))  # fmt: skip
    yield case("heard-only", "Two votes in no log pause at the instant of asking.", lambda p: (
        p.begin(), p.vote("aud-1", "pause", None), p.vote("auth-1", "pause", None)))  # fmt: skip
    yield case("late-head-of-an-operator", "The log's operator does not witness its own log.", lambda p: (
        p.begin(), p.say("aud-1", "facility", Facility("one", "CA", 1, Decimal(1)), T0 + 100, log="aud-1")))  # fmt: skip
    yield case("successor-log", "A log closes; what its party says in the successor that its root keys opened counts.", lambda p: (
        p.begin(), p.open_log("dev-a", T0 + 100, name="dev-a-2"), p.vote("aud-1", "pause", T0 + 200, log="dev-a-2"),
        p.vote("auth-1", "pause", T0 + 210, log="dev-b")))  # fmt: skip
    yield case("closed-log", "Of three votes to lift one stands in a log after it closed: it has no witnessed time there, and the pause stays.", lambda p: (
        _called(p), p.open_log("dev-a", T0 + 200, name="dev-a-2"), p.vote("aud-2", "lift", T0 + 300),
        p.vote("auth-1", "lift", T0 + 310), p.vote("auth-2", "lift", T0 + 320, log="dev-a")), at=T0 + 2_100)  # fmt: skip
    new_terms = founding(BODY.replace("version: 1", "version: 2"))
    other = Play(founding(BODY + "review_by: 2028-01-01\n"))

    def with_version(play, version):
        play.version = version
        play.vote("aud-1", "pause", T0 + 100)

    def revoked(play):
        play.rotate("aud-1", T0 + 100, revoke=(signer("aud-1").public_key,))
        play.vote("aud-1", "pause", T0 + 200)

    def approval(**more):
        def act(play):
            proposal = play.propose("dev-a", T0 + 100)
            play.approve("auth-1", proposal, T0 + 200, **more)

        return act

    def stale(play):
        _called(play)
        for number, voter in enumerate(("aud-2", "auth-1", "auth-2")):
            play.vote(voter, "lift", T0 + 300 + number)
        play.vote("aud-1", "lift", T0 + 1_000)

    def asserted(*, revoke=False, **more):
        def act(play):
            key = Passkey("vector")
            last = play.enrol_device("auth-1", key, T0 + 90)
            if revoke:
                play.rotate("auth-1", T0 + 95, sequence=2, previous=last, revoke=(key.key,))
            proposal = play.propose("dev-a", T0 + 100)
            play.approve("auth-1", proposal, T0 + 200, device=key, **more)

        return act

    def twice_enrolled(play):
        last = play.enrol_device("auth-1", Passkey("vector"), T0 + 90)
        play.enrol_device("auth-1", Passkey("vector"), T0 + 95, reviewer="r-2", sequence=2, previous=last)

    fails = {
        "F01-poisoned": ("an entry that nobody can read", begun(lambda p: p.place(b"\x00poison", T0 + 100))),
        "F02-other-accord": ("a vote for another accord", begun(lambda p: p.place(
            other.sign("aud-1", "accession", Accession(other.evidence.accord, ())), T0 + 100))),
        "F03-unknown-terms": ("a vote under terms that do not exist", begun(lambda p: with_version(p, 7))),
        "F04-revoked-key": ("a vote by a key after its revocation", begun(revoked)),
        "F05-no-role": ("a developer's vote", begun(lambda p: p.vote("dev-b", "pause", T0 + 100))),
        "F06-fork": ("two keys statements at one sequence", begun(lambda p: [
            p.rotate("aud-1", T0 + 100 + n, enrol=(("statement", 1 + n),)) for n in range(2)])),
        "F07-no-text": ("an amendment whose text is not held", begun(lambda p: p.amend(new_terms, T0 + 100, text=False))),
        "F08-no-run": ("a halt of a run that is not held", begun(lambda p: p.halt("dev-a", "e" * 64, T0 + 100))),
        "F09-old-round": ("a vote in a round that is over", stale),
        "F10-unit": ("a measurement in another unit", begun(lambda p: p.measure("dev-a", 9, T0 + 100, unit="y"))),
        "F11-no-trigger": ("a vote on no trigger", begun(lambda p: p.vote("aud-1", "pause", T0 + 100, trigger="no"))),
        "F12-other-text": ("an accession to another text", lambda p: p.accede("dev-a", digest="e" * 64)),
        "F13-threshold": ("an accession without a root key", begun(lambda p: p.say(
            "aud-1", "accession", Accession(p.evidence.accord, ()), T0 + 100, signers=(signer("aud-1"),)))),
        "F14-anothers-run": ("a halt of another party's run", begun(lambda p: p.halt(
            "dev-b", p.run("dev-a", T0 + 70), T0 + 100))),
        "F15-assertion": ("an approval whose assertion is for another statement", begun(approval(spoil=True))),
        "F16-no-heads": ("other mirrors, and no heads named", begun(lambda p: p.amend(edit_mirrors(), T0 + 100))),
        "F17-expired": ("a lift witnessed after it expired", lambda p: (
            _called(p), p.vote("aud-2", "lift", T0 + 300, expires=T0 + 200))),
        "F18-too-few": ("an amendment by two authorities alone", begun(lambda p: p.amend(
            new_terms, T0 + 100, by=("auth-1", "auth-2")))),
        "F19-one-key-two-uses": ("keys that enrol the statement key of another party", begun(lambda p: p.say(
            "aud-1", "keys", enrolling("aud-1", "root", signer("dev-a")), T0 + 100))),
        "F20-invented-reviewer": ("an approval by a key that nobody enrolled", begun(approval(reviewer="invented"))),
        "F15-passkey-elsewhere": ("a passkey's approval on another origin", begun(asserted(origin="https://example.org"))),
        "F19-passkey-of-two": ("one passkey for two reviewers", begun(twice_enrolled)),
        "F20-passkey-revoked": ("an approval by a passkey after its revocation", begun(asserted(revoke=True))),
        "F26-other-log": ("an approval for the log of another party", begun(asserted(log="dev-a.example/log"))),
        "F21-unproven": ("keys with the proof of another party", begun(lambda p: p.say(
            "aud-1", "keys", enrolling("aud-2", "guard", signer("aud-1", "guard", 7)), T0 + 100))),
        "F22-origin-again": ("keys that open a log under the origin of the log that closed", begun(lambda p: (
            p.open_log("dev-a", T0 + 100, name="dev-a")))),
    }  # fmt: skip
    for name, (why, act) in fails.items():
        yield case(f"{name}_fail", f"Stored, cited and without effect: {why}.", act)


def _members():
    """The same under ``MEMBERS``: screening, confidentiality, renewal, duties on request."""
    text = (MEMBERS + keys_text(SMALL_PARTIES, SMALL_PARTIES[1:])).encode()

    def case(name, why, act, *, at=T0 + 2_000):
        play = Screened(text, mirrors=SMALL_PARTIES[1:])
        play.accede("dev-a")
        act(play)
        return name, why, play, at

    def seeded(decision="reject", **more):
        def act(play):
            commitment = play.commit("bad", at=T0 + 100)
            proposal = play.put("bad", T0 + 200)
            play.approve("aud-3", proposal, T0 + 300, decision=decision)
            play.reveal("bad", proposal, commitment, T0 + 400, **more)

        return act

    def committed_late(play):
        proposal = play.put("bad", T0 + 200)
        play.reveal("bad", proposal, play.commit("bad", at=T0 + 200), T0 + 400)

    def void(play):
        commitment = play.commit("bad", "kept back", at=T0 + 100)
        play.reveal("bad", play.put("bad", T0 + 200), commitment, T0 + 300)

    def ask(play, at):
        play.find("aud-1", "dev-a", at, claim="asks inspection", result="inconclusive")

    yield case("a-seed-caught", "A known-bad change, committed to, proposed, rejected and then revealed: one caught of one.", seeded())
    yield case("a-seed-missed", "The same, approved: none caught of one.", seeded("approve"))
    yield case("a-seed-void", "Revealed before anybody decided: nobody was tested, and one commitment is open.", void)
    yield case("F30-other-salt_fail", "Without effect: a reveal whose salt and change give none of the commitments that it names.", seeded(salt=bytes(32)))
    yield case("F30-other-change_fail", "Without effect: a reveal of another change than the one that its proposal puts.", seeded(change="f" * 64))
    yield case("F31-committed-late_fail", "Without effect: a reveal of a change that was committed to in the second in which it was proposed.", committed_late)
    yield case("F23-plan-spelled-out_fail", "Without effect: a run that spells out the plan to which its terms have it commit.", lambda p: p.run("dev-a", T0 + 100))
    yield case("F24-renewed-too-late_fail", "Without effect: a vote to renew the accord that settles a second after the sunset which it would put off.",
               lambda p: p.vote("dev-a", "renew", SUNSET - 59, trigger="accord"), at=SUNSET + DAY)  # fmt: skip
    yield case("F25-asked-too-often_fail", "Without effect: a second request for an inspection where the terms have one a year.", lambda p: (
        ask(p, T0 + 200), ask(p, T0 + 300)))  # fmt: skip


def _timed():
    """Three changes under terms with times at their hold point, each asked about around the instants that decide."""
    members = "    approved_for: 2 d\n    decide_within: 1 d\n    escalation: {to: [authority], after: 6 h, within: 6 h}\n"
    body = edit(BODY, "    need: {humans: 2, ", members + "    need: {humans: 1, by: [auditor], ").replace("every: 7 d, ", "")
    play = Play(founding(body)).begin()
    expires, lapses, escalated = (play.propose("dev-a", T0 + 100 + n) for n in range(3))
    play.approve("aud-1", expires, T0 + 200)
    play.approve("aud-1", escalated, T0 + 210)
    play.approve("aud-2", escalated, T0 + 220, decision="escalate")
    play.approve("auth-1", escalated, T0 + 400)
    play.approve("aud-1", lapses, T0 + 101 + DAY + 1)
    asked = [(expires, T0 + 259), (expires, T0 + 260), (expires, T0 + 200 + 2 * DAY - 1), (expires, T0 + 200 + 2 * DAY)]
    asked += [(escalated, T0 + 300), (escalated, T0 + 459), (escalated, T0 + 460)]
    asked += [(lapses, T0 + 101 + DAY + SETTLE), (lapses, T0 + 101 + DAY + 500)]
    yield "hold-times", "An approval counts and expires; a proposal lapses; a reviewer who escalates makes one approval more needed.", play, asked


def enrolling(party, use, hand):
    return KeyRotation(1, None, (Enrolment(use, hand.public_key, prove_possession(party, use, hand)),), ())


def edit_mirrors():
    return founding(edit(BODY.replace("version: 1", "version: 2"), "witness: 3, issue: 3", "witness: 3, issue: 3, parties: [aud-1, aud-2, auth-1]").replace("may_fail: 1", "may_fail: 0"))  # fmt: skip


def step_json(step):
    kind, *rest = step
    if kind == "entry":
        place, data = rest
        return {"entry": [place.origin, place.index, data.decode()]}
    if kind == "cosign":
        return {"cosign": list(rest)}
    return {kind: rest[0].decode()}


def expected(play, at):
    now = play.at(at)
    return {
        "digest": play.state.digest,
        "phase": now.phase,
        "pauses": [[p.trigger, p.round, p.scope, p.since, p.witnessed] for p in now.pauses],
        "ended": [[e.trigger, e.round, e.how, e.ended_at] for e in now.ended],
        "notes": [note.rule for note in now.notes],
    }


def seeds(play, at):
    found = screened_at(play.state, parse_terms(play.terms), at)
    return {"caught": found.caught, "decided": found.decided, "void": found.void, "open": found.open}


def write(case, name, content):
    case.mkdir(parents=True, exist_ok=True)
    (case / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def main():
    for room in ("terms", "accord", "accord-members", "accord-times"):
        shutil.rmtree(VECTORS / room, ignore_errors=True)
    for name, why, text in _terms():
        case = VECTORS / "terms" / name
        write(case, "README.md", why + "\n")
        write(case, "terms.yaml", text)
        if name.endswith("_fail"):
            write(case, "expect.json", json.dumps({"rule": name[:3]}) + "\n")
    for name, why, play, at in _folds():
        write_fold(VECTORS / "accord", name, why, play, at, expected(play, at))
    for name, why, play, at in _members():
        write_fold(VECTORS / "accord-members", name, why, play, at, {**expected(play, at), "screened": seeds(play, at)})
    for name, why, play, asked in _timed():
        at = asked[-1][1]
        standings = [[change, when, change_standing(play.state, change, when).outcome] for change, when in asked]
        write_fold(VECTORS / "accord-times", name, why, play, at, {**expected(play, at), "standings": standings})


def write_fold(room, name, why, play, at, want):
    case = room / name
    write(room, "founding.yaml", play.terms)
    write(case, "README.md", why + "\n")
    steps = {"at": at, "steps": [step_json(step) for step in play.log]}
    write(case, "evidence.json", json.dumps(steps) + "\n")
    if name.endswith("_fail"):
        assert name[:3] in want["notes"], (name, want)
        write(case, "expect.json", json.dumps({"rule": name[:3], **want}, indent=1) + "\n")
    else:
        assert want["notes"] == [], (name, want)
        write(case, "expect.json", json.dumps(want, indent=1) + "\n")


if __name__ == "__main__":
    main()
