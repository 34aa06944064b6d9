"""A posted leave is leave until it lapses, in the boot and from the instant that its issuers signed, and otherwise it is none."""

import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.base.errors import Refused
from detente.guard.answer import bound_nonce
from detente.guard.permit import Permit, encode_permit, join_signatures, sign_permit_body
from detente.guard.posted import (
    PostedFor,
    PostedLeave,
    encode_none,
    encode_posted,
    parse_posted,
    posting_act,
    verify_posted,
)
from tests.unit.guard import messages as m

BOOT = "7341aba5-9792-4ee0-a977-c65eb292073b"
OTHER_BOOT = "00000000-9792-4ee0-a977-c65eb292073b"
SALT = "5" * 32
ASKED_MS = 100_000
EXPECTED = PostedFor(trust=m.TRUST, terms=m.TERMS, guard=m.GUARD.public_key, intent=m.INTENT)


def permit(*, epoch=3, life_s=600, signers=3, asked_ms=ASKED_MS, boot=BOOT):
    """A permit whose nonce is bound to an instant of a boot."""
    made = Permit(
        accord=m.ACCORD,
        terms=m.TERMS,
        party=m.DEV,
        guard=m.GUARD.public_key,
        nonce=bound_nonce(posting_act(boot, asked_ms), SALT),
        intent=m.INTENT,
        heads=(),
        rate=m.Decimal(1),
        epoch=epoch,
        life_s=life_s,
    )
    body = encode_permit(made)
    return join_signatures([sign_permit_body(body, key) for key in list(m.ISSUERS.values())[:signers]])


LEAVE = PostedLeave(boot_id=BOOT, asked_at_ms=ASKED_MS, life_s=600, salt=SALT, permit=permit())


def verified(leave, *, now_s=101.0, boot=BOOT, last_epoch=3, expected=EXPECTED):
    return verify_posted(leave, expected=expected, boot_id=boot, now_s=now_s, last_epoch=last_epoch)


def test_a_posted_leave_is_leave_again_and_again_until_it_lapses():
    """The same file is looked at by every job that starts."""
    assert verified(parse_posted(encode_posted(LEAVE))).lapse_s == 700.0
    assert verified(LEAVE, now_s=699.9).permit.epoch == 3


@pytest.mark.parametrize(
    ("rule", "kind", "changes", "how"),
    [
        ("U05", "expired", {}, {"now_s": 700.0}),
        ("U05", "expired", {}, {"now_s": 99.0}),
        ("U05", "expired", {}, {"boot": OTHER_BOOT}),
        # The file alone was moved on: the issuers signed for another instant, or another boot.
        ("P11", "replayed", {"asked_at_ms": ASKED_MS + 500_000}, {"now_s": 701.0}),
        ("P11", "replayed", {"boot_id": OTHER_BOOT}, {"boot": OTHER_BOOT}),
        ("P11", "replayed", {"salt": "6" * 32}, {}),
        ("U06", "inconsistent", {"life_s": 599}, {}),
        ("P16", "expired", {"life_s": 9_000}, {"now_s": 800.0}),
        ("P15", "rollback", {}, {"last_epoch": 4}),
        ("P07", "quorum", {"permit": permit(signers=2)}, {}),
        (
            "P12",
            "out-of-scope",
            {},
            {"expected": dataclasses.replace(EXPECTED, intent=dataclasses.replace(m.INTENT, flop=m.Decimal(1)))},
        ),
    ],
)
def test_a_leave_that_is_not_what_was_signed_is_none(rule, kind, changes, how):
    """Lapsed, of another boot, moved to a later instant, of an older epoch, with too few signatures, for something else."""
    with pytest.raises(Refused) as refused:
        verified(dataclasses.replace(LEAVE, **changes), **how)
    assert (refused.value.rule, refused.value.kind) == (rule, kind)
    assert verified(LEAVE).lapse_s == 700.0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"detente-posted-leave 2\nnone x\n",
        b"detente-posted-leave 1\n",
        b"detente-posted-leave 1\nnone \n",
        b"\xff\xfe",
        encode_posted(LEAVE)[:-1],
        encode_posted(LEAVE) + b"\n",
        encode_posted(LEAVE).replace(b"asked ", b"asked -"),
        encode_posted(LEAVE) + b" " * 200_000,
    ],
    ids=["empty", "another format", "cut", "no reason", "no text", "no end", "more", "a negative instant", "too long"],
)
def test_a_file_that_is_no_posted_leave_is_refused(data):
    """What does not read exactly is no leave."""
    with pytest.raises(Refused) as refused:
        parse_posted(data)
    assert (refused.value.rule, refused.value.kind) == ("U03", "malformed")


@given(st.text(max_size=400))
def test_that_there_is_no_leave_is_one_line_whatever_the_reason(why):
    """A reason with line feeds or terminal controls cannot make the file say something else."""
    with pytest.raises(Refused) as refused:
        parse_posted(encode_none(why))
    assert (refused.value.rule, refused.value.kind) == ("U04", "paused")


@given(st.binary(max_size=400), st.integers(0, 2_000))
def test_no_change_of_a_byte_gives_other_leave(noise, at):
    """Whatever is written over the file, it is refused, or it is the leave that it was."""
    data = encode_posted(LEAVE)
    changed = data[:at] + noise + data[at + len(noise) :]
    with contextlib.suppress(Refused):
        assert verified(parse_posted(changed)).envelope == LEAVE.permit
