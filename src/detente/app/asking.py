"""Ask once, before one act: the common core of everything that is no loop.

Decides how a question becomes a declared run, a filed proposal and a permit, within a deadline, and what is answered when that
fails: hold. Leaves out what an answer is bound to (``guard.answer``), what a host does with it (``hooks.git``, ``hooks.claude_code``,
``hooks.mcp``, ``cli.gate``). Normative text: ``spec/asking.md``.

- ``ask`` never raises and never takes longer than ``within_s``: whatever stands in the way, a hang included, is a hold with the reason.
- ``use`` checks the answer against the act that is about to be done, and spends it durably; it raises, and what it raises is no leave.
- What is filed on the way stays filed: the next question about the same change finds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from detente.accord.terms import Terms
from detente.adapters.rundir import RunFolder
from detente.adapters.spent import Spent, replayed
from detente.app.config import find_home
from detente.app.door import Door
from detente.app.guarding import Channel, Denied, GuardSession
from detente.app.holding import NoMemory
from detente.app.outfit import Outfit, fastest_loop, open_outfit
from detente.app.petition import Petitioner
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import DetenteError, Refused
from detente.base.identity import parse_party
from detente.base.quantity import parse_decimal
from detente.base.visible import visible
from detente.guard.answer import USE_MAX_S, Allowance, Answer, bound_nonce, check_use, spent_key
from detente.guard.intent import Activity, Intent
from detente.statement.envelope import MAX_ENVELOPE_BYTES, parse_envelope
from detente.statement.proposal import Proposal
from detente.statement.run import Run
from detente.statement.statement import parse_statement

ASK_S: Final = 20.0
"""Two rounds with four nodes take a tenth of a second; one that is being started, or restarted, some seconds."""
AGAIN_S: Final = 0.3
"""A run or a proposal that was just filed is not yet known to every issuer."""
TURN_S: Final = 0.02
LEFT_OUT: Final = "the bytes of the change are not at the node: "
_DENIES: Final = frozenset({"party", "slowdown", "refuse_compute", "refuse_deployment"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One act, and what is asked for it. ``act`` is the digest of everything that it depends on (``digest_act``).

    ``run`` names the standing run in whose name it is asked, for training and self_improvement. ``proposal`` is a change that must
    have been approved; its member ``run`` is filled in here, and ``change`` are its bytes for reviewers. ``once``: one approval, one act.
    ``filed`` is the id of a proposal that is filed already.
    """

    activity: Activity
    act: Digest
    run: str = ""
    planned_flop: str = "0"
    proposal: Proposal | None = None
    change: bytes | None = None
    once: bool = False
    filed: Digest | None = None
    version: Digest | None = None
    on_behalf_of: str | None = None


def ask(question: Question, *, home: str | Path | None, within_s: float = ASK_S) -> Answer:
    """The answer, at the latest after ``within_s``; everything that goes wrong is a hold that says what did."""
    found: Future[Answer] = Future()
    deadline_s = time.monotonic() + within_s

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=fastest_loop()) as runner:
                found.set_result(runner.run(_ask(question, home, deadline_s)))
        except BaseException as error:  # noqa: BLE001 - it is the asker that must hear of it, whatever it is
            found.set_exception(error)

    # A thread of its own, so that what hangs in a disk or a lock does not take the deadline with it.
    threading.Thread(target=work, name="detente-ask", daemon=True).start()
    try:
        return found.result(max(0.0, deadline_s - time.monotonic()))
    except TimeoutError:
        return held(question.act, f"no answer within {within_s:.0f} s")
    except DetenteError as error:
        return held(question.act, str(error))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return held(question.act, f"asking failed: {error!r}"[:500])


