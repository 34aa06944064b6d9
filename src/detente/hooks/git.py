"""The process that git's hooks run: ``main`` with ``HOOK HOME FOLDER TRUNK [observe]``, moves on its standard input.

Decides what a move of a held ref is compared with, what is asked, and what a person reads. Leaves out what is held (``app.ref_moves``),
asking (``app.asking``) and the script around this process, which holds the move when this one does not end well.

- Exit 0 and one word on standard output let the moves be made; 1 holds them, all together, with the reasons on stderr; nothing else
  is an answer.
- A hook that was installed to observe lets every move be made: what would have been answered is recorded, and said on stderr. What it
  does stands in the installed script, and nothing in its environment changes it.
- Nothing is asked where nothing held is touched: then this takes some tens of milliseconds, most of them Python's start. So what is
  imported above imports little (no ``dataclasses``, no ``tomllib``), and asking is imported where something is asked.
- It ends by itself after ``ANSWER_S``, even if a disk hangs. ``spec/asking.md`` §4.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from detente.adapters.git_objects import find_absent
from detente.adapters.git_running import GitFailed, Repository, keep_ref, open_repository
from detente.app.ref_moves.journal import LET_THROUGH, OBSERVE, Journal, is_nothing, parse_moves, repository_folder
from detente.app.ref_moves.policy import POLICY_FILE, REPLACED, Policy
from detente.app.ref_moves.touching import (
    EMPTY_TREES,
    Touched,
    changed_entries,
    check_new_policy,
    is_within,
    nearest,
    read_policy,
    touched_by,
)
from detente.base.errors import DetenteError, Refused
from detente.base.visible import visible

if TYPE_CHECKING:
    from detente.app.asking import Question
    from detente.guard.answer import Answer

ANSWER_S: Final = 20.0
MOVES_BYTES_MAX: Final = 16 << 20
HELD_REFS: Final = "refs/detente/held/"
SHOWN_ID: Final = 16


class Move(NamedTuple):
    """A move of one held ref: from where the hook saw it last (``base``), to ``new``; empty for nothing."""

    ref: str
    base: str
    new: str
    past: str = ""


def main(arguments: list[str]) -> int:
    """Read the moves, answer with the exit code."""
    observing = arguments[4:] == [OBSERVE]
    unless = "not enforced: would have been held" if observing else "held"
    _end_after(ANSWER_S + 5.0, lambda: _say(f"{unless}: no answer within {ANSWER_S + 5.0:.0f} s"))
    try:
        _, home, folder, trunk = arguments[:4] if observing else arguments
        moves = parse_moves(_read())
        of_move = _of_observed_move if observing else _of_move
        held = list(_held(_repository(), moves, home, Path(folder), trunk, of_move))
    except (DetenteError, OSError, ValueError) as error:
        _say(f"{unless}: {error}")
        return 1
    for line in held:
        _say(line)
    if held and not observing:
        return 1
    sys.stdout.write(f"{LET_THROUGH}\n")
    sys.stdout.flush()
    return 0


def _held(
    repository: Repository,
    moves: list[tuple[str, str, str]],
    home: str,
    folder: Path,
    trunk: str,
    of_move: Callable[[Repository, Move, Policy, str, Path], Iterator[str]],
) -> Iterator[str]:
    """What a person reads of each move that is not let through."""
    if repository_folder(Path(home), repository.common_dir).name != folder.name:
        raise Refused(
            "J10",
            "held",
            got=f"a move in {visible(str(repository.common_dir))}",
            expected="one in the repository that this hook was installed in",
            todo="`detente hook git install` there",
        )
    journal = Journal(folder)
    seen = journal.last_seen()
    stood = journal.last_stood()
    policy = read_policy(repository, stood.get(trunk, ""))
    for move in _held_moves(repository, moves, seen, stood, policy, trunk):
        if move.new and policy.goes_back(move.ref) and journal.seen_at(move.ref, move.new):
            continue
        yield from of_move(repository, move, policy, home, folder)


def _held_moves(
    repository: Repository,
    moves: list[tuple[str, str, str]],
    seen: dict[str, str],
    stood: dict[str, str],
    policy: Policy,
    trunk: str,
) -> Iterator[Move]:
    """``seen``: where the hook saw each ref last; ``stood``: the last commit of each, though it went away since."""
    then = seen | {ref: "" if is_nothing(new) else new for _, new, ref in moves}
    for old, new, ref in moves:
        if ref.startswith(REPLACED) and not is_nothing(new):
            raise Refused(
                "J10",
                "held",
                got=f"{visible(ref)}, which makes git show another object in place of that one",
                expected="a commit of its own",
                todo="move a branch to what is to be shown",
            )
        if not policy.holds_ref(ref) and ref != trunk:
            continue
        base = seen.get(ref, "")
        if new.startswith("ref:"):
            raise Refused(
                "J10",
                "held",
                got=f"{visible(ref)} made to stand for {visible(new[4:])}",
                expected="a held ref that names a commit",
                todo="move it to the commit instead",
            )
        target = "" if is_nothing(new) else new
        if not (base or target):
            continue
        if target and not base and ref in stood:  # It comes back: from where it stood, or from nothing if that is gone.
            base = "" if find_absent(repository, [stood[ref]]) else stood[ref]
        elif not (base and target):
            # What goes away has to be in what there is after the whole transaction; what comes may be in what there was.
            tips = seen if target else then
            others = [tip for other, tip in tips.items() if tip and other != ref and policy.holds_ref(other)]
            if is_within(repository, base or target, others):
                base = base or target
                target = target or base
            elif not base:
                base = nearest(repository, target, others)
        past = "" if is_nothing(old) or old == seen.get(ref, "") or ref not in seen else old
        yield Move(ref, base, target, past)


def _touched(repository: Repository, move: Move, policy: Policy) -> Touched | None:
    """What a move touches; None where nothing of it is held."""
    if move.base == move.new:
        return None
    nothing = EMPTY_TREES[repository.id_length]
    try:
        entries = changed_entries(repository, move.base or nothing, move.new or nothing)
    except GitFailed as error:
        raise Refused(
            "J10", "held", got=f"{visible(move.ref)}: {error}", expected="two trees that can be compared"
        ) from None
    if move.new and any(entry.path == POLICY_FILE for entry in entries):
        check_new_policy(repository, move.new)
    if not policy.holds_ref(move.ref):  # The trunk, which holds nothing but its policy then.
        entries = [entry for entry in entries if entry.path == POLICY_FILE]
    touched = touched_by(repository, entries, policy)
    return touched if touched.held else None


def _of_move(repository: Repository, move: Move, policy: Policy, home: str, folder: Path) -> Iterator[str]:
    touched = _touched(repository, move, policy)
    if touched is None:
        return
    answer = _asked(_question(repository, move, touched, folder), home)
    if not answer.allowed:
        yield from _told(repository, move, touched, answer)


def _of_observed_move(
    repository: Repository, move: Move, policy: Policy, home: str, folder: Path
) -> Iterator[str]:  # fmt: skip
    touched = _touched(repository, move, policy)
    if touched is None:
        return
    from detente.app.observed_asking import observe, spoken

    about = f"a move of {visible(move.ref)} that touches {touched.spelled()}"
    question = _question(repository, move, touched, folder)
    answer = observe(question, asker="git", about=about, home=home, within_s=ANSWER_S)
    yield spoken(answer, about)


def _question(repository: Repository, move: Move, touched: Touched, folder: Path) -> Question:
    from detente.app.asking import Question
    from detente.app.ref_moves.proposing import proposal_of, spell_change, tree_of
    from detente.guard.answer import digest_act

    base, new = (tree_of(repository, each) for each in (move.base, move.new))
    change = spell_change(repository, base, new)
    proposal = proposal_of(
        repository, move.ref, base=move.base, new=move.new, touched=touched, change=change
    )  # fmt: skip
    act = digest_act("git", {"ref": move.ref, "base": move.base, "tree": new, "change": proposal.change})
    return Question(activity="self_improvement", act=act, run=f"git-{folder.name}", proposal=proposal, change=change)


def _asked(question: Question, home: str) -> Answer:
    from dataclasses import replace

    from detente.app.asking import ask, use

    answer = ask(question, home=home, within_s=ANSWER_S)
    if answer.allowed:
        try:
            use(answer, act=question.act, home=home)
        except (DetenteError, OSError) as error:
            return replace(answer, verdict="hold", reasons=(str(error),), allowance=None)
    return answer


def _told(repository: Repository, move: Move, touched: Touched, answer: Answer) -> Iterator[str]:
    from detente.app.ref_moves.proposing import tree_of

    yield f"{'denied' if answer.verdict == 'deny' else 'held'}: {visible(move.ref)} touches {touched.spelled()}"
    if move.past:
        yield f"  it went past this hook, from {move.base[:12]} to {move.past[:12]}: asked is for all of it"
    yield f"  because   {answer.why}"
    if answer.proposal is not None:
        yield f"  proposal  {answer.proposal}"
        yield f"  look      detente hold show {answer.proposal[:SHOWN_ID]}"
        yield f"  decide    detente hold decide {answer.proposal[:SHOWN_ID]} --decision approve, by a reviewer"
        if move.new and not os.environ.get("GIT_QUARANTINE_PATH"):
            ref = HELD_REFS + answer.proposal[:SHOWN_ID]
            with contextlib.suppress(DetenteError):
                keep_ref(repository, ref, move.new)
                yield f"  kept as   {ref}, so that nothing is lost"
        yield f"  then      the same again: it goes through for exactly this tree ({tree_of(repository, move.new)[:12]})"
    elif not answer.answered:
        yield "  then      the same again, once a node of the accord answers"


def _repository() -> Repository:
    """The repository that git runs the hook for; the objects of a push lie apart until it is let in."""
    repository = open_repository(Path(os.environ.get("GIT_DIR") or "."))
    quarantine = os.environ.get("GIT_QUARANTINE_PATH")
    return repository._replace(quarantine=Path(quarantine)) if quarantine else repository


def _read() -> bytes:
    data = sys.stdin.buffer.read(MOVES_BYTES_MAX + 1)
    if len(data) > MOVES_BYTES_MAX:
        raise Refused(
            "J14", "malformed", got=f"over {MOVES_BYTES_MAX >> 20} MiB of moves", expected="fewer refs at once"
        )
    return data


def _end_after(seconds: float, last_word: Callable[[], None]) -> None:
    """End the process then, whatever it waits for: what it was asked is held."""

    def end() -> NoReturn:
        last_word()
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"detente: {line}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
