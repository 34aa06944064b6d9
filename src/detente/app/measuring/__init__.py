"""Use cases of ``detente measure``: read artefacts through ``adapters``, measure in ``measure``, hand back a ``Result``.

One module per use case. Nothing here prints; ``signing`` alone signs.
"""
