"""Review: whether a human looked, decision by decision and reviewer by reviewer, with what small numbers can show.

Decides what a decision's note holds (``note``), and what is figured from decisions and notes: reading speed, files shown, overlap and load
(``attention``), agreement (``agreement``), the catch rate on seeded changes (``catch``), all of one reviewer (``figures``). Blind to what follows: an approval counts or not by the terms (``accord``); here is
only what was seen. ``spec/review.md``.
"""
