"""What people and programs are told of a refusal is another party's text."""

from types import SimpleNamespace

from detente.app.asking import _refusal
from detente.app.guarding import Denied, Leave
from detente.app.outfit import shown_reasons
from detente.base.digest import Digest
from detente.guard.permit import Reason

ESCAPES = "paused\x1b[2J\n::stop-commands::x"


def test_an_issuers_words_reach_no_terminal_as_they_are():
    """Neither an escape, nor a second line, which a pipeline's log would take for a command."""
    denied = Denied(deniers=(), held_by=("call\r",), reasons=(Reason(ESCAPES, ()),))
    answer = _refusal(Digest("0" * 64), denied, SimpleNamespace(triggers=()))
    assert answer.why.isprintable()
    assert answer.held_by == ("call\\r",)
    assert "::stop-commands::x" in answer.why


def test_what_holds_is_told_by_its_own_name():
    """A trigger forbids whatever it is called."""
    denied = Denied(deniers=(), held_by=("call",), reasons=())
    answer = _refusal(Digest("0" * 64), denied, SimpleNamespace(triggers=(SimpleNamespace(id="call"),)))
    assert (answer.verdict, answer.held_by) == ("deny", ("call",))


def test_a_guards_reasons_are_one_line():
    """The same of what a guard is told."""
    leave = Leave(reasons=(Reason(ESCAPES, ()),))
    assert shown_reasons(leave).isprintable()
