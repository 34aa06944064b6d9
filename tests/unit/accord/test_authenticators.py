"""With what reviewers decide: passkeys and security keys under terms that ask for them, and what passes for what."""

import hashlib

import pytest

from detente.accord.authenticators import Authenticators, device_of, label_of, show_aaguid
from detente.accord.checking.rules import check_rules
from detente.accord.difference import compare_terms
from detente.accord.explaining.aloud import hold_need
from detente.accord.fold import fold
from detente.accord.hold_showing import said_on
from detente.accord.reading import TermsRefused, read_terms
from detente.accord.status import change_standing, run_standing, status
from detente.statement.credential import verify_credential
from detente.statement.keys import Enrolment, KeyRotation, prove_possession
from detente.statement.signing import SoftwareSigner
from detente.testing.authenticator import Maker, Passkey, TerminalKey
from tests.accord_play import BODY, PARTIES, T0, Play, founding

LATER = T0 + 500
MAKER = Maker()
MODEL = bytes.fromhex("01020304050607080102030405060708")
ROOTS = f"authenticators: {{attestation_roots: ['{MAKER.root_digest}'], test_devices: [{show_aaguid(MODEL)}]}}\n"
ONE = BODY.replace("humans: 2", "humans: 1")


def body(device, extra=ROOTS, same_host="refuse"):
    return ONE.replace("device: software, same_host: refuse", f"device: {device}, same_host: {same_host}") + extra


def played(device="passkey", *, extra=ROOTS, same_host="refuse"):
    play = Play(founding(body(device, extra, same_host))).begin()
    return play, play.propose("dev-a", T0 + 100)


def outcome(play, change, at=LATER):
    return change_standing(play.state, change, at).outcome


def lacks(play, change, at=LATER):
    return change_standing(play.state, change, at).reasons[0].text


KINDS = {
    "security key (ssh)": (TerminalKey("k"), "passkey"),
    "passkey, synced": (Passkey("s", synced=True), "passkey"),
    "passkey, device-bound, not attested": (Passkey("b", maker=Maker("Nobody Listed")), "passkey"),
    "passkey, attested": (Passkey("a", maker=MAKER), "attested"),
    "test device": (Passkey("t", aaguid=MODEL), "attested"),
}


@pytest.mark.parametrize(("label", "kind"), KINDS.items(), ids=KINDS)
@pytest.mark.parametrize("asked", ["software", "passkey", "attested"])
def test_what_passes_for_what(label, kind, asked):
    """The table of the specification, through the whole fold; what is not enough is named by its label."""
    key, device = kind
    play, proposal = played(asked)
    play.enrol_device("auth-1", key, T0 + 90)
    play.approve("auth-1", proposal, T0 + 110, device=key)
    assert play.rules() == []
    enough = ["software", "passkey", "attested"].index(device) >= ["software", "passkey", "attested"].index(asked)
    assert outcome(play, proposal) == ("free" if enough else "held")
    if not enough:
        assert f"auth-1/r-1 used: {label}" in lacks(play, proposal)
    [said] = said_on(play.state, proposal, play.state.terms_at(LATER), LATER)
    assert (said.label, said.counts, said.cloned) == (label, True, False)
    [shown] = next(each for each in status(play.state, LATER).as_json()["keys"] if each["party"] == "auth-1")[
        "credentials"
    ]
    assert (shown["label"], shown["reviewer"]) == (label, "r-1")


def test_a_software_key_is_not_enough_for_a_passkey():
    """It counts where any key is taken, and nowhere else."""
    play, proposal = played("passkey")
    play.approve("auth-1", proposal, T0 + 110)
    assert outcome(play, proposal) == "held"
    assert "auth-1/r-1 used: software key" in lacks(play, proposal)


