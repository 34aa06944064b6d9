"""The drill: a full exercise of a pause on loopback, with real nodes, real keys and real training jobs.

``plan`` says what is exercised, ``coalition`` writes the terms and starts the parties' processes, ``jobs`` the
guarded training, ``stages`` the story in order with an assertion for every line, ``record`` keeps what
happened, ``report`` draws it. Nothing here is a rehearsal of the rules: every step goes through the same HTTP
interface and the same command line that a party would use.
"""
