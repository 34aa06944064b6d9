"""Acceleration: is progress faster than its own past?

Decides whether dated series show it, and says "not shown" with the reason otherwise. Normative text
``spec/measure-acceleration.md``. Leaves reading files to ``adapters.run_files``.

- ``tracks``: a dated series, and which of several are independent.
- ``models``: a line, a parabola and a line with one break through it, compared by AICc; F and sup-F tests.
- ``verdict``: what one series shows, and what all of them declare. ``indicators``: that as a ``Result``.
"""
