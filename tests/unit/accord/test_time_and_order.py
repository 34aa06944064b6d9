"""When statements count: witnessed time, binding on receipt, settling; the attacks of contracts §2."""

import hashlib

import pytest

from detente.accord.chain import epochs_of
from detente.accord.evidence import Evidence, Place
from detente.accord.explain import explain
from detente.base.errors import Refused
from detente.base.quantity import parse_decimal
from detente.statement.accession import Accession
from detente.statement.envelope import parse_envelope, statement_id
from detente.statement.keys import Enrolment, KeyRotation
from detente.statement.run import Run
from detente.statement.terms import TermsLink
from detente.statement.vote import Vote
from tests.accord_play import BODY, DAY, PARTIES, T0, Play, founding, keys_text, origin, proven, signer


def test_witnessed_time_is_the_qth_smallest_over_parties_other_than_the_operator():
    """A log's operator adds nothing to the time of its own log, and q = 3 of the others are needed."""
    play = Play()
    data = play.sign("aud-1", "run", _run())
    statement = play.place(data, None, log="aud-1")
    for mirror, at in (("aud-1", 10), ("aud-2", 40), ("auth-1", 20)):
        play.cosign("aud-1", mirror, 1, at)
    assert play.evidence.witnessed_time(statement) is None
    play.cosign("aud-1", "auth-2", 1, 30)
    assert play.evidence.witnessed_time(statement) == 40


def test_one_mirror_many_times_is_one_mirror():
    """Repeating a cosignature under any time or size never makes a quorum."""
    play = Play()
    statement = play.place(play.sign("dev-a", "run", _run()), None)
    for at in range(50):
        play.cosign("dev-a", "aud-1", 1 + at, at)
        play.cosign("dev-a", "dev-b", 1 + at, at)
    assert play.evidence.witnessed_time(statement) is None


def test_f_backdating_mirrors_cannot_bring_an_entry_before_an_honest_mirror_had_it():
    """With one liar at time 0, the third smallest of four is still the second honest mirror's time."""
    play = Play()
    statement = play.place(play.sign("dev-a", "run", _run()), None)
    play.cosign("dev-a", "aud-1", 1, 0)
    for mirror in ("aud-2", "auth-1", "auth-2"):
        play.cosign("dev-a", mirror, 1, 500)
    assert play.evidence.witnessed_time(statement) == 500


def test_a_statement_in_several_logs_has_the_least_of_its_times():
    """Whoever's log is down or slow, a copy in another log counts."""
    play = Play()
    data = play.sign("dev-a", "run", _run())
    statement = play.place(data, T0 + 90, log="dev-a")
    assert play.place(data, T0 + 30, log="dev-b") == statement
    assert play.evidence.witnessed_time(statement) == T0 + 30


def test_a_log_of_nobody_gives_no_time():
    """Cosignatures over an origin that no party of the terms operates witness nothing."""
    play = Play()
    verified = play.evidence.add_entry(Place("stranger.example/log", 0), play.sign("dev-a", "run", _run()))
    for mirror in play.mirrors:
        play.evidence.add_cosignature("stranger.example/log", mirror, 1, T0)
    assert play.evidence.witnessed_time(verified.statement.id) is None


def test_what_restricts_binds_on_receipt():
    """Two votes that were only heard pause now, and are marked as not witnessed."""
    play = Play().begin()
    assert play.paused(T0 + 100) == ()
    play.vote("aud-1", "pause", None)
    play.vote("auth-1", "pause", None)
    assert play.paused(T0 + 100) == ("call",)
    [pause] = play.at(T0 + 100).pauses
    assert not pause.witnessed
    assert pause.since == T0 + 100


def test_a_mirror_that_witnesses_into_the_future_does_not_delay_a_pause():
    """A restricting entry with a witnessed time ahead of our clock binds at once."""
    play = Play().begin()
    play.vote("aud-1", "pause", T0 + 10 * DAY)
    play.vote("auth-1", "pause", T0 + 10 * DAY, log="dev-b", expires=T0 + 5 * DAY)
    assert play.paused(T0 + 100) == ("call",)
    assert play.was(T0 + 100).pauses == ()


