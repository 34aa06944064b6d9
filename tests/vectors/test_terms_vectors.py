"""The committed vectors of terms and of the fold."""

import json
import random
from pathlib import Path

import pytest

from detente.accord.evidence import Evidence, Place
from detente.accord.fold import fold
from detente.accord.reading import TermsRefused, read_terms
from detente.accord.screened import screened_at
from detente.accord.status import change_standing, status
from tests.accord_play import feed

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
TERMS = sorted(case for case in (VECTORS / "terms").iterdir() if case.is_dir())
FOLDS = sorted(case for room in ("accord", "accord-members", "accord-times") for case in (VECTORS / room).iterdir() if case.is_dir())


@pytest.mark.parametrize("case", TERMS, ids=lambda case: case.name)
def test_terms_are_read_or_refused_as_the_vector_says(case):
    """A _fail is refused with its number, with line and column wherever there is a place to name."""
    data = (case / "terms.yaml").read_bytes()
    template = b"\nkeys:" not in data
    if not case.name.endswith("_fail"):
        assert read_terms(data, template=template).version >= 1
        return
    with pytest.raises(TermsRefused) as refused:
        read_terms(data, template=template)
    rules = {each.rule for each in refused.value.all}
    assert json.loads((case / "expect.json").read_text())["rule"] in rules
    assert refused.value.got


@pytest.mark.parametrize("case", FOLDS, ids=lambda case: case.name)
def test_evidence_folds_as_the_vector_says_in_whatever_order(case):
    """Digest of the state, phase, pauses, ended rounds, numbers of the no-ops, and what seeded changes show where there may be some."""
    evidence = json.loads((case / "evidence.json").read_text())
    want = json.loads((case / "expect.json").read_text())
    founding = (case.parent / "founding.yaml").read_bytes()
    steps = [_step(step) for step in evidence["steps"]]
    for seed in (None, 1):
        if seed is not None:
            random.Random(seed).shuffle(steps)
        heard = Evidence(founding)
        for step in steps:
            feed(heard, step)
        state = fold(heard)
        now = status(state, evidence["at"])
        assert state.digest == want["digest"]
        assert now.phase == want["phase"]
        assert [[p.trigger, p.round, p.scope, p.since, p.witnessed] for p in now.pauses] == want["pauses"]
        assert [[e.trigger, e.round, e.how, e.ended_at] for e in now.ended] == want["ended"]
        assert [note.rule for note in now.notes] == want["notes"]
        if "screened" in want:
            found = screened_at(state, state.terms_at(evidence["at"]), evidence["at"])
            assert (found.caught, found.decided, found.void, found.open) == tuple(want["screened"].values())
        for change, at, outcome in want.get("standings", ()):
            assert change_standing(state, change, at).outcome == outcome
        if case.name.endswith("_fail"):
            assert want["rule"] in want["notes"]


def _step(step):
    [(kind, rest)] = step.items()
    if kind == "entry":
        return kind, Place(rest[0], rest[1]), rest[2].encode()
    return (kind, *rest) if kind == "cosign" else (kind, rest.encode())