def test_a_test_device_is_called_so_even_if_it_is_attested():
    """Its label never hides what the terms let through for tests; one that may be copied passes for less."""
    both = Authenticators((MAKER.root_digest,), (show_aaguid(MAKER.aaguid),))
    known = [
        verify_credential(
            Passkey("x", maker=MAKER, synced=synced).enrol("a" * 64, "aud-1", "r-1"), accord="a" * 64, party="aud-1"
        )
        for synced in (False, True)
    ]
    assert [label_of(each, both) for each in known] == ["test device"] * 2
    assert [device_of(each, both) for each in known] == ["attested", "passkey"]


def test_attested_is_met_by_nobody_where_the_terms_believe_nobody():
    """Until an amendment lists a root; the checker says so before anybody signs."""
    play, proposal = played("attested", extra="")
    play.enrol_device("auth-1", KINDS["passkey, attested"][0], T0 + 90)
    play.approve("auth-1", proposal, T0 + 110, device=KINDS["passkey, attested"][0])
    assert outcome(play, proposal) == "held"
    assert "these terms name none" in lacks(play, proposal)
    broken = [claim for claim in check_rules(read_terms(founding(body("attested", "")))) if claim.verdict == "broken"]
    assert [claim.id for claim in broken] == ["unfulfillable"]
    assert not [each for each in check_rules(read_terms(founding(body("attested")))) if each.verdict == "broken"]


def test_the_root_keys_word_on_the_host_binds_the_approval():
    """An approval that claims another host, by a credential whose page the party's agents can write, is on the same host."""
    for same_host, expected in ((True, "held"), (False, "free")):
        play, proposal = played()
        play.enrol_device("auth-1", Passkey(), T0 + 90, same_host=same_host)
        play.approve("auth-1", proposal, T0 + 110, device=Passkey())
        assert outcome(play, proposal) == expected
    play, proposal = played(same_host="accept")
    play.enrol_device("auth-1", Passkey(), T0 + 90, same_host=True)
    play.approve("auth-1", proposal, T0 + 110, device=Passkey())
    assert outcome(play, proposal) == "free"


# Enrolment


def test_a_credential_counts_from_its_enrolment_to_its_revocation():
    """F20 before and after, as for keys; what was approved in between stays."""
    key = Passkey()
    play, first = played()
    second, third = (play.propose("dev-a", T0 + 100 + n) for n in (1, 2))
    play.approve("auth-1", first, T0 + 110, device=key)
    last = play.enrol_device("auth-1", key, T0 + 120)
    play.approve("auth-1", second, T0 + 130, device=key)
    play.rotate("auth-1", T0 + 140, sequence=2, previous=last, revoke=(key.key,))
    play.approve("auth-1", third, T0 + 150, device=key)
    assert [outcome(play, each) for each in (first, second, third)] == ["held", "free", "held"]
    assert play.rules() == ["F20", "F20"]


def test_a_reviewer_may_have_spare_keys():
    """Two credentials of one reviewer are one human, and either decides."""
    play, proposal = played()
    one, two = Passkey("one"), TerminalKey("two")
    last = play.enrol_device("auth-1", one, T0 + 80)
    play.enrol_device("auth-1", two, T0 + 90, sequence=2, previous=last)
    play.approve("auth-1", proposal, T0 + 110, device=two)
    assert outcome(play, proposal) == "free"
    play.approve("auth-1", proposal, T0 + 120, device=one, decision="reject")
    assert outcome(play, proposal) == "held"


@pytest.mark.parametrize("party", ["auth-1", "aud-1"])
def test_one_credential_has_one_reviewer(party):
    """F19 for another reviewer, and for another party; the first keeps it."""
    play, proposal = played()
    last = play.enrol_device("auth-1", Passkey(), T0 + 80)
    more = {"sequence": 2, "previous": last} if party == "auth-1" else {}
    play.enrol_device(party, Passkey(), T0 + 90, reviewer="r-2", **more)
    play.approve(party, proposal, T0 + 110, device=Passkey(), reviewer="r-2")
    assert play.rules() == ["F19", "F20"]
    assert outcome(play, proposal) == "held"
    play.approve("auth-1", proposal, T0 + 120, device=Passkey())
    assert outcome(play, proposal) == "free"


