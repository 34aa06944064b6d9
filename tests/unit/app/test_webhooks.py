"""Notices to organisations: signed, told once, quiet, nothing more than the recipient may see, and given up after a few tries."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from detente.adapters.webhook import HEADER, check_address, post_notice, verify_webhook, webhook_header
from detente.app.waiting import times_of, waiting_for
from detente.app.webhooks import QUIET_S, Webhooks
from detente.base.errors import Refused, Unavailable
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.signing import SoftwareSigner
from tests.accord_play import BODY, SETTLE, T0, Play, founding

NODE = SoftwareSigner(b"n" * 32)
DEV, AUTH, AUD = Party("dev-a"), Party("auth-1"), Party("aud-1")
ONLY_AUTH = BODY.replace("same_host: refuse}", "same_host: refuse, by: [authority]}")
URL = "https://hooks.example.org/review"
NOW = Instant(T0 + 1_000)


class Received:
    """A receiver: keeps what was posted, answers what it is told to."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.posted: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.posted.append(request)
        code = self.codes.pop(0) if self.codes else 204
        if code == 0:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(code, headers={"location": "https://elsewhere.example.org"} if code == 302 else {})

    def bodies(self) -> list[dict]:
        return [json.loads(request.content) for request in self.posted]


def hooks_of(play, folder: Path, received: Received, clock, addresses=None) -> Webhooks:
    return Webhooks(
        addresses or {AUTH: URL}, memory=folder / "told.json", node=DEV, signer=NODE, state=lambda: play.state,
        now=lambda: clock[0], transport=httpx.MockTransport(received),
    )  # fmt: skip


def looked(hooks: Webhooks) -> None:
    async def work() -> None:
        hooks.look()
        await hooks.settle()

    asyncio.run(work())


def test_what_waits_is_told_once_signed_and_with_nothing_but_ids(tmp_path: Path):
    """No summary, no change; the signature is for this recipient; the same queue is not told again, across restarts neither."""
    play = Play(founding(ONLY_AUTH)).begin()
    proposal = play.propose("dev-a", T0 + 100)
    received, clock = Received(), [NOW]
    hooks = hooks_of(play, tmp_path, received, clock)
    looked(hooks)
    [request] = received.posted
    [body] = received.bodies()
    assert body == {
        "type": "urn:detente:waiting:v1",
        "accord": play.state.accord,
        "from": "dev-a",
        "for": "auth-1",
        "at": "2027-01-15T08:16:40Z",
        "waiting": [
            {
                "proposal": proposal,
                "party": "dev-a",
                "hold_points": ["self-modification"],
                "since": "2027-01-15T08:01:40Z",
                "approve_by": None,
                "escalated": [],
            }
        ],
        "more": 0,
    }
    verify_webhook(request.headers[HEADER], request.content, recipient=AUTH, keys=[NODE.public_key], now=NOW)
    for later in (hooks, hooks_of(play, tmp_path, received, clock)):
        clock[0] = Instant(clock[0] + 10 * QUIET_S)
        looked(later)
    assert len(received.posted) == 1


def test_news_within_a_minute_is_told_together(tmp_path: Path):
    """Quiet: one notice, then nothing for a minute, then one with everything that waits."""
    play = Play(founding(ONLY_AUTH)).begin()
    play.propose("dev-a", T0 + 100)
    received, clock = Received(), [NOW]
    hooks = hooks_of(play, tmp_path, received, clock)
    looked(hooks)
    for number in range(3):
        play.propose("dev-a", T0 + 200 + number)
        clock[0] = Instant(NOW + QUIET_S - 1)
        looked(hooks)
    assert len(received.posted) == 1
    clock[0] = Instant(NOW + QUIET_S)
    looked(hooks)
    assert [len(body["waiting"]) for body in received.bodies()] == [1, 4]


def test_it_waits_only_for_those_who_can_still_decide():
    """Not the author's organisation, not one that the hold point does not accept, not one whose reviewers have all approved."""
    play = Play(founding(ONLY_AUTH)).begin()
    proposal = play.propose("dev-a", T0 + 100)
    state = play.state
    assert [each.proposal for each in waiting_for(state, NOW, AUTH)] == [proposal]
    assert waiting_for(state, NOW, AUD) == waiting_for(state, NOW, DEV) == ()
    assert [each.holds for each in waiting_for(state, NOW)] == [("self-modification",)]
    for number, name in enumerate(("r-1", "r-2", "r-3")):
        play.approve("auth-1", proposal, T0 + 200 + number, reviewer=name)
        expected = [proposal] if number == 0 else []
        at = Instant(T0 + 200 + number + SETTLE)
        assert [each.proposal for each in waiting_for(play.state, at, AUTH)] == expected


