"""PyTorch: exact checkpoints (``exact_state``), a loader that can seek (``loader``), a guard for several ranks (``ranks``).

Decides what a PyTorch job must keep to go on bit-exactly, and how its ranks stop together. Leaves out leave
(``hooks.loop``) and the agreement itself (``hooks.agreement``). PyTorch is imported where it is used, so that the package
works without it. Specification: ``spec/exact-resume.md``.
"""
