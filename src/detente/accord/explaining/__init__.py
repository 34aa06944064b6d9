"""What binds a party, a run, a change, a trigger or the whole accord: why, since when, and what would change it.

Decides which clauses bind a subject at an instant (``binding``), what each says in words that can be read aloud
(``aloud``, ``rules``), and which smallest sets of acts, or what instant, would end it (``ways``). A way is never guessed:
it is looked for by shape (``solving``) and kept only if the fold of the evidence with those acts supposed (``supposing``)
no longer binds, and with any one of them left out still does. Leaves what is so to ``status`` and the standings, and pages
and terminals to ``page`` and the commands. Explanations are made on demand; neither fold nor permit waits for them.
Normative text: ``spec/accord.md`` §10.
"""
