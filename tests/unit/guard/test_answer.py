"""An answer is bound to the act it was asked for, and is good for nothing else."""

import dataclasses

import pytest

from detente.base.errors import Refused
from detente.guard.answer import (
    Allowance,
    Answer,
    bound_nonce,
    check_use,
    digest_act,
    spent_key,
)
from detente.guard.permit import Permit, encode_permit, join_signatures, sign_permit_body
from tests.unit.guard import messages as m

ACT = digest_act("test", {"ref": "main", "tree": "a"})
SALT = "5" * 32
BOOT = "boot-1"
SENT_S = 100.0


def permit_for(act=ACT, *, salt=SALT, terms=m.TERMS, life_s=600):
    """A permit that three issuers signed for one act."""
    permit = Permit(
        accord=m.ACCORD,
        terms=terms,
        party=m.DEV,
        guard=m.GUARD.public_key,
        nonce=bound_nonce(act, salt),
        intent=m.INTENT,
        heads=(),
        rate=m.Decimal(1),
        epoch=1,
        life_s=life_s,
    )
    body = encode_permit(permit)
    return join_signatures([sign_permit_body(body, key) for key in list(m.ISSUERS.values())[:3]])


def allowance(**changes):
    plain = {"act": ACT, "salt": SALT, "permit": permit_for(), "boot_id": BOOT, "sent_at_ms": int(SENT_S * 1_000)}
    return Allowance(**{**plain, **changes})


def used(given_, *, act=ACT, now_s=SENT_S + 1, boot_id=BOOT, trust=m.TRUST, guard=m.GUARD.public_key):
    return check_use(given_, act=act, trust=trust, guard=guard, boot_id=boot_id, now_s=now_s)


def test_an_answer_is_used_for_its_own_act():
    """What was asked about, unchanged and soon, may be done."""
    assert len(used(allowance()).issuers) == 3


@pytest.mark.parametrize(
    ("rule", "kind", "changes", "how"),
    [
        ("J03", "out-of-scope", {}, {"act": digest_act("test", {"ref": "main", "tree": "b"})}),
        ("J03", "out-of-scope", {"act": digest_act("test", 1)}, {"act": digest_act("test", 1)}),
        ("J03", "out-of-scope", {"salt": "6" * 32}, {}),
        ("J04", "wrong-terms", {"permit": permit_for(terms=m.sha256_hex(b"older terms"))}, {}),
        ("J05", "expired", {}, {"now_s": SENT_S + 60}),
        ("J05", "expired", {"permit": permit_for(life_s=5)}, {"now_s": SENT_S + 5}),
        ("J05", "expired", {}, {"boot_id": "boot-2"}),
        ("J05", "expired", {}, {"now_s": SENT_S - 1}),
        ("P10", "out-of-scope", {}, {"guard": m.LOG.public_key}),
    ],
)
def test_an_answer_is_good_for_nothing_else(rule, kind, changes, how):
    """Edited arguments, another act's answer, other terms, an old one, another guard's: each refused by its number."""
    with pytest.raises(Refused) as refused:
        used(allowance(**changes), **how)
    assert (refused.value.rule, refused.value.kind) == (rule, kind)


def test_what_is_spent_is_the_nonce_or_the_approval_of_one_act():
    """An approval that is for one act is spent itself: a fresh permit for it is no second leave."""
    proposal = m.sha256_hex(b"proposal")
    answer = Answer(verdict="allow", act=ACT, answered=True, allowance=allowance(), proposal=proposal)
    assert spent_key(answer, once=False) == bound_nonce(ACT, SALT)
    assert spent_key(answer, once=True) == proposal
    assert spent_key(dataclasses.replace(answer, proposal=None), once=True) == bound_nonce(ACT, SALT)


def test_a_hold_is_no_answer_to_spend():
    """Without an allowance there is nothing that could be used, whatever the verdict says."""
    with pytest.raises(Refused, match="hold") as refused:
        spent_key(Answer(verdict="hold", act=ACT), once=False)
    assert (refused.value.rule, refused.value.kind) == ("J01", "malformed")
    assert not Answer(verdict="allow", act=ACT).allowed
