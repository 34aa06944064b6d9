"""Changes: which commits touch training, architecture, data, configuration or evaluation, and who made them.

Decides from paths first (``paths``), then from what a file says before and after: Python as a syntax tree
(``python_units``), YAML, TOML and JSON as a set of keys (``document_keys``), nothing ever executed. ``rules`` holds the
tables that turn a name into an area; ``filing`` judges one file, ``tally`` all of them. Who made a change and who looked
at it is decided in ``measure.authorship`` and ``measure.oversight``. ``spec/measure-changes.md``.
"""
