"""One generation of a self-improvement loop: leave to begin, and leave to take over what the model made of it.

Decides when a loop may go on. Leaves out the programs (``openevolve``, ``shinka``, ``dgm``), asking (``app.asking``) and what a reviewer
reads (``changes``). Normative text: ``spec/loops.md``.

- One generation at a time, whatever the program would do beside: the loop's *turn* is a lock of the operating system, which the end of a process
  gives back.
- ``begin`` waits until the accord lets the activity go on: a pause holds here, before the model is asked.
- ``take`` files the change and waits until it is approved; the approval is spent before it returns, for one child, once.
- Neither fails towards going on: what goes wrong is a reason to wait, told once. There is no other way out than the end of the process.
- What was taken over is kept, so that a child that comes past this is seen.
- A loop that is observed is asked about and goes on, whatever is answered: it has no turn, waits for nothing, and nothing of it is kept but
  the record (``asking.md`` §7).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from detente.base.digest import Digest
from detente.base.errors import DetenteError, Refused, Unavailable
from detente.base.visible import visible
from detente.hooks.loops.changes import Change, digest_text

if TYPE_CHECKING:
    from detente.app.asking import Question
    from detente.guard.answer import Answer

TURN_S: Final = 0.1
ASK_FIRST_S, ASK_MOST_S = 0.5, 5.0
"""People take minutes; the first asking again is soon."""
OBSERVE_S: Final = 20.0
"""What one asking may take at most, as where it is held."""
PAST_THE_HOOK: Final = 29
"""The exit code of ``inconsistent``."""
SUMMARY_MAX: Final = 1_000
TAKEN_MAX: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A loop that is held: the program's name, the name of its run in the home, and the home. Travels to worker processes.

    ``observe``: it is not held, and what would have been answered is recorded.
    """

    program: str
    run: str
    home: str
    observe: bool = False

    @property
    def folder(self) -> Path:
        """Where the turn and the record of what was taken over lie."""
        return Path(self.home) / "loops" / self.run


class Generation:
    """One attempt of a loop, known to people by its ``label``."""

    def __init__(self, loop: Loop, label: str) -> None:
        self.loop = loop
        self.label = label
        self._turn: int | None = None
        self._turning = threading.Lock()
        self._ended = False
        self._taken: set[Digest] = set()
        self._told = ""

    def begin(self) -> None:
        """Return when it is this generation's turn and the accord lets it begin."""
        _wait(self._beginning())

    async def begin_async(self) -> None:
        """As ``begin``, for an event loop; may be cancelled between two questions."""
        await _wait_async(self._beginning())

    def take(self, change: Change) -> None:
        """Return when the change is approved, and the approval spent. A child that is its parent needs none."""
        _wait(self._taking(change))

    async def take_async(self, change: Change) -> None:
        """As ``take``, for an event loop; may be cancelled between two questions."""
        await _wait_async(self._taking(change))

    def end(self) -> None:
        """Give the turn to the next generation."""
        with self._turning:
            self._ended = True
            if self._turn is not None:
                # Said, and not only closed: what the evaluation forked may have it open as well.
                fcntl.flock(self._turn, fcntl.LOCK_UN)
                os.close(self._turn)
                self._turn = None

    def _beginning(self) -> Iterator[float]:
        if self.loop.observe:
            self._observed(lambda: begin_question(self.loop, self.label), f"the beginning of {self.label}")
            return
        while not self._has_turn():
            yield TURN_S
        yield from self._asking(begin_question(self.loop, self.label), "may not begin")

    def _taking(self, change: Change) -> Iterator[float]:
        new = change.new != change.old and change.new not in self._taken
        if self.loop.observe:
            if new:
                self._observed(lambda: change_question(self.loop, self.label, change), f"the child of {self.label}")
                self._taken.add(change.new)
            return
        if new:
            yield from self._asking(change_question(self.loop, self.label, change), "waits")
        wait_s = ASK_FIRST_S
        while True:
            try:
                for text in change.texts:
                    note_taken(self.loop, digest_text(text))
            except Unavailable as error:
                self._tell("waits", str(error))
                yield wait_s
            else:
                self._taken.add(change.new)
                return

    def _has_turn(self) -> bool:
        try:
            self.loop.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.loop.folder / "turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._tell("may not begin", f"cannot write {self.loop.folder}: {error.strerror}")
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        with self._turning:
            if self._ended:  # Cancelled meanwhile: nobody would give this turn back.
                os.close(handle)
                return False
            self._turn = handle
        return True

    def _asking(self, question: Question, words: str) -> Iterator[float]:
        wait_s = ASK_FIRST_S
        while True:
            answer = _answer(question, self.loop.home)
            if answer.allowed:
                return
            self._tell(words, answer.why, answer.proposal)
            yield wait_s
            wait_s = min(wait_s * 1.5, ASK_MOST_S)

    def _observed(self, question: Callable[[], Question], about: str) -> None:
        """One asking, recorded and said; whatever becomes of it, the loop goes on."""
        try:
            from detente.app.observed_asking import observe, spoken

            answer = observe(
                question(), asker=self.loop.program, about=about, home=self.loop.home, within_s=OBSERVE_S
            )  # fmt: skip
            line = spoken(answer, about)
        except Exception as error:  # noqa: BLE001 - observing changes nothing for the program, whatever becomes of it
            line = f"not enforced: observing {about} failed: {error!r}"
        say(f"detente: {self.loop.program}: {visible(line)}\n")

    def _tell(self, words: str, why: str, proposal: Digest | None = None) -> None:
        """A person reads each reason once, not at every asking."""
        lines = [f"{self.loop.program}: {self.label} {words}: {visible(why)}"]
        if proposal is not None:
            lines += [
                f"  proposal  {proposal}",
                f"  look      detente hold show {proposal[:16]}",
                f"  decide    detente hold decide {proposal[:16]} --decision approve, by a reviewer",
            ]
        text = "".join(f"detente: {line}\n" for line in lines)
        if text != self._told:
            self._told = text
            say(text)