def test_what_permits_waits_until_it_has_settled():
    """An accession counts at witnessed time plus settling, not a second earlier; heard only, never."""
    play = Play()
    play.accede("dev-a", "dev-b")
    assert play.at(T0 + 59).phase == "before"
    assert play.at(T0 + 60).phase == "in_force"


def test_an_unwitnessed_lift_lifts_nothing():
    """Lift votes that are heard, or stand in a log that too few cosigned, do not count at any instant."""
    play = _called()
    for party in ("aud-1", "auth-1", "auth-2"):
        play.vote(party, "lift", None)
    play.place(play.sign("aud-2", "vote", _vote("lift")), T0 + 300, mirrors=("aud-1", "auth-1"))
    assert "call" in play.paused(T0 + 100 * DAY)


def test_late_cosignatures_cannot_release():
    """More cosignatures on the evidence of a pause, by f mirrors at any time and by all later, leave it paused."""
    play = _called()
    play.cosign("dev-a", "aud-2", play.sizes["dev-a"], 1)
    for mirror in play.mirrors:
        play.cosign("dev-a", mirror, play.sizes["dev-a"], T0 + 900)
    assert play.paused(T0 + 1_000) == ("call",)


def test_a_statement_never_folds_before_those_it_names():
    """A ruling witnessed before its finding counts from the finding's time."""
    play = Play().begin()
    finding = play.find("aud-1", "dev-b", T0 + 500)
    ruling = play.rule("auth-1", finding, "dev-b", T0 + 100, log="dev-b")
    assert play.state.get(ruling).time == T0 + 500


def test_of_a_lift_and_a_pause_at_the_same_second_the_pause_has_the_last_word():
    """Fold order: at a tie permitting statements come first and restricting ones last."""
    play = _called()
    for party in ("aud-1", "auth-1", "auth-2"):
        play.vote(party, "lift", T0 + 300)
    play.vote("auth-1", "pause", T0 + 300)
    assert play.paused(T0 + 400) == ("call",)


def test_a_poisoned_entry_is_stored_and_cited_and_freezes_nothing():
    """F01: bytes that nobody can read take their place in the log; what follows still counts."""
    play = Play().begin()
    before = play.state.chain
    assert play.place(b"\x00 not an envelope", T0 + 5) is None
    play.vote("aud-1", "pause", T0 + 10)
    play.vote("auth-1", "pause", T0 + 11)
    assert play.rules() == ["F01"]
    assert play.paused(T0 + 70) == ("call",)
    assert play.evidence.size(origin("dev-a")) == play.sizes["dev-a"]
    assert play.state.chain == before


def test_an_entry_before_the_key_that_signed_it_is_read_once_the_key_is_known():
    """Whether the key or the entry was heard first makes no difference."""
    play = Play().begin()
    new = signer("aud-1", "statement", 1)
    early = play.sign("aud-1", "vote", _vote("pause"), signers=(new,))
    keys = _rotation(play, "aud-1", enrol=(("statement", 1),))
    orders = []
    for first, second in ((keys, early), (early, keys)):
        other = Play().begin()
        other.place(first, T0 + 10)
        other.place(second, T0 + 10, log="dev-b")
        orders.append([other.state.get(i) is not None for i in (_id(keys), _id(early))])
    assert orders == [[True, True], [True, True]]


def test_a_key_counts_only_where_it_was_in_force():
    """F04: a vote after its key was revoked is a cited no-op; one before it stands."""
    play = Play().begin()
    old = signer("aud-1").public_key
    play.vote("aud-1", "pause", T0 + 100, expires=T0 + 9 * DAY)
    play.rotate("aud-1", T0 + 200, enrol=(("statement", 1),), revoke=(old,))
    play.vote("aud-1", "lift", T0 + 300)
    assert play.rules() == ["F04"]
    assert play.paused(T0 + 400) == ()
    play.vote("auth-1", "pause", T0 + 410)
    assert play.paused(T0 + 420) == ("call",)


