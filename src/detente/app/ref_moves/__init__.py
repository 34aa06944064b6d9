"""Moves of git refs: which of them are held, what is asked for them, and whether the hook that holds them is still there.

Decides which paths are held (``policy``), what a move touches and how the change is spelt (``touching``), what the hook saw
(``journal``), and what stands in a repository (``installing``). Leaves out the hook's own process (``hooks.git``).
``spec/asking.md`` §4 and §5.
"""
