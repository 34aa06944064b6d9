"""Seeding: real changes made known-bad in one small place, to be put to reviewers who do not know which.

Decides which places of a file can be spoilt and how (``flaws`` for Python, ``settings`` for structured files), and puts a changed tree into a
patch (``patch``). Nothing is executed: Python is read as a syntax tree, settings as keys and values. Which place is taken is for the caller's random
source (``app.seeding``). ``spec/review.md`` §5.
"""
