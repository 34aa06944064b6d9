"""Permits, intents and decisions: whether a guard may run, for how long, and who says so.

Decides what an issuer signs, what a guard believes, when a lease lapses and what a supervisor does with a job. Leaves
the state that decisions rest on to ``accord``, and every effect (asking, storing, stopping processes) to the rooms
above. Read ``docs/concepts/permit.md`` first; the bytes are in ``spec/permit.md``, the behaviour in ``spec/guard.md``.
"""