def use(answer: Answer, *, act: Digest, home: str | Path | None, once: bool = False) -> None:
    """Spend the answer for ``act``, which is about to be done; raises ``Refused`` J01 to J05, P…, ``Unavailable``."""
    allowance = answer.allowance
    key = spent_key(answer, once=once)
    if allowance is None:  # spent_key has refused it
        return
    outfit = asyncio.run(open_outfit(home))
    clock = outfit.clock
    now_s, boot_id = clock.boottime_s(), clock.boot_id()
    check_use(
        allowance,
        act=act,
        trust=outfit.trust,
        guard=outfit.speaker.signer.public_key,
        boot_id=boot_id,
        now_s=now_s,
    )
    spent = Spent(outfit.home)
    spent.drop_lapsed(boot_id=boot_id, now_s=now_s)
    lasting = once and answer.proposal is not None
    until_s = None if lasting else allowance.sent_at_ms / 1_000 + USE_MAX_S
    spent.spend(key, about=f"act {act[:16]}", boot_id=boot_id, until_s=until_s)


def use_for_call(
    answer: Answer, call_id: str, *, asker: str, act: Digest, home: str | Path | None, once: bool
) -> None:  # fmt: skip
    """As ``use``, and spend the host's own id of the call with it, so that it is let through once.

    A call that was let through before spends no other approval, and one whose answer is no longer good is not used up.
    """
    spent, key = Spent(find_home(home)), sha256_hex(f"detente-call/v1\n{asker}\n{call_id}".encode())
    if spent.has(key):
        raise replayed(key, f"a call of {asker}")
    use(answer, act=act, home=home, once=once)
    spent.spend(key, about=f"a call of {asker}", boot_id="", until_s=None)


def held(act: Digest, why: str) -> Answer:
    """A hold that nobody has answered."""
    return Answer(verdict="hold", act=act, reasons=(why,))


async def _ask(question: Question, home: str | Path | None, deadline_s: float) -> Answer:
    outfit = await open_outfit(home)
    channel = outfit.channel()
    try:
        async with asyncio.timeout(max(0.0, deadline_s - time.monotonic())):
            run, proposal, trouble = await _filed(question, outfit, channel)
            intent = Intent(
                activity=question.activity,
                party=outfit.party,
                run=run,
                proposal=proposal,
                version=question.version,
                flop=parse_decimal(question.planned_flop) if run is not None else None,
                on_behalf_of=None if question.on_behalf_of is None else parse_party(question.on_behalf_of),
            )
            answer, lapsed = await _answered(question, intent, outfit, channel, deadline_s)
            if lapsed and question.run and question.proposal is not None and run is not None:
                await _forget(RunFolder(outfit.home, question.run), replace(question.proposal, run=run))
            if trouble and not answer.allowed:
                answer = replace(answer, reasons=(*answer.reasons, trouble))
            return replace(answer, proposal=proposal)
    finally:
        await channel.close()


async def _answered(
    question: Question, intent: Intent, outfit: Outfit, channel: Channel, deadline_s: float
) -> tuple[Answer, bool]:  # fmt: skip
    """Ask until there is an answer that waiting here will not change; with it, whether the proposal has lapsed."""
    while True:
        salt = secrets.token_hex(16)
        sent_at_s = outfit.clock.boottime_s()
        session = GuardSession(
            intent=intent,
            terms=outfit.terms.digest,
            trust=outfit.trust,
            signer=outfit.speaker.signer,
            channel=channel,
            clock=outfit.clock,
            memory=NoMemory(),
            nonce=lambda salt=salt: bound_nonce(question.act, salt),  # type: ignore[misc]
        )
        outcome = await session.acquire()
        if not isinstance(outcome, Denied):
            allowance = Allowance(
                act=question.act,
                salt=salt,
                permit=outcome.envelope,
                boot_id=outfit.clock.boot_id(),
                sent_at_ms=int(sent_at_s * 1_000),
            )
            return Answer(verdict="allow", act=question.act, answered=True, allowance=allowance), False
        if set(outcome.held_by) != {"declaration"} or time.monotonic() + AGAIN_S > deadline_s - AGAIN_S:
            return _refusal(question.act, outcome, outfit.terms), outcome.lapsed
        await asyncio.sleep(AGAIN_S)


