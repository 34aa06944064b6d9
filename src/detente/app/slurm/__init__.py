"""A Slurm cluster under the accord: its gate, the leave that is posted for it, and the sequence that pauses and lifts all of it.

``gate``: what stands in the gate's folder and whether it is open. ``installing``: how it comes there. ``posting``: who keeps the leave
fresh. ``record``: what a pause has done to which job. ``pausing`` and ``lifting``: the sequence. ``keeping``: a pause as soon as leave
ends. Leaves out how Slurm's commands are run (``adapters.slurm``) and what Slurm calls (``hooks.slurm``). ``spec/slurm.md``.
"""