def test_one_credential_id_has_one_reviewer():
    """F19: whoever brings another key under the id of somebody's credential would be asked in their place."""
    play, _ = played()
    play.enrol_device("auth-1", Passkey("one"), T0 + 80)
    thief = Passkey("two")
    thief.id = Passkey("one").id
    play.enrol_device("aud-1", thief, T0 + 90)
    assert play.rules() == ["F19"]


@pytest.mark.parametrize("first", ["credential", "software"])
def test_one_key_is_a_credential_or_a_software_key_and_never_both(first):
    """F19 whichever comes first: what a device holds must not be enrolled as a key in a file, nor the reverse."""
    play, _ = played()
    device = TerminalKey("both")
    hand = SoftwareSigner(hashlib.sha256(b"authenticator EdDSA ssh both").digest())
    assert hand.public_key == device.key
    proof = prove_possession("auth-1", "reviewer", hand, "r-1")
    software = (Enrolment("reviewer", hand.public_key, proof, "r-1"),)
    credential = (device.enrol(play.evidence.accord, "auth-1", "r-1"),)
    one, two = ((), credential), (software, ())
    bodies = [one, two] if first == "credential" else [two, one]
    last = None
    for number, (keys, credentials) in enumerate(bodies, 1):
        last = play.say("auth-1", "keys", KeyRotation(number, last, keys, (), credentials), T0 + 80 + number)
    assert play.rules() == ["F19"]


def test_a_credential_for_somebody_else_is_enrolled_by_nobody():
    """F21: the proof is over party and reviewer, so what another organisation's reviewer signed enrols nothing here."""
    play, proposal = played()
    stolen = Passkey().enrol(play.evidence.accord, "aud-1", "r-1")
    play.say("auth-1", "keys", KeyRotation(1, None, (), (), (stolen,)), T0 + 90)
    play.approve("auth-1", proposal, T0 + 110, device=Passkey())
    assert sorted(play.rules()) == ["F20", "F21"]
    assert outcome(play, proposal) == "held"


def test_enrolled_again_it_is_what_the_later_statement_says():
    """Root keys that learn that a page can be written say so, from then on and not before."""
    play, first = played()
    second = play.propose("dev-a", T0 + 101)
    last = play.enrol_device("auth-1", Passkey(), T0 + 90)
    play.approve("auth-1", first, T0 + 110, device=Passkey())
    play.enrol_device("auth-1", Passkey(), T0 + 120, sequence=2, previous=last, same_host=True)
    key = Passkey()
    key.counter = 10
    play.approve("auth-1", second, T0 + 130, device=key)
    assert play.rules() == []
    assert [outcome(play, each) for each in (first, second)] == ["free", "held"]


@pytest.mark.parametrize("log", [None, "dev-a.example/log", "nobody.example/log"])
def test_an_approval_is_for_a_log_of_its_organisation(log):
    """F26 for another one, and for none."""
    play, proposal = played()
    play.enrol_device("auth-1", Passkey(), T0 + 90)
    play.approve("auth-1", proposal, T0 + 110, device=Passkey(), log=log)
    assert play.rules() == ["F26"]
    assert outcome(play, proposal) == "held"


def test_state_does_not_hang_on_the_order_of_arrival():
    """Enrolment and approvals in any order give one state."""
    play, proposal = played()
    key = Passkey()
    play.enrol_device("auth-1", key, T0 + 90)
    play.approve("auth-1", proposal, T0 + 110, device=key, counter=7)
    play.approve("auth-1", proposal, T0 + 120, device=key, counter=7, decision="reject")
    expected = play.state.digest
    assert fold(play.replayed(list(reversed(play.log)))).digest == expected


# Clones


