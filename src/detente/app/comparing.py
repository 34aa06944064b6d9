"""Run facts through the shipped accords, or through those that are named: at one date, or at every date of a year.

Decides which texts are the library and where its vocabulary lies. Leaves how a clause comes out to ``accord.comparison``.

- The library is every text of ``accords/`` beside which a table of scenarios stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detente.accord.comparison import Compared, compare_facts
from detente.accord.facts import Facts
from detente.accord.facts_reading import read_facts
from detente.accord.fields import TermsRefused
from detente.accord.replay import Replay, replay_facts
from detente.accord.terms import Terms
from detente.accord.vocabulary import Vocabulary, known, read_vocabulary
from detente.adapters.replay_picture import draw_replay
from detente.app.drafting import in_file, read_draft, read_text
from detente.app.init import accords_folder
from detente.base.errors import Misuse
from detente.base.instant import Instant

VOCABULARY = "vocabulary.yaml"
SCENARIOS = ".scenarios.yaml"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The facts, the texts, and how each clause comes out at ``at`` (None: at the end of the facts)."""

    facts: Facts
    accords: tuple[Terms, ...]
    compared: tuple[Compared, ...]
    at: Instant | None


def library() -> tuple[Path, ...]:
    """The shipped texts, by name."""
    folder = accords_folder()
    return tuple(
        sorted(
            folder / f"{path.name.removesuffix(SCENARIOS)}.yaml"
            for path in folder.glob(f"*{SCENARIOS}")
        )
    )  # fmt: skip


def compare(facts: Path, texts: Sequence[Path] = (), *, at: Instant | None = None) -> Comparison:
    """The facts of a file through these texts, or through the library where none is named."""
    accords = _texts(texts)
    vocabulary = shipped_vocabulary()
    said = read_facts_file(facts, accords, vocabulary)
    return Comparison(said, accords, compare_facts(said, accords, vocabulary, at=at), at)


def replay(facts: Path, texts: Sequence[Path] = (), *, figure: Path | None = None) -> Replay:
    """The facts of a file through these texts, or the library, at every date; drawn where a figure is asked for."""
    accords = _texts(texts)
    vocabulary = shipped_vocabulary()
    played = replay_facts(read_facts_file(facts, accords, vocabulary), accords, vocabulary)
    if figure is not None:
        draw_replay(figure, played, source=f"detente accord replay {facts.name}")
    return played


def _texts(texts: Sequence[Path]) -> tuple[Terms, ...]:
    accords = tuple(read_draft(path) for path in (texts or library()))
    names = [terms.accord for terms in accords]
    for name in names:
        if names.count(name) > 1:
            raise Misuse(f"two texts are called {name}: facts that name it could mean either")
    return accords


def shipped_vocabulary() -> Vocabulary:
    """The names under which the shipped texts and facts speak of the same thing."""
    return read_vocabulary(read_text(accords_folder() / VOCABULARY))


def read_facts_file(path: Path, accords: Sequence[Terms], vocabulary: Vocabulary) -> Facts:
    """The facts in a file; raises ``TermsRefused`` with every error, each with file, line and column."""
    try:
        # Facts may speak of any shipped text, whichever are compared.
        others = [read_draft(text) for text in library()]
        return read_facts(read_text(path), known(vocabulary, (*others, *accords)))
    except TermsRefused as refused:
        raise in_file(path, refused) from None