def begin_question(loop: Loop, label: str) -> Question:
    """May the loop ask its model for another child at all?"""
    from detente.app.asking import Question
    from detente.guard.answer import digest_act

    act = digest_act(loop.program, {"begins": label, "run": loop.run})
    return Question(activity="self_improvement", act=act, run=loop.run)


def change_question(loop: Loop, label: str, change: Change) -> Question:
    """May this child be run and taken over? Its diff is the proposal; parent and child are named by digests of all that they consist of."""
    from detente.app.asking import Question
    from detente.app.holding import made_proposal
    from detente.guard.answer import digest_act

    summary = f"{loop.program}: {label} of {loop.run}: from {change.old} to {change.new}, in {change.of}"
    # What a program is for cannot be told from its text, so no area is declared that would hold less.
    proposal = made_proposal(
        change.diff, touches=(), summary=visible(summary)[:SUMMARY_MAX], proposed_by=("model", loop.program)
    )
    act = digest_act(loop.program, {"from": change.old, "to": change.new, "change": proposal.change, "run": loop.run})
    return Question(
        activity="self_improvement", act=act, run=loop.run, proposal=proposal, change=change.diff, once=True
    )  # fmt: skip


def _answer(question: Question, home: str) -> Answer:
    """One asking; an answer that allows is spent already."""
    from detente.app.asking import ask, use

    answer = ask(question, home=home)
    if answer.allowed:
        try:
            use(answer, act=question.act, home=home, once=question.once)
        except (DetenteError, OSError) as error:
            return replace(answer, verdict="hold", reasons=(str(error),), allowance=None)
    return answer


def has_taken(loop: Loop, text: Digest) -> bool:
    """Was a child with this text let through before?"""
    try:
        with (loop.folder / "taken").open("rb") as file:
            return f"{text}\n".encode() in file.read(TAKEN_MAX)
    except OSError:
        return False


def check_taken(loop: Loop, text: Digest, got: str) -> None:
    """J51 where ``got``, a child with this text, was not let through; of a loop that is observed nothing is looked at here."""
    if not loop.observe and not has_taken(loop, text):
        end_program(loop, got)


def note_taken(loop: Loop, text: Digest) -> None:
    """Keep that a child with this text is let through, before it is; raises ``Unavailable``."""
    if has_taken(loop, text):
        return
    try:
        loop.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(loop.folder / "taken", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, f"{text}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise Unavailable(f"cannot write {loop.folder}: {error.strerror}") from None


def end_program(loop: Loop, got: str) -> None:
    """J51: end this process at once, since the program would go on past the adapter; nothing in it may catch that.

    Returns only where the loop is observed.
    """
    refused = Refused(
        "J51",
        "out-of-scope",
        got=visible(got),
        expected="a child that was let through",
        todo="the program made it in a way that the adapter does not know: it is ended",
    )
    if loop.observe:
        say(f"detente: {loop.program}: not enforced: would have been ended: {refused}\n")
        return
    say(f"detente: {refused}\n")
    os._exit(PAST_THE_HOOK)


def say(text: str) -> None:
    """Tell the person who watches the program."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _wait(pauses: Iterator[float]) -> None:
    for pause_s in pauses:
        time.sleep(pause_s)


async def _wait_async(pauses: Iterator[float]) -> None:
    # Nothing sets an event when people decide at another node: it has to be asked for again.
    while (pause_s := await asyncio.to_thread(next, pauses, None)) is not None:  # noqa: ASYNC110
        await asyncio.sleep(pause_s)
