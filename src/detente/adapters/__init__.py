"""Effects behind small ports: the store, files, keys, HTTP, processes, clocks.

Decides how bytes reach a disk, a network or a process, and what a failure there is called. Leaves out what they mean:
nothing here reads a statement or decides anything about an accord. The room above, ``app``, wires these together.
"""
