"""Authorship: which share of the code that was merged is known to be AI's, and how much nobody can tell.

Decides what a commit shows of its authors (``marks``, ``matching``), what ledgers attest line by line (``git_ai_note``,
``agent_trace``), which files count (``left_out_paths``), what one commit contributes (``facts``), and the shares over all of
them (``shares``, ``disappearance``). Leaves reading repositories to ``adapters.git_*`` and the scan to ``app.measuring.authorship``.

1. Nothing proves that a human wrote a line, except a ledger that attests it. What carries no mark is *unknown*.
2. Marks and ledgers are both incomplete: their union counts, and how much each misses is measured where both are there.
3. A suggestion that somebody accepted, and declared help, are AI involvement, not AI authorship: they stay in the upper bound.
4. Marks that stop while work goes on are a finding of their own.

``spec/measure-authorship.md``.
"""
