"""Self-improvement programs that are held without a fork: one generation per approval.

Decides where in each program a model's child is taken over, and that it is taken over only when it was approved. One core
(``generations``), a thin adapter for each program (``openevolve``, ``shinka``, ``dgm``) and what starts a program under its adapter
(``running``). Leaves out loops that commit to git, which ``hooks.git`` holds. Normative text: ``spec/loops.md``.
"""
