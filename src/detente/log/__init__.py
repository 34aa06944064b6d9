"""Each party's append-only log, in the C2SP transparency-log family to the byte, and what mirrors and witnesses say of it.

This room decides which bytes are a note, a checkpoint, a cosignature, a tile, a proof or a policy; whether a
proof leads to a root; how a witness and a mirror answer; and what proves that a log told two stories. It
decides nothing about what an entry means: *checked* is size and Merkle hash only.

It leaves out every effect. Steps take a state and return the next one; whoever calls stores it durably before
acting on it. The rules are L01 to L71 of ``spec/log.md`` and M01 to M19 of ``spec/mirror.md``.
"""
