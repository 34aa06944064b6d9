"""Run a self-improvement loop as a job: the drill's second kind of training.

Decides how the loop is stopped, and how it waits at a hold point of files when it stands alone. Leaves out the loop
(``search``) and real hold points. With ``--hold files`` each proposal is written to ``OUT/proposals/<digest>.json``
and trained only once ``OUT/approvals/<digest>`` holds ``{"proposal": "<digest>", "decision": "approved"}``::

    python -m detente.hooks.workload.searcher --out DIR --generations G --steps N --seed S [--hold none|files]

>>> parse_approval(b'{"proposal": "aa", "decision": "approved"}', proposal="bb")
Traceback (most recent call last):
...
detente.base.errors.Refused: W21 out-of-scope: got an approval of 'aa'; expected an approval of 'bb'
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detente.base.errors import Refused, Unavailable, shown
from detente.base.strict_json import encode_json, parse_json
from detente.guard.receipt import Receipt
from detente.hooks.workload.control import EX_TEMPFAIL, write_durably
from detente.hooks.workload.corpus import Corpus, fetch_standard_library
from detente.hooks.workload.job import Job, Pace, PauseNow, exit_code, options, pace_of, recipe_of, say
from detente.hooks.workload.recipe import Recipe
from detente.hooks.workload.search import Generation, Proposal, Search

GENERATIONS = 8
STEPS = 400
"""Per generation: with eight of them about as long as the default job of ``bytes_lm``."""
_APPROVAL_MAX = 4_096
_APPROVAL_POLL_S = 0.05

Hold = Callable[[Proposal], bool]
"""Returns whether the proposal may be trained; blocks until somebody decided; may raise ``PauseNow``."""


def main(arguments: list[str] | None = None) -> int:
    """Search until all generations are done (0) or paused (75)."""
    parser = options("searcher")
    parser.set_defaults(steps=STEPS)
    parser.add_argument("--generations", type=int, default=GENERATIONS, help="successors to try, the founder included")
    parser.add_argument("--hold", choices=("none", "files"), default="none", help="wait for OUT/approvals/<digest>")
    given = parser.parse_args(arguments)
    job = Job(given.out, run=given.run, save_every=given.checkpoint_every, slow_piece_s=given.slow_save_ms / 1000)
    search = resume_or_begin(job, recipe_of(given), fetch_standard_library(), seed=given.seed)

    def hold(proposal: Proposal) -> bool:
        return given.hold == "none" or hold_by_files(job, proposal)

    return run_search(job, search, hold=hold, generations=given.generations, pace=pace_of(given))


def run_search(job: Job, search: Search, *, hold: Hold, generations: int, pace: Pace) -> int:
    """The whole loop around ``search``, with ``hold`` between each proposal and its training; returns an exit code."""

    def save() -> Receipt:
        return save_search(job, search)

    while search.number < generations:
        try:
            ask(job)
            proposal = search.propose()
            if hold(proposal):
                record = search.keep_or_drop(search.train(proposal, on_step=_pacer(job, save, pace)))
                report(record)
            else:
                search.refuse(proposal)
                say(f"generation {proposal.number}: refused by its reviewer")
        except PauseNow as pause:
            if job.answer(pause.request, save):
                return EX_TEMPFAIL
            continue
        publish(job, search)
    receipt = save()
    job.finish(result_of(job, search, receipt), receipt)
    return 0


def save_search(job: Job, search: Search) -> Receipt:
    """Make the whole search durable, with a receipt."""
    meta, arrays = search.save_state()
    return job.checkpoints.save(
        meta, arrays, step=search.steps_done, flop=search.flop, why_not_exact=search.why_not_exact
    )


def result_of(job: Job, search: Search, receipt: Receipt) -> dict[str, Any]:
    """What ``final.json`` says of a finished search."""
    return {
        "run": job.control.run,
        "generations": search.number,
        "steps": search.steps_done,
        "version": None if search.best is None else search.best.digest,
        "weights_sha256": receipt.weights_sha256,
        "checkpoint_sha256": receipt.sha256,
        "flop": str(search.flop),
        "exact": receipt.exact,
    }


def resume_or_begin(job: Job, founder: Recipe, corpus: Corpus, *, seed: int) -> Search:
    """The search of the newest good checkpoint, or a new one; raises ``Refused`` W19 for another search's."""
    found = job.fetch_newest()
    if found is None:
        return Search(founder, corpus, seed=seed)
    search = Search.load_state(found.meta, found.arrays, corpus=corpus)
    if (search.founder, search.seed) != (founder, seed):
        raise Refused(
            "W19",
            "conflict",
            got="a checkpoint of a search with another founder or seed",
            expected="the options that the search began with",
            todo="repeat them, or choose another --out",
        )
    return search


def ask(job: Job) -> None:
    """Raise ``PauseNow`` if a pause is asked."""
    if (request := job.control.pause_asked()) is not None:
        raise PauseNow(request)


def hold_by_files(job: Job, proposal: Proposal) -> bool:
    """Publish the proposal and wait for the file that decides it; a pause interrupts the wait."""
    text = encode_json({**proposal.as_json(), "changes": proposal.changes, "touches": list(proposal.touches)})
    _store(job.out / "proposals" / f"{proposal.digest}.json", text + b"\n")
    approval = job.out / "approvals" / proposal.digest
    say(f"generation {proposal.number}: waiting for {approval} ({'; '.join(proposal.changes)})")
    while True:
        ask(job)
        try:
            with approval.open("rb") as file:
                return parse_approval(file.read(_APPROVAL_MAX + 1), proposal=proposal.digest)
        except FileNotFoundError:
            time.sleep(_APPROVAL_POLL_S)


def parse_approval(data: bytes, *, proposal: str) -> bool:
    """Approved (true) or rejected (false); raises ``Refused`` W21 for anything that is neither, or of another proposal."""
    value = parse_json(data, limit=_APPROVAL_MAX)
    if not isinstance(value, dict) or value.keys() != {"proposal", "decision"}:
        raise Refused("W21", "out-of-scope", got=shown(value), expected='"proposal" and "decision"')
    if value["proposal"] != proposal:
        raise Refused(
            "W21",
            "out-of-scope",
            got=f"an approval of {shown(value['proposal'])}",
            expected=f"an approval of {shown(proposal)}",
        )
    if value["decision"] not in {"approved", "rejected"}:
        raise Refused("W21", "out-of-scope", got=shown(value["decision"]), expected='"approved" or "rejected"')
    return bool(value["decision"] == "approved")


def _pacer(job: Job, save: Callable[[], Receipt], pace: Pace) -> Callable[[int], None]:
    began = time.perf_counter()

    def on_step(step: int) -> None:
        nonlocal began
        pace.rest(job.control.is_asked)
        job.control.throttle(time.perf_counter() - began)
        if job.save_every and step % job.save_every == 0:
            save()
        ask(job)
        began = time.perf_counter()

    return on_step


def publish(job: Job, search: Search) -> None:
    """Rewrite ``generations.jsonl`` whole: it is small, and a resumed run then leaves the same bytes."""
    _store(job.out / "generations.jsonl", b"".join(encode_json(record) + b"\n" for record in search.records))


def _store(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, data)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error


def report(record: Generation) -> None:
    """One line on stderr for a generation that was decided."""
    verdict = "kept" if record.kept else "dropped"
    say(f"generation {record.number}: {verdict}, {record.score:.3f} nats ({'; '.join(record.changes)})")


if __name__ == "__main__":
    sys.exit(exit_code(main))
