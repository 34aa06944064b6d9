"""The fold as a function of a set: any order, any prefix, anything late. Scenarios are drawn, not written."""

import heapq
import random
from decimal import Decimal

from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st

from detente.accord.conditions import kleene_all, kleene_any, kleene_at_least, kleene_not
from detente.accord.fold import fold
from detente.accord.records import class_of
from detente.accord.status import status
from detente.accord.sweep import Sweep
from detente.accord.witness import LogTimes, Witnesses
from detente.base.instant import show_instant
from detente.statement.facility import Facility
from tests.accord_play import BODY, DAY, T0, Play, feed, founding

FEW = settings(max_examples=40, deadline=None, derandomize=True)
MORE = settings(max_examples=60, deadline=None, derandomize=True)
DUTIES = """\
duties:
  - {id: registered, of: developer, register: {more_than: 10 FLOP/s}, by: {after_entry: 400 s}}
  - {id: inspected, of: developer, found_by: auditor, by: {after_entry: 700 s}, every: 300 s}
  - {id: shown, of: developer, found_by: auditor, on_request: {by: [auth-1, dev-a, dev-b], within: 100 s}}
  - id: visited
    of: developer
    found_by: auditor
    on_request: {by: authority, within: 200 s, most: {number: 1, every: 300 s}}
triggers:
  - id: undone
    when: {any: [{overdue: registered}, {overdue: inspected}, {overdue: shown}, {overdue: visited}]}
    then: pause
    scope: party
"""
RECIPROCITY = "reciprocity: {when: {ruling: breach, uncured_for: 100 s}, then: release_others}\n"
TERMS = founding(
    BODY.replace("every: 7 d, ", "")
    .replace("triggers:\n", RECIPROCITY + DUTIES)
    .replace("challenge_within: 72 h, rule_within: 5 d", "challenge_within: 100 s, rule_within: 5 d")
    .replace("votes: {adjudicator: 2}}", "votes: {adjudicator: 2}, appeal_within: 50 s}")
    .replace("longest: 180 d", "longest: 30 d")
    .replace(
        "  - id: report-first\n",
        "  - id: report-first\n    from: {after_entry: 500 s}\n    until: {after_entry: 1 d}\n",
    )
    .replace("  - id: spreading\n", "  - id: spreading\n    from: {after_entry: 300 s}\n")
    .replace("  - id: unattended\n", f"  - id: unattended\n    until: {show_instant(T0 + 900)}\n")
)
RENEWED = f"""\
version: 1
expires: {show_instant(T0 + 1_000)}
renewal: {{for: 200 s, at_most: 2, votes: {{auditor: 1, authority: 1}}}}
"""
EMERGENCY = founding(
    BODY.replace("every: 7 d, ", "")
    .replace("version: 1\n", RENEWED)
    .replace("challenge_within: 72 h, rule_within: 5 d", "challenge_within: 100 s, rule_within: 200 s")
    .replace("votes: {adjudicator: 2}}", "votes: {adjudicator: 2}, unruled: falls}")
    .replace(
        "  - id: call\n",
        "  - id: call\n    lapses: {after: 500 s, unless: {auditor: 1, authority: 1}, again_after: 50 s}\n",
    )
)
"""What is called lapses within the play unless it is confirmed, and the accord expires unless it is renewed."""
texts = st.sampled_from((TERMS, EMERGENCY))
VOTERS = ("aud-1", "aud-2", "auth-1", "auth-2")
LATER = (T0 + 400, T0 + 1_300, T0 + 40 * DAY)

