"""What Slurm calls: a Lua plugin at submission, a program at launch, a program in front of each task.

Decides nothing itself: the Lua reads the posted leave's form and lapse, ``prolog`` asks ``app.slurm.gate``. ``spec/slurm.md`` §3.
"""