def cloned(first, second, *, at=(110, 120), **said):
    play, proposal = played()
    other = play.propose("dev-a", T0 + 101)
    key = Passkey()
    play.enrol_device("auth-1", key, T0 + 90)
    play.approve("auth-1", proposal, T0 + at[0], device=key, counter=first)
    play.approve("auth-1", other, None if at[1] is None else T0 + at[1], device=key, counter=second, **said)
    return play, proposal, other


@pytest.mark.parametrize(("first", "second"), [(7, 8), (8, 7), (0, 0)])
def test_counters_that_differ_show_no_clone(first, second):
    """The order of filing is not that of signing; and 0 is no counter."""
    play, proposal, other = cloned(first, second)
    assert [outcome(play, each) for each in (proposal, other)] == ["free", "free"]


@pytest.mark.parametrize("at", [(110, 120), (120, 110), (110, None)])
def test_one_counter_twice_is_two_devices(at):
    """From the earlier of the two on the credential approves nothing, whichever came first, and the second on receipt."""
    play, proposal, other = cloned(7, 7, at=at)
    assert [outcome(play, each) for each in (proposal, other)] == ["held", "held"]
    assert any(said.cloned for said in said_on(play.state, proposal, play.state.terms_at(LATER), LATER))
    third = play.propose("dev-a", T0 + 130)
    play.approve("auth-1", third, T0 + 140, device=Passkey(), counter=9)
    assert outcome(play, third) == "held"


def test_a_clone_still_refuses():
    """The rule only restricts: a rejection by a cloned authenticator stands."""
    play, proposal, _ = cloned(7, 7)
    spare = TerminalKey("spare")
    last = play.state.book.last("auth-1")[1]
    play.enrol_device("auth-1", spare, T0 + 130, reviewer="r-2", sequence=2, previous=last)
    play.approve("auth-1", proposal, T0 + 140, device=spare, reviewer="r-2")
    assert outcome(play, proposal) == "free"
    play.approve("auth-1", proposal, T0 + 150, device=spare, reviewer="r-2", decision="reject", counter=1_000)
    play.approve("auth-1", proposal, T0 + 160, device=spare, reviewer="r-2", counter=1_000)
    assert outcome(play, proposal) == "held"


def test_what_it_approved_before_stays():
    """An approval from before the first sign of a clone is that of the one device there was."""
    play, proposal = played()
    key = Passkey()
    play.enrol_device("auth-1", key, T0 + 90)
    play.approve("auth-1", proposal, T0 + 110, device=key, counter=5)
    for number in (1, 2):
        play.approve("auth-1", play.propose("dev-a", T0 + 120 + number), T0 + 130 + number, device=key, counter=6)
    assert outcome(play, proposal) == "free"


def test_a_clone_passes_no_limit():
    """The same where a limit asks for an authority's approval."""
    play = Play(founding(BODY + ROOTS)).begin()
    run = play.run("dev-a", T0 + 100, flop="1e23")
    for party in ("auth-1", "auth-2"):
        key = Passkey(party)
        play.enrol_device(party, key, T0 + 80)
        play.approve(party, run, T0 + 110, device=key, counter=3)
    assert run_standing(play.state, run, LATER).outcome == "free"
    key = Passkey("auth-2")
    play.approve("auth-2", run, T0 + 120, device=key, counter=3)
    assert run_standing(play.state, run, LATER).outcome == "held"


# Confirmation


def confirming(device="passkey"):
    play = Play(founding(body(device).replace("same_host: refuse", "same_host: refuse, confirmed: yes"))).begin()
    page, terminal = Passkey("page", maker=MAKER), TerminalKey("terminal")
    last = play.enrol_device("auth-1", page, T0 + 80)
    play.enrol_device("auth-1", terminal, T0 + 90, sequence=2, previous=last)
    return play, play.propose("dev-a", T0 + 100), page, terminal


