"""Oversight: what human review AI-made changes got, as far as git and a forge's export can show.

Decides whether a merged pull request was approved, at exactly the head that was merged, by a human who is neither its author nor
the agent's operator (``judging``), what trailers claim (``review_trailers``), and how all of it adds up (``tally``). ``pulls`` holds the
shapes, ``bundle`` and ``github`` read the two forms of export. Which commits are AI-made is decided in
``measure.authorship``. What is not known stays unknown: no export is not no review. ``spec/measure-oversight.md``.
"""