def test_a_queue_that_is_empty_is_not_told(tmp_path: Path):
    """Nothing waits, nobody is woken; nothing is sent for a party without an address."""
    play = Play(founding(ONLY_AUTH)).begin()
    received = Received()
    looked(hooks_of(play, tmp_path, received, [NOW]))
    play.propose("dev-a", T0 + 100)
    looked(hooks_of(play, tmp_path, received, [NOW], {AUD: URL}))
    assert received.posted == []


@pytest.mark.parametrize(
    ("codes", "tries", "given_up"),
    [
        ([204], 1, False), ([500, 200], 2, False), ([0, 429, 408, 201], 4, False), ([500] * 9, 5, True), ([0] * 9, 5, True),
        ([404], 1, True), ([302, 302, 302, 302, 302], 5, True),
    ],
)  # fmt: skip
def test_tries_are_few_and_a_redirect_is_not_followed(codes, tries, given_up):
    """No answer, 5xx, 408 and 429 are tried again, five times in all; another 4xx is final."""
    received = Received(*codes)
    sending = post_notice(URL, "x", b"{}", transport=httpx.MockTransport(received), pauses_s=(0, 0, 0, 0))
    if given_up:
        with pytest.raises(Unavailable):
            asyncio.run(sending)
    else:
        asyncio.run(sending)
    assert len(received.posted) == tries
    assert {str(request.url) for request in received.posted} == {URL}


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("Z21", {"body": b"{ }"}),
        ("Z21", {"recipient": AUD}),
        ("Z21", {"keys": [SoftwareSigner(b"o" * 32).public_key]}),
        ("Z21", {"header": ""}),
        ("Z21", {"header": "ed25519:00 x y"}),
        ("Z22", {"now": Instant(NOW + 301)}),
        ("Z22", {"now": Instant(NOW - 301)}),
    ],
)
def test_a_receiver_refuses_what_was_not_signed_for_it_now(rule, change):
    """Another body, recipient, key or time."""
    given = {
        "header": webhook_header(AUTH, NOW, b"{}", NODE),
        "body": b"{}",
        "recipient": AUTH,
        "keys": [NODE.public_key],
        "now": NOW,
    }
    verify_webhook(**given)
    with pytest.raises(Refused) as refused:
        verify_webhook(**given | change)
    assert refused.value.rule == rule


def test_notices_leave_the_machine_over_tls_alone():
    """Z20."""
    assert check_address("http://127.0.0.1:8080/x")
    for url in ("http://hooks.example.org/", "ftp://hooks.example.org/", "http://127.0.0.1.example.org/"):
        with pytest.raises(Refused) as refused:
            check_address(url)
        assert refused.value.rule == "Z20"


TIMES = "    decide_within: 14 d\n    escalation: {to: [aud-1], after: 1 h, within: 1 d}\n"
ESCALATING = ONLY_AUTH.replace("every: 7 d, ", "").replace("    need: {humans", f"{TIMES}    need: {{humans")


def test_whom_it_was_escalated_to_is_told_and_again_when_somebody_escalates(tmp_path: Path):
    """It waits for them while they owe an answer, which they could not give before; each escalation is news of its own."""
    play = Play(founding(ESCALATING)).begin()
    proposal = play.propose("dev-a", T0 + 100)
    received, clock = Received(), [NOW]
    hooks = hooks_of(play, tmp_path, received, clock, {AUD: URL})
    looked(hooks)
    assert received.posted == []
    clock[0] = Instant(T0 + 100 + 3_600 + SETTLE)
    looked(hooks)
    [body] = received.bodies()
    [told] = body["waiting"][0]["escalated"]
    assert (told["to"], told["why"], told["since"], told["state"]) == (
        ["aud-1"],
        "silence",
        "2027-01-15T09:02:40Z",
        "open",
    )
    assert "by" not in told
    play.approve("aud-1", proposal, T0 + 5_000, decision="changes")
    assert waiting_for(play.state, Instant(T0 + 5_100), AUD) == ()
    play.approve("auth-2", proposal, T0 + 5_200, decision="escalate")
    clock[0] = Instant(T0 + 5_300)
    looked(hooks)
    assert [body["waiting"][0]["escalated"][0]["why"] for body in received.bodies()] == ["silence", "decision"]


def test_what_lapsed_waits_for_nobody():
    """It is held for good: neither its reviewers nor whom it was escalated to can do anything."""
    play = Play(founding(ESCALATING)).begin()
    proposal = play.propose("dev-a", T0 + 100)
    before, after = (Instant(T0 + 100 + 14 * 86_400 + SETTLE + late) for late in (-1, 0))
    assert [each.proposal for each in waiting_for(play.state, before)] == [proposal]
    assert [waiting_for(play.state, after, party) for party in (None, AUD, AUTH)] == [(), (), ()]
    assert times_of(play.state, proposal, after)["lapsed_at"] == "2027-01-29T08:01:40Z"
