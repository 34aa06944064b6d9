"""Digests, identities, instants, quantities and the error root: what every room above is written in.

This room decides how a value is spelled and compared. It knows nothing of statements, logs or accords.
"""