times = st.integers(100, 1_200).map(lambda offset: T0 + offset)
rounds = st.integers(0, 2)
votes = st.tuples(
    st.just("vote"), st.sampled_from(VOTERS), st.sampled_from(("pause", "lift", "retract", "renew")), times, rounds
)
restrictions = st.one_of(
    st.tuples(st.just("vote"), st.sampled_from(VOTERS), st.sampled_from(("pause", "retract", "renew")), times, rounds),
    st.tuples(st.just("measure"), st.sampled_from(("dev-a", "dev-b")), st.integers(4, 6), times),
    st.tuples(st.just("find"), st.sampled_from(("aud-1", "aud-2")), st.sampled_from(("dev-a", "dev-b")), times),
    st.tuples(st.just("unfulfil"), st.sampled_from(("aud-1", "aud-2")), st.sampled_from(("dev-a", "dev-b")), times),
    st.tuples(st.just("ask"), st.sampled_from(("auth-1", "dev-a")), st.sampled_from(("dev-a", "dev-b")), times),
)
rulings = st.tuples(
    st.just("rule"),
    st.sampled_from(("aud-1", "auth-1", "auth-2")),
    st.sampled_from(("breach", "breach", "no_breach", "cured")),
    times,
)
acts = st.one_of(
    rulings,
    rulings,
    st.tuples(st.just("renewal"), st.sampled_from(VOTERS), st.sampled_from(("renew", "retract")), rounds, times),
    st.tuples(st.just("register"), st.sampled_from(("dev-a", "dev-b")), st.sampled_from((None, 9, 10, 11)), times),
    st.tuples(st.just("call"), st.sampled_from(("auth-1", "auth-2")), st.sampled_from(("dev-a", "dev-b")), times),
    st.tuples(
        st.just("show"),
        st.sampled_from(("aud-1", "aud-2")),
        st.sampled_from(("shown", "visited")),
        st.sampled_from(("dev-a", "dev-b")),
        times,
    ),
    st.tuples(st.just("fulfil"), st.sampled_from(("aud-1", "aud-2")), st.sampled_from(("dev-a", "dev-b")), times),
    votes,
    votes,
    restrictions,
    st.tuples(st.just("measure"), st.sampled_from(("dev-a", "dev-b")), st.integers(0, 3), times),
    st.tuples(st.just("withdraw"), st.sampled_from(("dev-a", "dev-b")), times),
    st.tuples(st.just("run"), st.sampled_from(("dev-a", "dev-b")), st.sampled_from(("1e20", "1e23")), times),
    st.tuples(st.just("model"), st.sampled_from(("dev-a", "dev-b")), st.integers(0, 4), times),
    st.tuples(st.just("keys"), st.sampled_from(VOTERS), times),
    st.tuples(st.just("poison"), times),
)


def do(play, act, *, witnessed=True):
    """One act; not witnessed: it stands in no log and is only heard."""
    kind, *rest = act
    at = rest[-1] if witnessed else None
    if kind == "vote":
        party, choice, when, number = rest
        play.vote(party, choice, when if witnessed else None, number=number, expires=T0 + 20 * DAY)
    elif kind == "measure":
        if witnessed:
            play.measure(rest[0], rest[1], at)
    elif kind == "find":
        found = play.find(rest[0], rest[1], at)
        play.found = getattr(play, "found", (found, rest[1]))
    elif kind == "rule":
        if hasattr(play, "found"):
            play.rule(rest[0], *play.found, at, outcome=rest[1])
    elif kind in {"fulfil", "unfulfil"}:
        result = "confirmed" if kind == "fulfil" else "refuted"
        play.find(rest[0], rest[1], at, claim="fulfils inspected", result=result)
    elif kind in {"ask", "call"}:
        play.find(rest[0], rest[1], at, claim=f"asks {'shown' if kind == 'ask' else 'visited'}", result="inconclusive")
    elif kind == "show":
        play.find(rest[0], rest[2], at, claim=f"fulfils {rest[1]}")
    elif kind == "register":
        play.say(
            rest[0], "facility", Facility("one", "US", 1, Decimal(9), None if rest[1] is None else Decimal(rest[1])), at
        )
    elif kind == "renewal":
        play.vote(rest[0], rest[1], at, trigger="accord", number=rest[2], expires=T0 + 20 * DAY)
    elif kind == "withdraw":
        play.withdraw(rest[0], at)
    elif kind == "run":
        play.run(rest[0], at, flop=rest[1], name=f"run-{play.nonce}")
    elif kind == "model":
        party, number, when = rest
        before = [digest(f"{party}{number - 1}")] if number else []
        play.model(party, f"{party}{number}", when, parents=before, by="model" if number else "human")
    elif kind == "keys":
        from tests.accord_play import signer

        play.rotate(rest[0], at, enrol=(("statement", 1),), revoke=(signer(rest[0]).public_key,))
    else:
        play.place(b"not an envelope " + str(play.nonce).encode(), at)


def digest(name):
    import hashlib

    return hashlib.sha256(name.encode()).hexdigest()


def played(script, text):
    """A coalition in force after these acts, in the order of their times, as logs have them."""
    play = Play(text).begin()
    for act in sorted(script, key=lambda act: act[3] if act[0] == "vote" else act[-1]):
        do(play, act)
    return play


def seen(evidence):
    """Everything that anybody could read out of a state."""
    state = fold(evidence)
    return state.digest, [status(state, at).as_json() for at in LATER]


