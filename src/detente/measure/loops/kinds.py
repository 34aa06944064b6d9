"""Which loops can be read, and which of them a run is.

Decides the order in which kinds are tried. A run that two kinds recognise is refused (I01), as is one that none does:
nobody guesses what a record means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from detente.base.errors import Misuse, Refused, shown
from detente.measure.loops import (
    adas,
    autoresearch,
    dgm,
    journal,
    mlflow,
    model_cards,
    openevolve,
    shinka,
    sica,
    statements,
)
from detente.measure.loops.record import Loop
from detente.measure.loops.source import Source


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of loop: is a run of this kind, and what does it record?"""

    name: str
    recognise: Callable[[Source], bool]
    import_loop: Callable[[Source], Loop]


KINDS: Final[tuple[Kind, ...]] = (
    Kind(autoresearch.KIND, autoresearch.recognise, autoresearch.import_loop),
    Kind(openevolve.KIND, openevolve.recognise, openevolve.import_loop),
    Kind(dgm.DGM, dgm.recognise_dgm, dgm.import_dgm),
    Kind(dgm.HGM, dgm.recognise_hgm, dgm.import_hgm),
    Kind(shinka.KIND, shinka.recognise, shinka.import_loop),
    Kind(sica.KIND, sica.recognise, sica.import_loop),
    Kind(journal.KIND, journal.recognise, journal.import_loop),
    Kind(adas.KIND, adas.recognise, adas.import_loop),
    Kind(model_cards.KIND, model_cards.recognise, model_cards.import_loop),
    Kind(mlflow.KIND, mlflow.recognise, mlflow.import_loop),
    Kind(statements.KIND, statements.recognise, statements.import_loop),
)
NAMES: Final = tuple(kind.name for kind in KINDS)


def kind_named(name: str) -> Kind:
    """The kind of that name; raises ``Misuse``."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise Misuse(f"no kind of loop is called {shown(name)}: expected one of {', '.join(NAMES)}")


def kind_of(source: Source) -> Kind:
    """The one kind that recognises the run; raises ``Refused`` I01 where none or several do."""
    found = [kind for kind in KINDS if kind.recognise(source)]
    if len(found) == 1:
        return found[0]
    count = len(source.files.names)
    files = "one file, not" if count == 1 else f"{count} files, none"
    if source.statements:
        files = f"{len(source.statements)} statements, none of a version, and none"
    got = " and ".join(kind.name for kind in found) or f"{files} of a known loop"
    raise Refused(
        "I01",
        "wrong-type",
        got=f"{shown(source.name)}: {got}",
        expected=f"the record of one of {', '.join(NAMES)}",
        todo="say which with --as, or name the folder of one run",
    )
