"""What was agreed, who is bound by it, and what it says at an instant.

This room decides: how terms are read (``terms``), how their conditions come out (``conditions``), when a statement
counts and in which order (``evidence``, ``witness``), what all of them together mean (``fold``, ``status``) and why
(``explain``). It leaves to others: whether a signature verifies (``statement``), whether an entry stands in a log
(``log``), and whether anybody gets a permit (``guard``). The rules are ``spec/terms.md`` and ``spec/accord.md``.
"""
