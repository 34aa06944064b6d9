"""Statements: one signed claim, its envelope, its predicate, and who signed it.

This room decides what a statement says (``parse_statement``), what its id is, and that a key which was
*ever* enrolled for the speaking party signed it (``verify_envelope``). It leaves to ``accord`` whether that key
was in force at the statement's place, whether the party's role may say it, and what follows from it.

Rules, with every refusal numbered: ``spec/statement.md``.
"""