def test_keys_chain_refuses_forks_gaps_and_too_few_signers():
    """F06: a second keys statement at one sequence, or one that skips; F13: below the root threshold."""
    play = Play(founding(roots=2, threshold=2))
    two = (signer("aud-1", "root", 0), signer("aud-1", "root", 1))
    play.rotate("aud-1", T0 + 10, enrol=(("statement", 1),), signers=two[:1])
    assert play.rules() == ["F13"]
    first = play.rotate("aud-1", T0 + 20, enrol=(("statement", 1),), signers=two)
    play.rotate("aud-1", T0 + 30, enrol=(("statement", 2),), signers=two)
    play.rotate("aud-1", T0 + 40, sequence=3, previous=first, enrol=(("statement", 3),), signers=two)
    assert sorted(play.rules()) == ["F06", "F06", "F13"]
    assert play.state.keys_in_force("aud-1", "statement", T0 + 50) == tuple(
        sorted(signer("aud-1", "statement", n).public_key for n in (0, 1))
    )


def test_one_root_key_twice_is_one_signature():
    """F13: the threshold counts distinct public keys."""
    play = Play(founding(roots=2, threshold=2))
    root = signer("dev-a", "root", 0)
    play.say("dev-a", "accession", Accession(play.evidence.accord, ()), T0, signers=(root, root))
    assert play.rules() == ["F13"]
    assert play.at(T0 + 100).bound == ()


def test_an_amendment_takes_effect_a_longest_permit_life_after_settling_and_both_digests_count_meanwhile():
    """Witnessed at t: settled at t + 60 s, in effect 6 h later; in between either digest is acceptable."""
    play = Play().begin()
    text = founding(BODY.replace("version: 1", "version: 2").replace("then: refuse", "need: [declaration]"))
    play.amend(text, T0 + 1_000)
    old, new = play.evidence.accord, play.state.chain[1].terms.digest
    settled = T0 + 1_060
    assert play.state.acceptable_terms(settled - 1) == (old,)
    assert play.state.acceptable_terms(settled) == (old, new)
    assert play.at(settled).terms_version == 1
    assert play.state.acceptable_terms(settled + 6 * 3_600 - 1) == (old, new)
    assert play.state.acceptable_terms(settled + 6 * 3_600) == (new,)
    assert play.at(settled + 6 * 3_600).terms_version == 2


@pytest.mark.parametrize(
    ("by", "version", "text", "previous", "rule"),
    [
        (("auth-1", "auth-2"), 2, True, None, "F18"),
        (("dev-a", "auth-1"), 2, True, None, "F18"),
        (("dev-a", "auth-1", "auth-2"), 2, False, None, "F07"),
        (("dev-a", "auth-1", "auth-2"), 2, True, "d" * 64, "F06"),
        (("dev-a", "auth-1", "auth-2"), 3, True, None, "F07"),
    ],
)
def test_an_amendment_that_the_terms_before_do_not_carry_changes_nothing(by, version, text, previous, rule):
    """F18 too few, F07 no such text or another version, F06 not the next link; the terms stay."""
    play = Play().begin()
    data = founding(BODY.replace("version: 1", "version: 2"))
    play.amend(data, T0 + 1_000, by=by, version=version, text=text, previous=previous)
    assert play.rules() == [rule]
    assert [link.terms.version for link in play.state.chain] == [1]


def test_a_copy_with_more_signatures_moves_nothing_into_the_past():
    """The threshold is met where the copy that completes it was witnessed."""
    play = Play().begin()
    data = founding(BODY.replace("version: 1", "version: 2"))
    play.evidence.add_terms(data)
    link = TermsLink(2, hashlib.sha256(data).hexdigest(), play.evidence.accord, "agreed")
    roots = [signer(p, "root") for p in ("dev-a", "auth-1", "auth-2")]
    play.place(play.sign("dev-a", "terms", link, signers=tuple(roots[:1]), nonce="0" * 32), T0 + 100)
    assert play.rules() == ["F18"]
    play.place(play.sign("dev-a", "terms", link, signers=tuple(roots), nonce="0" * 32), T0 + 500)
    assert play.rules() == []
    assert play.state.chain[1].settled == T0 + 560