@FEW
@given(text=texts, script=st.lists(acts, max_size=14), seed=st.integers(0, 2**32))
def test_any_order_folds_to_the_same_state(text, script, seed):
    """Entries, cosignatures and keys in any order: equal digests and equal statuses."""
    play = played(script, text)
    steps = list(play.log)
    random.Random(seed).shuffle(steps)
    assert seen(play.replayed(steps)) == seen(play.evidence)


@FEW
@example(
    text=TERMS,
    script=[("model", "dev-a", 1, T0 + 100), ("measure", "dev-a", 4, T0 + 101)],
    seed=0,
    cuts=[len(Play(TERMS).begin().log) + 4],
)
@given(
    text=texts,
    script=st.lists(acts, max_size=14),
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.integers(0, 90), max_size=4),
)
def test_any_prefix_then_the_rest_folds_to_the_same_state(text, script, seed, cuts):
    """Folding and asking in between, at whatever instants, leaves no trace."""
    play = played(script, text)
    steps = list(play.log)
    if seed % 2:
        random.Random(seed).shuffle(steps)
    other = Play(text).evidence
    for number, step in enumerate(steps):
        feed(other, step)
        if number in cuts:
            for at in (*LATER, T0 + seed % 2_000):
                status(fold(other), at)
    assert seen(other) == seen(play.evidence)


class EverySecond(Sweep):
    """Looks at every trigger at every second, and not only at those at which something may change."""

    def _schedule(self, key, after):
        heapq.heappush(self._queue, (max(after + 1, T0), key))


def called(*more, number=0, at=200):
    """Two votes to pause, and more."""
    return [*(("vote", party, "pause", T0 + at, number) for party in ("aud-1", "auth-1")), *more]


LIFTS = [("vote", party, "lift", T0 + 300, 0) for party in ("aud-1", "auth-1", "auth-2")]


