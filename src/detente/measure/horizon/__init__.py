"""Time horizons: how long a task, in human minutes, an agent does with a stated chance, and how fast that grows.

Decides, from runs or from published horizons, what is estimated and how wide its interval is. Leaves reading files to
``adapters.run_files``. Source: METR, "Measuring AI Ability to Complete Long Tasks" (2025) and its public analysis;
normative text ``spec/measure-horizon.md``.

- ``runs``: records as runs and outcomes; what is refused (H02 to H07) and what is counted out.
- ``weights``: how much a run counts. ``fit``: the logistic curve, converged. ``bootstrap``: families, tasks, runs.
- ``trend``: state of the art, doubling time. ``published``: tables of horizons that somebody else estimated.
- ``estimate``: horizons within the reach of their suite. ``indicators``, ``ledgers``: all of it as a ``Result``.
"""