def _refusal(act: Digest, denied: Denied, terms: Terms) -> Answer:
    """Deny where a pause or a rule forbids it, hold where something is missing that may still come.

    What issuers say is another party's text: it reaches terminals and the logs of pipelines with its marks shown.
    """
    triggers = {trigger.id for trigger in terms.triggers}
    forbids = any(name in _DENIES or name in triggers or name.startswith("phase-") for name in denied.held_by)
    return Answer(
        verdict="deny" if forbids else "hold",
        act=act,
        answered=True,
        reasons=tuple(dict.fromkeys(visible(reason.text) for reason in denied.reasons)),
        held_by=tuple(visible(name) for name in denied.held_by),
    )


async def _filed(
    question: Question, outfit: Outfit, channel: Channel
) -> tuple[Digest | None, Digest | None, str]:  # fmt: skip
    """The run and the proposal, filed if they were not before, and what is wrong with the change's bytes at the node."""
    if not question.run:
        return None, question.filed, ""
    folder = RunFolder(outfit.home, question.run)
    await _take(folder)
    try:
        petitioner = Petitioner(outfit.speaker, folder, channel)
        declared = Run(
            run=question.run,
            activity="training" if question.activity == "training" else "self_improvement",
            planned_flop=parse_decimal(question.planned_flop),
            parents=(),
            data=(),
        )
        run, _ = petitioner.declare(declared)
        proposal, trouble = question.filed, ""
        if question.proposal is not None:
            said = replace(question.proposal, run=run)
            proposal = _kept(folder, said, outfit, once=question.once)
            if proposal is None:
                trouble = await _stored(question, outfit)
                proposal = _post(folder, said, outfit)
        await petitioner.deliver()
        if petitioner.refused:
            raise petitioner.refused[0][1]
        return run, proposal, trouble
    finally:
        folder.release()


async def _take(folder: RunFolder) -> None:
    """One after the other: several acts of one standing run may be asked for at once."""
    while True:
        try:
            folder.take()
        except Refused as refused:
            if refused.kind != "busy":
                raise
            await asyncio.sleep(TURN_S)
        else:
            return


def _proposal_file(said: Proposal) -> str:
    return f"proposal-{sha256_hex(repr(said).encode())[:40]}.json"


def _kept(folder: RunFolder, said: Proposal, outfit: Outfit, *, once: bool) -> Digest | None:
    """The proposal that says exactly this, if there is one that is of use."""
    kept = folder.read(_proposal_file(said), MAX_ENVELOPE_BYTES)
    if kept is None:
        return None
    with contextlib.suppress(Refused):  # What does not read is filed anew.
        statement = parse_statement(parse_envelope(kept))
        header = statement.header
        ours = (header.accord, header.party) == (outfit.speaker.accord, outfit.party)
        if ours and statement.body == said and not (once and Spent(outfit.home).has(statement.id)):
            return statement.id
    return None


def _post(folder: RunFolder, said: Proposal, outfit: Outfit) -> Digest:
    made, envelope = outfit.speaker.state("proposal", said)
    folder.post(envelope)
    folder.store(_proposal_file(said), envelope)
    return made


async def _forget(folder: RunFolder, said: Proposal) -> None:
    """Whoever asks again proposes anew."""
    await _take(folder)
    try:
        folder.drop(_proposal_file(said))
    finally:
        folder.release()


async def _stored(question: Question, outfit: Outfit) -> str:
    """Give the node the change's bytes, so that a reviewer can read them; returns why that failed."""
    if question.change is None:
        return ""
    door = Door(config=outfit.config, terms=outfit.terms, served=outfit.served)
    try:
        await door.store_blob(question.change, outfit.speaker.signer)
    except (DetenteError, OSError) as error:
        return f"{LEFT_OUT}{error}"[:300]
    return ""