def _new_mirrors(closes):
    parties = PARTIES.replace(
        "dev-b:  {country: GB, roles: [developer]}", "dev-b:  {country: GB, roles: [developer, mirror]}"
    )
    body = BODY.replace("version: 1", "version: 2").replace(
        "mirrors: {may_fail: 1, witness: 3, issue: 3, settle: 60 s}",
        "mirrors:\n  may_fail: 1\n  witness: 4\n  issue: 3\n  settle: 60 s\n" + closes,
    )
    return (body + parties + keys_text(mirrors=("aud-1", "aud-2", "auth-1", "auth-2", "dev-b"))).encode()


def test_changing_mirrors_closes_an_epoch_and_freezes_the_times_below():
    """Below the named heads only the cosignatures that the amendment counts give a time, whatever turns up later."""
    play = Play().begin()
    statement = play.vote("aud-1", "pause", T0 + 100)
    size = play.sizes["dev-a"]
    cosigned = "\n".join(
        f"        - {{mirror: {m}, size: {size}, time: 2027-01-15T08:01:40Z}}" for m in ("aud-1", "aud-2", "auth-1")
    )
    heads = "  closes:\n" + "".join(
        f"    - origin: {origin(p)}\n      size: {size if p == 'dev-a' else 0}\n      root: {'0' * 64}\n      cosigned:"
        + (f"\n{cosigned}\n" if p == "dev-a" else " []\n")
        for p in ("dev-a", "dev-b", "aud-1", "aud-2", "auth-1", "auth-2", "cloud", "buyer")
    )
    play.amend(_new_mirrors(heads), T0 + 1_000)
    assert play.rules() == []
    assert len(epochs_of(play.state.chain)) == 2
    assert play.evidence.witnessed_time(statement) == T0 + 100
    for mirror in ("aud-1", "aud-2", "auth-1", "auth-2"):
        play.cosign("dev-a", mirror, size, 5)
    assert play.state.get(statement).time == T0 + 100


def test_an_amendment_of_the_mirrors_without_the_heads_is_no_amendment():
    """F16: or nobody could say which times are frozen."""
    play = Play().begin()
    play.amend(_new_mirrors(""), T0 + 1_000)
    assert play.rules() == ["F16"]
    assert len(play.state.chain) == 1


def test_self_witnessed_terms_take_the_operators_own_time_and_say_so():
    """One organisation without anybody else: labelled in the status and in its explanation."""
    body = BODY.replace("mirrors: {may_fail: 1, witness: 3, issue: 3, settle: 60 s}", "mirrors: self")
    play = Play(founding(body), mirrors=("dev-a",))
    play.accede("dev-a", "dev-b")
    now = play.at(T0)
    assert (now.phase, now.self_witnessed) == ("in_force", True)
    assert any("self-witnessed" in reason.text for reason in explain(now))


def test_evidence_refuses_founding_terms_that_are_not_terms():
    """Nothing starts from a file that cannot be read."""
    with pytest.raises(Refused) as refused:
        Evidence(b"accord: [")
    assert refused.value.rule == "T02"


def _run():
    return Run("run-1", "training", parse_decimal("1e20"), (), ())


def _vote(choice):
    return Vote(choice, "call", 0, "all", T0 + 900 * DAY)


def _rotation(play, party, **more):
    enrol = tuple(Enrolment(u, proven(party, u, n).key, proven(party, u, n).proof) for u, n in more["enrol"])
    return play.sign(party, "keys", KeyRotation(1, None, enrol, ()))


def _id(data):
    return statement_id(parse_envelope(data))


def _called():
    play = Play().begin()
    play.vote("aud-1", "pause", T0 + 100)
    play.vote("auth-1", "pause", T0 + 110)
    assert play.paused(T0 + 200) == ("call",)
    return play
