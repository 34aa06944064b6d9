"""Measure: how far AI development has gone towards improving itself without people, from real artefacts.

Values in, values out: this room reads no file, starts no process and asks no clock. ``adapters`` read repositories,
exports and databases; ``app.measuring`` joins the two; ``cli.measure`` shows the result. Whether a number has
consequences is decided in ``accord``, which this room may not import: a measurer is blind to the consequence.

Every number is an interval with the class of its evidence and a way down to it (``indicator``). What could not be
read or does not count is an ``Exclusion`` with a count and a reason, never a silent drop. ``spec/measure.md``.
"""