@settings(max_examples=8, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@example(text=TERMS, script=called(*LIFTS), at=900)  # settles
@example(text=TERMS, script=[("measure", "dev-a", 6, T0 + 150)], at=900)  # its trigger begins
@example(text=EMERGENCY, script=called(*called(number=1, at=720)), at=900)  # lapses, and starts nothing for a while
@example(text=EMERGENCY, script=called(("find", "aud-2", "dev-a", T0 + 150), *LIFTS), at=600)  # a finding falls
@given(text=texts, script=st.lists(acts, min_size=4, max_size=14), at=st.integers(200, 1_500))
def test_no_second_is_left_out_at_which_a_trigger_would_change(text, script, at):
    """Looking only where a statement or the passing of time may change something finds what looking at every second does."""
    state = fold(played(script, text).evidence)
    quick, slow = (sweep.at(T0 + at, heard=False) for sweep in (Sweep(state), EverySecond(state)))
    assert {key: quick.tracks[key] == track for key, track in slow.tracks.items() if quick.tracks[key] != track} == {}
    assert (quick.members.bound, quick.bound_history[1:]) == (slow.members.bound, slow.bound_history[1:])


@settings(max_examples=12, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(
    text=texts,
    script=st.lists(acts, min_size=2, max_size=10),
    more=st.lists(
        st.one_of(
            restrictions,
            st.tuples(st.just("measure"), st.sampled_from(("dev-a", "dev-b")), st.integers(0, 6), times),
            st.tuples(st.just("model"), st.sampled_from(("dev-a", "dev-b")), st.integers(0, 4), times),
        ),
        min_size=1,
        max_size=5,
    ),
    at=st.integers(200, 900),
)
def test_no_trigger_is_left_out_of_which_more_is_held_than_is_witnessed(text, script, more, at):
    """Looking only at triggers of which something is heard, or that wake, finds what looking at every one does."""
    play = played(script, text)
    for act in more:
        if act[0] == "measure":
            play.measure(act[1], act[2], None)
        else:
            do(play, (*act[:-1], None) if act[0] == "model" else act, witnessed=False)
    state = fold(play.evidence)
    quick, slow = (sweep.at(T0 + at, heard=True) for sweep in (Sweep(state), EverySecond(state)))
    assert {key: quick.tracks[key] == track for key, track in slow.tracks.items() if quick.tracks[key] != track} == {}


@FEW
@given(text=texts, script=st.lists(acts, max_size=10), seed=st.integers(0, 2**32))
def test_every_copy_twice_changes_nothing(text, script, seed):
    """Duplicated entries, cosignatures and hearsay never count twice."""
    play = played(script, text)
    steps = [*play.log, *play.log]
    random.Random(seed).shuffle(steps)
    assert seen(play.replayed(steps)) == seen(play.evidence)


def held(state, at):
    """What is refused, and what slows down, for whom."""
    now = status(state, at)
    return {
        (party, activity, rate)
        for party in ("dev-a", "dev-b")
        for activity in ("training", "self_improvement")
        for rate in ([0] if now.pauses_of(party, activity) else [])
    }


def releases(state, at):
    """The ends of pauses by a lift, and what each answered; and the lapses of what nobody confirmed."""
    return {
        (e.trigger, e.scope, e.round, e.answered_before) for e in status(state, at).ended if e.how in {"lift", "lapse"}
    }


@MORE
@given(
    text=texts,
    script=st.lists(acts, max_size=12),
    late=restrictions,
    witnessed=st.booleans(),
    at=st.integers(300, 1_400).map(lambda offset: T0 + offset),
)
def test_late_restricting_evidence_only_tightens(text, script, late, witnessed, at):
    """A restricting statement that turns up later, witnessed at whatever time or only heard, releases nobody, unless a
    lift then rests on later votes than it did (it answers what was witnessed before its last vote), or what lapses turns
    out to have begun earlier.
    """
    play = played(script, text)
    before, lifts = held(play.state, at), releases(play.state, at)
    kept = status(play.state, at)
    play.last.update({"dev-a": 10**12, "dev-b": 10**12, "cloud": 10**12})
    do(play, late, witnessed=witnessed)
    assume(releases(play.state, at) <= lifts)
    assert before <= held(play.state, at)
    assert status(play.state, at).phase == kept.phase


@MORE
@given(
    text=texts,
    script=st.lists(acts, max_size=12),
    at=st.integers(300, 1_400).map(lambda offset: T0 + offset),
    data=st.data(),
)
def test_late_cosignatures_cannot_release(text, script, at, data):
    """Restricting entries that stood in a log without a time get one: nobody is released whom no lift answers."""
    play = played(script, text)
    late = data.draw(restrictions.filter(lambda act: act[0] == "vote"))
    party, choice, when, number = late[1:]
    play.last.update({"dev-a": 10**12, "dev-b": 10**12, "cloud": 10**12})
    from detente.statement.vote import Vote

    play.place(play.sign(party, "vote", Vote(choice, "call", number, "all", T0 + 20 * DAY)), None, log="buyer")
    before, lifts = held(play.state, at), releases(play.state, at)
    for mirror in play.mirrors:
        play.cosign("buyer", mirror, play.sizes["buyer"], when)
        assume(releases(play.state, at) <= lifts)
        assert before <= held(play.state, at)


@given(
    tuples=st.lists(
        st.tuples(st.sampled_from(("a", "b", "c", "d")), st.integers(1, 8), st.integers(0, 50)), max_size=30
    ),
    index=st.integers(0, 8),
    quorum=st.integers(1, 4),
)
def test_witnessed_time_is_what_its_definition_says(tuples, index, quorum):
    """The q-th smallest, over distinct mirrors other than the operator, of the least time that covers the entry."""
    log = LogTimes()
    for mirror, size, time in tuples:
        log.add(mirror, size, time)
    least = {}
    for mirror, size, time in tuples:
        if size > index and mirror != "d":
            least[mirror] = min(time, least.get(mirror, time))
    ordered = sorted(least.values())
    expected = ordered[quorum - 1] if len(ordered) >= quorum else None
    rule = Witnesses(("a", "b", "c", "d"), quorum, self_witnessed=False)
    assert log.time_of(index, rule, "d") == expected


truths = st.lists(st.sampled_from((True, False, None)), max_size=6)


@given(values=truths, count=st.integers(1, 6), at=st.integers(0, 5))
def test_kleene_is_monotone_in_knowledge(values, count, at):
    """Learning what an unknown is never turns a known answer into another."""
    for combine in (kleene_all, kleene_any, lambda v: kleene_at_least(count, v)):
        for known in (True, False):
            learnt = [known if value is None and i == at else value for i, value in enumerate(values)]
            if combine(values) is not None:
                assert combine(learnt) == combine(values)
    assert [kleene_not(kleene_not(value)) for value in values] == values


def test_every_kind_has_a_class():
    """Nothing is both, and a lift is the only vote that permits."""
    from detente.statement.vote import Vote

    choices = {c: class_of(Vote(c, "call", 0, "all", 1), "vote") for c in ("pause", "lift", "renew", "retract")}
    assert choices == {"pause": "restricting", "lift": "permitting", "renew": "restricting", "retract": "restricting"}
