"""Is a text of terms sound? What can be proved or refuted before anybody signs it.

Decides what is claimed about terms, explores every state of an abstract play of each trigger (``play``, ``explore``), and
gives a trace for whatever is broken. Leaves out whether a file can be read (``reading``) and the rules without which it
would not even be terms (``soundness``). Normative text: ``spec/check.md``.
"""
