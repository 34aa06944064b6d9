"""How a guard gathers a permit among issuers of whom some lie."""

import dataclasses
from decimal import Decimal

import pytest

from detente.accord.reason import Reason
from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.guard.asking import (
    EPOCH_JUMP_MAX,
    REOFFERS_MAX,
    Asking,
    bar,
    compose,
    denial,
    denied_by,
    finished,
    hear_offer,
    hear_reply,
)
from detente.guard.issue import Missing, Reoffer, Signed, encode_reply, parse_reply
from detente.guard.permit import parse_permit, sign_permit_body
from tests.unit.guard import messages as m

START = Asking(request=m.REQUEST, sealed=m.SEALED, trust=m.TRUST, last_epoch=4)
HONEST = {"rate": Decimal("0.5"), "life_s": 300}


def offered(**by):
    asking = START
    for name in ("iss-0", "iss-1", "iss-2", "iss-3"):
        changes = by.get(name.replace("-", "_"), {})
        if changes is not None:
            asking = hear_offer(asking, Party(name), m.offer(name, **changes))
    return asking


def composed(asking):
    asking, ask = compose(asking)
    return asking, parse_permit(ask.body)


def sign(asking, name):
    return hear_reply(asking, Party(name), Signed(sign_permit_body(asking.body, m.ISSUERS[Party(name)])))


def test_the_body_has_the_least_life_and_rate_and_the_greatest_heads_and_epoch():
    """Whatever m issuers would each sign, and no more."""
    asking, permit = composed(
        offered(
            iss_0={"rate": Decimal("0.5"), "life_s": 300, "epoch": 9},
            iss_1={"heads": (m.signed_head(9),)},
            iss_2={"heads": (m.signed_head(8),), "life_s": 200},
            iss_3=None,
        )
    )
    assert (permit.rate, permit.life_s, permit.epoch) == (Decimal("0.5"), 200, 10)
    assert permit.heads == (m.signed_head(9).head,)
    assert asking.named[0].claimants == ("iss-1",)


def test_m_signatures_over_the_body_finish_it():
    """The envelope is what verify_permit believes."""
    asking, _ = composed(offered())
    for name in asking.asked[:2]:
        asking = sign(asking, name)
    assert finished(asking) is None
    assert m.check(finished(sign(asking, asking.asked[2]))).permit.epoch == 5


def test_a_liar_that_offers_almost_nothing_costs_nothing():
    """The m best offers are chosen, so f small ones are passed over."""
    _, permit = composed(offered(iss_2={"rate": Decimal("0.001"), "life_s": 1}))
    assert (permit.rate, permit.life_s) == (1, 600)


def test_a_liar_that_offers_too_much_is_passed_over():
    """A life above the terms is refused by every verifier, so such an offer is of no use."""
    _, permit = composed(offered(iss_0={"life_s": 3_601}))
    assert permit.life_s == 600


def test_a_silent_issuer_costs_one_more_body():
    """Left out from then on (rule 3); with two of four silent there is no body at all."""
    asking, _ = composed(offered())
    silent = asking.asked[0]
    asking, _ = composed(bar(asking, silent, "silent"))
    assert silent not in asking.asked
    assert compose(bar(asking, asking.asked[0], "silent"))[1] is None


@pytest.mark.parametrize("how", ["forged", "another body", "another issuer", "garbage"])
def test_an_issuer_that_signs_something_else_is_left_out(how):
    """Its signature would spoil the whole permit."""
    asking, permit = composed(offered())
    name = asking.asked[0]
    other = sign_permit_body(m.encode_permit(dataclasses.replace(permit, life_s=601)), m.ISSUERS[name])
    wrong = {
        "forged": sign_permit_body(asking.body, m.ISSUERS[name]).replace(b'"sig":"', b'"sig":"AAAA', 1),
        "another body": other,
        "another issuer": sign_permit_body(asking.body, m.ISSUERS[asking.asked[1]]),
        "garbage": b"no",
    }[how]
    after = hear_reply(asking, name, Signed(wrong))
    assert name in after.barred
    assert not after.signed


def test_a_head_that_cannot_be_served_is_dropped_with_its_claimant_or_its_denier():
    """Whoever lies of the two, they are not asked together, and the honest m remain."""
    asking, _ = composed(offered(iss_0={"heads": (m.signed_head(99),)}))
    assert "iss-0" in asking.asked
    for name in ("iss-1", "iss-2"):
        asking = hear_reply(asking, Party(name), Missing((m.signed_head(99).head,)))
    asking = hear_reply(asking, Party("iss-3"), Missing((m.signed_head(99).head,)))
    asking, permit = composed(asking)
    assert asking.asked == ("iss-1", "iss-2", "iss-3")
    assert permit.heads == (m.signed_head(7).head,)


