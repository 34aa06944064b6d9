"""Self-improving loops: their records in, versions with parents, proposers, scores and times out, and what follows.

One module per loop reads that loop's own files and nothing else; ``kinds`` says which there are and recognises them;
``weaving`` makes one ``lineage`` graph of all of them; ``measuring`` computes the result. Bytes and rows come in through
``source``, which ``adapters`` fill. An importer that meets something it does not understand raises ``Refused`` I… and
imports nothing of that run. ``spec/measure-lineage.md``.
"""
