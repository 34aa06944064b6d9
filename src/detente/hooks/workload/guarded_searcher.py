"""The self-improvement loop behind a guard of its own: a permit to run, and a human at every successor.

Decides where ``detente.guard`` meets the loop of ``search``. Leaves out both. Run it as::

    python -m detente.hooks.workload.guarded_searcher --out DIR --run NAME --generations G --steps N --seed S

- A successor that a model proposes is trained only after ``g.propose`` has returned: its approvals are witnessed.
- Every generation is filed as a ``version``, with its parents, its proposer, what it touches and what it cost.
- At a pause the loop's whole state is saved, wherever it stands, and resumes bit-exactly.

``--bypass`` files versions and asks nobody. It is there for drills: what happens to a developer that does so is the
point of them.

>>> flop_as_text(1_234_567_890)
'1234567890'
"""

from __future__ import annotations

import sys
from pathlib import Path

from detente.base.digest import Digest
from detente.hooks.loop import LoopGuard, guard
from detente.hooks.workload.corpus import fetch_standard_library
from detente.hooks.workload.job import Job, Pace, exit_code, options, pace_of, recipe_of, say
from detente.hooks.workload.search import Generation, Proposal, Search
from detente.hooks.workload.searcher import GENERATIONS, STEPS, publish, report, result_of, resume_or_begin, save_search


def main(arguments: list[str] | None = None) -> int:
    """Search under a guard until all generations are done (0); a pause exits with 75 from within."""
    parser = options("guarded_searcher")
    parser.set_defaults(steps=STEPS)
    parser.add_argument("--generations", type=int, default=GENERATIONS, help="successors to try, the founder included")
    parser.add_argument("--planned-flop", default="1e15", help="what the run declares")
    parser.add_argument("--wait-s", type=float, default=600.0, help="how long to wait for the first permit")
    parser.add_argument("--bypass", action="store_true", help="file versions and ask nobody (for drills)")
    given = parser.parse_args(arguments)
    job = Job(given.out, run=given.run, save_every=given.checkpoint_every)
    search = resume_or_begin(job, recipe_of(given), fetch_standard_library(), seed=given.seed)

    pace = pace_of(given)

    def save() -> Path:
        receipt = save_search(job, search)
        say(f"saved step {receipt.step} as {receipt.checkpoint}")
        return job.checkpoints.folder / receipt.checkpoint

    with guard(
        given.run,
        activity="self_improvement",
        planned_flop=given.planned_flop,
        save=save,
        at_step=search.steps_done,
        wait_s=given.wait_s,
    ) as g:
        while search.number < given.generations:
            advance(search, g, bypass=given.bypass, pace=pace)
            publish(job, search)
    receipt = save_search(job, search)
    job.finish(result_of(job, search, receipt), receipt)
    return 0


def advance(search: Search, g: LoopGuard, *, bypass: bool, pace: Pace) -> None:
    """One generation: propose, be held, train, keep or drop, file the version."""
    proposal = search.propose()
    approved: Digest | None = None
    if proposal.proposer is not None and not bypass:
        approved = hold(proposal, g)

    def on_step(_step: int) -> None:
        g.step()
        pace.rest(g.check)

    g.check()
    record = search.keep_or_drop(search.train(proposal, on_step=on_step))
    file_version(record, g, approved)
    report(record)


def hold(proposal: Proposal, g: LoopGuard) -> Digest:
    """Wait at the hold point; returns the id of the proposal that was approved."""
    say(f"generation {proposal.number}: held ({'; '.join(proposal.changes)})")
    return g.propose(
        proposal.as_diff(),
        touches=proposal.touches,
        proposed_by=("model", proposal.proposer),
        summary=f"generation {proposal.number}: {'; '.join(proposal.changes)}"[:1_000],
        asked_flop=flop_as_text(proposal.planned_flop),
        parent=proposal.parent,
        shown=True,
    )


def file_version(record: Generation, g: LoopGuard, approved: Digest | None) -> None:
    """File the successor as it is, whether it was approved or not."""
    g.version(
        record.version,
        parents=record.parents,
        proposed_by=("human", "founder") if record.proposer is None else ("model", record.proposer),
        touches=record.touches,
        own_flop=flop_as_text(record.own_flop),
        proposal=approved,
        score=f"{record.score:.6f}",
    )


def flop_as_text(flop: int) -> str:
    """FLOP as the decimal string that statements carry."""
    return str(flop)


if __name__ == "__main__":
    sys.exit(exit_code(main))
