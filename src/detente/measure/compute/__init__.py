"""Compute: how many operations a training run took, as an interval over the methods that could tell.

Decides formulas (``model``, ``stages``), which Hugging Face architectures are understood (``families``), how a run is declared
(``declaration``), what devices could have done (``hardware``), what the law compares (``rules``), and how all that becomes a
``Result`` (``estimate``). Counting operators while a job runs is ``hooks.flop_counter``; reading files is ``app.measuring``.
Exact decimals throughout: no float takes part. ``spec/measure-compute.md``.
"""
