"""Lineage: which version came from which, who proposed it, and how far that went without a human.

This room computes cumulative FLOP and the two depths of ``spec/lineage.md`` from what was stated. It believes nobody
more than it must: every answer is an interval, and whatever is missing, undeclared or contradictory widens it
upwards. Which approvals are significant, and what a depth leads to, is decided in ``accord``.
"""
