"""What a guard believes: one test for each way to be lied to."""

import base64
import dataclasses
import json
from decimal import Decimal

import pytest

from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.guard.intent import Intent
from detente.guard.permit import (
    PERMIT_TYPE,
    NamedHead,
    PermitAsk,
    encode_permit,
    heads_after,
    join_signatures,
    parse_ask,
    parse_offer,
    parse_permit,
    parse_request,
    seal_ask,
    sign_permit_body,
)
from detente.guard.wire import seal
from tests.unit.guard import messages as m


def refused(data, **changes):
    with pytest.raises(Refused) as caught:
        m.check(data, **changes)
    return caught.value.rule


def test_a_permit_of_m_issuers_is_believed_and_lapses_by_the_sending():
    """The life counts from sending the request, not from the answer."""
    permit = m.check(m.signed(), now_s=150.0)
    assert permit.issuers == ("iss-0", "iss-1", "iss-2")
    assert permit.lapse_s == 700.0
    assert permit.permit.intent == m.INTENT


def test_every_mutated_byte_is_refused():
    """There is one spelling, every signature counts, and no byte stands outside both: whatever changes, it fails."""
    data = m.signed()
    for index in range(len(data)):
        changed = bytearray(data)
        changed[index] ^= 1 << (index % 7)
        with pytest.raises(Refused):
            m.check(bytes(changed))
    assert m.check(data).permit.epoch == 5


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("P08", {"accord": sha256_hex(b"another accord")}),
        ("P09", {"terms": sha256_hex(b"older terms")}),
        ("P10", {"guard": m.signer("a clone's own key").public_key}),
        ("P10", {"party": Party("dev-b")}),
        ("P11", {"nonce": "f" * 32}),
        ("P12", {"intent": Intent(activity="training", party=m.DEV, run=sha256_hex(b"another run"))}),
        ("P12", {"intent": Intent(activity="self_improvement", party=m.DEV, run=m.RUN)}),
        ("P13", {"life_s": 3_601}),
        ("P13", {"rate": Decimal(0)}),
        ("P15", {"epoch": 4}),
    ],
)
def test_a_genuine_permit_for_something_else_is_refused(rule, changes):
    """Signed by enough issuers, but not leave for this request of this guard."""
    assert refused(m.signed(m.body(**changes))) == rule


def test_the_other_terms_of_a_changeover_are_accepted():
    """Guards accept either digest while terms change."""
    new = sha256_hex(b"new terms")
    both = dataclasses.replace(m.TRUST, sets={**m.TRUST.sets, new: m.TRUST.sets[m.TERMS]})
    assert m.check(m.signed(m.body(terms=new)), trust=both).permit.terms == new
    assert refused(m.signed(m.body(terms=new))) == "P09"


def test_a_permit_shown_after_its_life_is_refused():
    """P16, at the very second; and a clock before the sending is broken, not early."""
    assert refused(m.signed(), now_s=700.0) == "P16"
    assert refused(m.signed(), now_s=99.0) == "P16"
    assert refused(m.signed(), now_s=float("nan")) == "P16"


def test_heads_below_what_was_seen_are_refused():
    """P14: an old state cannot be shown twice, nor another story of the same length; a greater head may follow."""
    seen = m.signed_head(8).head
    assert refused(m.signed(), known_heads={m.ORIGIN: seen}) == "P14"
    other = m.signed_head(7, story="b").head
    assert refused(m.signed(), known_heads={m.ORIGIN: other}) == "P14"
    assert refused(m.signed(m.body(heads=())), known_heads={m.ORIGIN: seen}) == "P14"
    held = m.check(m.signed(), known_heads={m.ORIGIN: m.signed_head(6).head})
    assert heads_after(held.permit.heads, {m.ORIGIN: m.signed_head(6).head})[m.ORIGIN].size == 7


def test_too_few_issuers_are_refused():
    """P07: two of three."""
    assert refused(m.signed(by=("iss-0", "iss-1"))) == "P07"


def test_one_issuer_signing_twice_is_refused():
    """P06: parties are counted, not signatures."""
    assert refused(m.signed(by=("iss-0", "iss-1", "iss-1"))) == "P06"


def test_two_keys_of_one_party_count_once():
    """P06: distinct keys of one party are still one party."""
    keys = {key.public_key: Party("iss-0") for key in m.ISSUERS.values()}
    one = dataclasses.replace(m.TRUST.sets[m.TERMS], issuers=keys)
    assert refused(m.signed(), trust=dataclasses.replace(m.TRUST, sets={m.TERMS: one})) == "P06"


def test_a_stranger_among_the_issuers_is_refused():
    """P05: a permit has no room for a signature that does not count."""
    payload = encode_permit(m.body())
    data = join_signatures(
        [sign_permit_body(payload, key) for key in (*list(m.ISSUERS.values())[:3], m.signer("stranger"))]
    )
    assert refused(data) == "P05"


def test_a_forged_signature_is_refused():
    """P04: the key id of an issuer under somebody else's signature."""
    value = json.loads(m.signed())
    forged = m.signer("forger").sign(b"anything")
    value["signatures"][0]["sig"] = base64.b64encode(forged).decode()
    assert refused(json.dumps(value, separators=(",", ":"), sort_keys=True).encode()) == "P04"


