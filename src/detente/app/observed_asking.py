"""Ask before one act without holding it: what would have been answered is recorded, and the act goes on. Nothing here is enforced.

Decides what is asked and recorded of an act that is only observed. Leaves out who may observe: that is part of how a hook is installed,
and no environment variable, argument of a call or word of an agent reaches it. ``spec/asking.md`` §7.

- The question is the one that would be asked, but that no proposal is filed and nothing is spent: nobody is asked to decide on what is
  not held. Where a hold point of the home's terms would hold the proposal, the answer is a hold that names it.
- The record is that of ``detente guard --observe``: ``<home>/observe.jsonl``, one JSON object a line, each with ``"enforced": false``.
- Nothing is raised: what goes wrong is part of what is said.

>>> from detente.base.digest import Digest
>>> spoken(Answer(verdict="deny", act=Digest("0" * 64), reasons=("call: 1 vote of safety",)), "a move of refs/heads/main")
'not enforced: would have denied a move of refs/heads/main: call: 1 vote of safety'
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from detente.accord.change import Change
from detente.accord.holds import matching_holds
from detente.accord.terms import parse_terms
from detente.app.asking import Question, ask, held
from detente.app.config import find_home, load_config
from detente.base.errors import DetenteError
from detente.guard.answer import Answer
from detente.statement.proposal import Proposal

RECORD: Final = "observe.jsonl"
ABOUT_MAX: Final = 1_000
_WORDS: Final = {"allow": "let through", "hold": "held", "deny": "denied"}


def observe(question: Question, *, asker: str, about: str, home: str | Path | None, within_s: float) -> Answer:
    """What would have been answered, recorded. ``asker`` names the host, ``about`` the act for people."""
    began_s = time.monotonic()
    answer = ask(replace(question, proposal=None, change=None, once=False), home=home, within_s=within_s)
    if answer.allowed and question.proposal is not None:
        answer = _of_proposal(answer, question.proposal, home)
    return record(answer, asker=asker, about=about, home=home, took_s=time.monotonic() - began_s)


def record(answer: Answer, *, asker: str, about: str, home: str | Path | None, took_s: float = 0.0) -> Answer:
    """Append the line of one act; returns the answer, with the reason where the line could not be written."""
    said = {
        "event": "asked",
        "at_s": round(took_s, 3),
        "enforced": False,
        "asker": asker,
        "what": about[:ABOUT_MAX],
        "would_have": _WORDS[answer.verdict],
        "verdict": answer.verdict,
        "answered": answer.answered,
        "held_by": list(answer.held_by),
        "why": answer.why,
        "act": answer.act,
    }
    path = find_home(home) / RECORD
    try:
        with path.open("ab", buffering=0) as file:
            file.write(json.dumps(said, sort_keys=True).encode() + b"\n")
    except OSError as error:
        return replace(answer, reasons=(*answer.reasons, f"cannot write {path}: {error.strerror}"))
    return answer


def spoken(answer: Answer, about: str) -> str:
    """One line for whoever is there; it begins with ``not enforced``."""
    what = f"would have {_WORDS[answer.verdict]} {about}"
    return f"not enforced: {what}" + ("" if answer.allowed else f": {answer.why}")


def _of_proposal(answer: Answer, proposal: Proposal, home: str | Path | None) -> Answer:
    """A hold where a hold point of the home's terms would have people decide first; unknown where the terms do not read."""
    try:
        terms = parse_terms(load_config(find_home(home)).read_terms())
    except DetenteError as error:
        return held(answer.act, str(error))
    change = Change(proposal.proposed_by, frozenset(proposal.touches), None, (), frozenset())
    holds = tuple(hold.id for hold, _ in matching_holds(terms, change, "version.train"))
    if not holds:
        return answer
    reasons = (f"people would have been asked at the hold point {', '.join(holds)}; nothing was filed",)
    return Answer(verdict="hold", act=answer.act, answered=True, reasons=reasons, held_by=holds)
