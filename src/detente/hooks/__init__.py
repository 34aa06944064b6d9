"""Surfaces that stop things: training loops, workloads, schedulers. They never import ``cli`` or ``server``."""