def test_a_permit_without_a_signature_is_refused():
    """P07 already where signatures are joined."""
    with pytest.raises(Refused) as caught:
        join_signatures([])
    assert caught.value.rule == "P07"


def test_signatures_over_different_bodies_are_not_joined():
    """P18."""
    first, second = encode_permit(m.body()), encode_permit(m.body(epoch=6))
    with pytest.raises(Refused) as caught:
        join_signatures([sign_permit_body(first, m.ISSUERS["iss-0"]), sign_permit_body(second, m.ISSUERS["iss-1"])])
    assert caught.value.rule == "P18"


def test_another_message_is_not_read_as_a_permit():
    """S01: each meaning has its own payload type, so an offer's signature is no permit's."""
    payload = encode_permit(m.body())
    assert refused(seal(payload, "application/vnd.detente.heads+json", m.ISSUERS["iss-0"])) == "S01"


def test_another_spelling_of_the_same_envelope_is_refused():
    """P01: white space outside the signatures would be a byte that nobody signed."""
    assert refused(m.signed() + b"\n") == "P01"


def test_another_spelling_of_the_same_permit_is_refused():
    """P01: issuers would sign different bytes for the same permit."""
    loose = json.dumps(json.loads(encode_permit(m.body()))).encode()
    assert refused(seal(loose, PERMIT_TYPE, m.ISSUERS["iss-0"])) == "P01"


def test_an_oversized_message_is_refused_before_it_is_parsed():
    """P02."""
    assert refused(b"{" * 65_536) == "P02"


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("P03", {"why": "because"}),
        ("P01", {"epoch": "5"}),
        ("P01", {"epoch": True}),
        ("P01", {"rate": "1.5"}),
        ("P01", {"nonce": "short"}),
        ("P01", {"heads": {}}),
        ("P02", {"heads": [{}] * 65}),
        ("P01", {"heads": [7]}),
        ("B13", {"life_s": 1.5}),
        ("G01", {"intent": {"activity": "training"}}),
    ],
)
def test_a_payload_with_a_wrong_member_is_refused(rule, change):
    """Strict JSON: no unknown member, no float, no number in a string, no list beyond its bound."""
    value = json.loads(encode_permit(m.body())) | change
    with pytest.raises(Refused) as caught:
        parse_permit(json.dumps(value, separators=(",", ":"), sort_keys=True).encode())
    assert caught.value.rule == rule


def test_heads_out_of_order_are_refused():
    """P01: one set of heads has one spelling."""
    heads = (m.signed_head(7).head, m.signed_head(6).head)
    with pytest.raises(Refused) as caught:
        parse_permit(encode_permit(m.body(heads=heads)))
    assert caught.value.rule == "P01"


def test_a_request_signed_by_another_key_is_refused():
    """P05: the guard that is named is the guard that signs."""
    value = json.loads(m.SEALED)
    payload = json.loads(base64.b64decode(value["payload"]))
    payload["guard"] = "ed25519:" + m.signer("other guard").public_key.hex()
    forged = seal(json.dumps(payload).encode(), "application/vnd.detente.permit-request+json", m.GUARD)
    with pytest.raises(Refused) as caught:
        parse_request(forged)
    assert caught.value.rule == "P05"


def test_an_offer_of_another_accord_or_by_a_stranger_is_refused():
    """P08 and P05: an issuer speaks for itself and for this accord."""
    with pytest.raises(Refused) as caught:
        parse_offer(m.offer("iss-0", accord=sha256_hex(b"x")), m.TRUST)
    assert caught.value.rule == "P08"
    with pytest.raises(Refused) as caught:
        parse_offer(m.offer("iss-0", issuer=Party("iss-1")), m.TRUST)
    assert caught.value.rule == "P05"
    assert parse_offer(m.offer("iss-0"), m.TRUST).issuer == "iss-0"


def test_an_offer_with_a_huge_note_is_refused():
    """P02: a checkpoint note with the log's signature is short."""
    huge = dataclasses.replace(m.signed_head(7), note=b"x" * 5_000)
    with pytest.raises(Refused) as caught:
        parse_offer(m.offer("iss-0", heads=(huge,)), m.TRUST)
    assert caught.value.rule == "P02"


def ask(permit=None, **changes):
    payload = PermitAsk(
        request=m.SEALED,
        body=encode_permit(permit or m.body()),
        heads=(NamedHead(m.signed_head(7), (Party("iss-0"),)),),
    )
    return seal_ask(dataclasses.replace(payload, **changes), m.GUARD)


def test_an_ask_carries_the_request_the_body_and_a_note_for_each_head():
    """What the issuer needs to fetch and to check stands in one message."""
    request, parsed, permit = parse_ask(ask())
    assert (request, permit) == (m.REQUEST, m.body())
    assert parsed.heads[0].claimants == ("iss-0",)


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("P18", ask(heads=())),
        ("P11", ask(m.body(nonce="e" * 32))),
        ("P10", ask(m.body(party=Party("dev-b")))),
        ("P12", ask(m.body(intent=Intent(activity="self_improvement", party=m.DEV, run=m.RUN)))),
    ],
)
def test_an_ask_whose_body_answers_something_else_is_refused(rule, data):
    """An issuer signs only what the guard's own request asked for."""
    with pytest.raises(Refused) as caught:
        parse_ask(data)
    assert caught.value.rule == rule