@pytest.mark.parametrize("asked", ["passkey", "attested"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_page_and_a_terminal_confirm_each_other(asked, order):
    """Either alone is not enough, whichever comes first; one of the two is by the authenticator that is asked for."""
    play, proposal, *devices = confirming(asked)
    play.approve("auth-1", proposal, T0 + 110, device=devices[order[0]])
    assert outcome(play, proposal) == "held"
    play.approve("auth-1", proposal, T0 + 120, device=devices[order[1]])
    assert outcome(play, proposal) == "free"
    assert outcome(play, proposal, T0 + 179) == "held"  # The second settles like the first.


def test_a_software_key_confirms_what_a_passkey_approved():
    """A terminal is a terminal; the passkey is what the hold point asks for."""
    play, proposal, page, _ = confirming()
    play.approve("auth-1", proposal, T0 + 110, device=page)
    play.approve("auth-1", proposal, T0 + 120)
    assert outcome(play, proposal) == "free"


def test_a_terminal_that_shows_another_change_confirms_nothing():
    """The attack: a page shows A and has B asserted. In the terminal B is there to be read, and A is what the reviewer confirms."""
    play, shown, page, terminal = confirming()
    asserted = play.propose("dev-a", T0 + 101)
    play.approve("auth-1", asserted, T0 + 110, device=page)
    play.approve("auth-1", shown, T0 + 120, device=terminal)
    assert [outcome(play, each) for each in (shown, asserted)] == ["held", "held"]
    assert "not both on a page and in a terminal" in lacks(play, asserted)


def test_whoever_thinks_again_confirms_again():
    """A rejection takes both back, and one approval after it is one."""
    play, proposal, page, terminal = confirming()
    for number, device in enumerate((page, terminal)):
        play.approve("auth-1", proposal, T0 + 110 + number, device=device)
    play.approve("auth-1", proposal, T0 + 200, device=terminal, decision="reject")
    play.approve("auth-1", proposal, T0 + 210, device=page)
    assert outcome(play, proposal, T0 + 900) == "held"
    play.approve("auth-1", proposal, T0 + 220, device=terminal)
    assert outcome(play, proposal, T0 + 900) == "free"


def test_two_reviewers_do_not_confirm_each_other():
    """Each says it twice."""
    play, proposal, page, terminal = confirming()
    play.approve("auth-1", proposal, T0 + 110, device=page)
    play.approve("auth-1", proposal, T0 + 120, reviewer="r-2")
    assert outcome(play, proposal) == "held"
    assert terminal.counter == 1


# The language


@pytest.mark.parametrize(
    "extra",
    [
        "authenticators: {attestation_roots: [abc]}\n",
        "authenticators: {test_devices: [00000000-0000-0000-0000-000000000000]}\n",
        "authenticators: {test_devices: [01020304050607080102030405060708]}\n",
    ],
)
def test_what_is_no_root_and_no_model_is_refused(extra):
    """T08; zeros are no model, since every authenticator may say them."""
    with pytest.raises(TermsRefused) as refused:
        read_terms(founding(BODY + extra))
    assert refused.value.rule == "T08"


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        (body("software"), body("passkey"), "tightens"),
        (body("attested"), body("passkey"), "loosens"),
        (body("attested", ""), body("attested"), "loosens"),
        (body("attested"), body("attested", ""), "tightens"),
        (
            body("passkey"),
            body("passkey").replace("same_host: refuse", "same_host: refuse, confirmed: yes"),
            "tightens",
        ),
    ],
)
def test_the_difference_says_what_it_does(before, after, effect):
    """A stronger device and fewer who are believed tighten."""
    old, new = (read_terms((text + PARTIES).encode(), template=True) for text in (before, after))
    assert {change.effect for change in compare_terms(old, new)} == {effect}


def test_a_hold_point_is_read_aloud_with_its_authenticators():
    """Whoever reads the terms hears with what reviewers decide."""
    terms = read_terms(founding(body("attested")))
    assert "attests" in hold_need(terms.hold_points[0].need)