def test_missing_a_head_that_nobody_else_named_bars_the_one_that_misses_it():
    """Only a liar misses what only itself has named."""
    asking, _ = composed(offered())
    asking = hear_reply(asking, Party("iss-0"), Missing((m.signed_head(3).head,)))
    assert "iss-0" in asking.barred


def test_a_fresh_offer_replaces_the_old_one_and_its_branch_is_named_beside_the_greater():
    """Of a log with two stories both heads are named, so that every signer must read both."""
    asking, _ = composed(offered(iss_0={"heads": (m.signed_head(9),)}))
    other = m.signed_head(8, story="b")
    asking = hear_reply(asking, Party("iss-1"), Reoffer(m.offer("iss-1", heads=(other,))))
    _, permit = composed(asking)
    assert permit.heads == (other.head, m.signed_head(9).head)


def test_endless_fresh_offers_bar_their_sender():
    """Logs grow between the rounds, but not for ever."""
    asking, _ = composed(offered())
    for _ in range(REOFFERS_MAX):
        asking = hear_reply(asking, Party("iss-0"), Reoffer(m.offer("iss-0")))
    assert "iss-0" not in asking.barred
    assert "iss-0" in hear_reply(asking, Party("iss-0"), Reoffer(m.offer("iss-0"))).barred


def test_one_liar_cannot_burn_the_epochs():
    """An epoch far above what f + 1 issuers confirm leaves its offer out (rule 7)."""
    asking, permit = composed(offered(iss_0={"epoch": 2**52}))
    assert permit.epoch == 5
    assert "iss-0" not in asking.asked
    _, permit = composed(offered(iss_0={"epoch": EPOCH_JUMP_MAX}, iss_1=None))
    assert permit.epoch == EPOCH_JUMP_MAX + 1


def test_a_note_that_the_log_did_not_sign_bars_its_bearer():
    """Rule 6: a false note would keep the others from fetching a genuine head."""
    false = dataclasses.replace(m.signed_head(7), note=m.signed_head(6).note)
    assert "iss-0" in offered(iss_0={"heads": (false,)}).barred
    forged = m.signed_head(70, key=m.signer("no log"))
    assert "iss-0" in offered(iss_0={"heads": (forged,)}).barred


def test_more_heads_than_a_message_holds_bar_the_loudest():
    """Rule 6: a flood of invented logs leaves its sender out and nobody else."""
    flood = tuple(m.signed_head(1, origin=f"log-{n}", key=m.signer("x")) for n in range(64))
    asking, permit = composed(offered(iss_0={"heads": flood}))
    assert "iss-0" in asking.barred
    assert permit.heads == (m.signed_head(7).head,)


def test_offers_for_another_request_or_with_two_heads_of_one_log_bar_their_sender():
    """Rule 3 and rule 6."""
    assert "iss-0" in offered(iss_0={"request": sha256_hex(b"old")}).barred
    assert "iss-0" in offered(iss_0={"heads": (m.signed_head(6), m.signed_head(7))}).barred


def test_a_denial_says_what_holds_and_why():
    """Each thing once, the most often named first."""
    why = Reason("paused by call", (sha256_hex(b"vote"),))
    no = {"allowed": False, "rate": Decimal(0), "life_s": 0, "held_by": ("call",), "reasons": (why,)}
    asking = offered(iss_0=no, iss_1=no, iss_2={**no, "held_by": ("else",)})
    assert compose(asking)[1] is None
    assert denial(asking) == (("call", "else"), (why,))
    assert denied_by(asking) == ("iss-0", "iss-1", "iss-2")


@pytest.mark.parametrize(
    "reply", [Signed(b"x"), Missing((m.signed_head(3).head,)), Reoffer(b"y")], ids=["signed", "missing", "reoffer"]
)
def test_replies_travel_as_json(reply):
    """What is encoded is read back."""
    assert parse_reply(encode_reply(reply)) == reply


@pytest.mark.parametrize(
    ("rule", "data"), [("P01", b"{}"), ("P03", b'{"no":1}'), ("P01", b'{"signed":1}'), ("B11", b"<")]
)
def test_a_reply_of_another_form_is_refused(rule, data):
    """Nothing is guessed."""
    with pytest.raises(Refused) as caught:
        parse_reply(data)
    assert caught.value.rule == rule
