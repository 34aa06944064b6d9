"""The committed vectors of permits, notices and intents."""

import json
from pathlib import Path

import pytest

from detente.base.errors import Refused
from detente.base.identity import parse_key
from detente.guard.intent import parse_intent
from detente.guard.notice import NoticeBoard, hear_notice
from detente.guard.permit import parse_ask, parse_head, parse_request, verify_permit
from detente.guard.trust import IssuerSet, IssuerTrust

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
CASES = [case for room in ("permit", "guard") for case in sorted((VECTORS / room).iterdir()) if case.is_dir()]


def trust_of(context):
    sets = {
        digest: IssuerSet(
            issuers={parse_key(key): party for key, party in terms["issuers"].items()},
            needed=terms["needed"],
            may_fail=terms["may_fail"],
            life_max_s=terms["life_max_s"],
        )
        for digest, terms in context["terms"].items()
    }
    return IssuerTrust(accord=context["accord"], sets=sets)


def verify(case):
    if (case / "intent.json").exists():
        return parse_intent(json.loads((case / "intent.json").read_bytes()))
    if (case / "ask.json").exists():
        return parse_ask((case / "ask.json").read_bytes())
    context = json.loads((case / "context.json").read_bytes())
    trust = trust_of(context)
    if (case / "notice.json").exists():
        board = NoticeBoard(trust=trust, party="dev-a", activity="training", floors=context["superseded"])
        return hear_notice(board, (case / "notice.json").read_bytes()).heard
    known = {head["origin"]: parse_head(head) for head in context["known_heads"]}
    return verify_permit(
        (case / "permit.json").read_bytes(),
        expected=parse_request((case / "request.json").read_bytes()),
        trust=trust,
        known_heads=known,
        last_epoch=context["last_epoch"],
        sent_at_s=context["sent_at_s"],
        now_s=context["now_s"],
    )


def test_there_are_vectors():
    """An empty folder would agree with everything."""
    assert len(CASES) >= 25


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_each_vector_is_accepted_or_refused_by_its_number(case):
    """A name ending in _fail must be refused by the number in expect.json; any other must be accepted."""
    if not case.name.endswith("_fail"):
        assert verify(case)
        return
    with pytest.raises(Refused) as caught:
        verify(case)
    assert caught.value.rule == json.loads((case / "expect.json").read_text("utf-8"))["rule"]
