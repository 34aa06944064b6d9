"""What is the record of a loop and what is merely called like one: nobody is told "refused" where there is nothing to read."""

import json

import pytest

from detente.base.errors import Refused
from detente.measure.loops.kinds import KINDS, kind_of
from detente.measure.loops.source import HeldFiles, Source
from detente.statement.approval import Approval
from detente.statement.change import ProposedBy
from detente.statement.proposal import Proposal
from detente.statement.version import Version

DIGEST = "a" * 64


def _source(files, databases=None, statements=()):
    held = {name: text.encode() for name, text in files.items()}
    return Source("run", HeldFiles(held), databases or {}, statements=statements)


class _Tables:
    def __init__(self, **columns):
        self.columns = columns

    def rows(self, table):
        return [dict.fromkeys(self.columns[table])]


NO_RECORD = {
    "a diary": {"notes/journal.json": json.dumps({"entries": ["rain"]})},
    "a press list": {"press_journal.json": "[]"},
    "a first state of something": {"initial/metadata.json": json.dumps({"schema": 1})},
    "programs of a theatre": {"metadata.json": "{}", "tv/programs/tonight.json": "{}"},
    "programs beside a checkpoint of weights": {"checkpoint_3/metadata.json": "{}", "data/programs/a.json": "{}"},
    "an adapter for something else": {"src/test_adapter_config.json": "{}"},
    "a page called like a card": {"docs/OLD-README.md": "---\nbase_model: org/b\n---\n"},
}


@pytest.mark.parametrize("name", sorted(NO_RECORD))
def test_a_file_that_is_merely_called_alike_is_no_record(name):
    """I01, which a report shows as not measured: nothing of any loop was found."""
    with pytest.raises(Refused) as refused:
        kind_of(_source(NO_RECORD[name]))
    assert (refused.value.rule, "of a known loop" in refused.value.got) == ("I01", True)


def test_statements_of_no_version_are_no_record():
    """Vectors, and a log of approvals alone: nothing of a loop. One version among them is one."""
    approval = ("approval", Approval(DIGEST, "approve", "r-1", "aud-1", None, False, "yes"), "b" * 64)
    proposal = ("proposal", Proposal(DIGEST, None, ProposedBy("model", None), (), 0, "s"), "c" * 64)
    version = ("version", Version(DIGEST, (), ProposedBy("model", None), (), None), "d" * 64)
    with pytest.raises(Refused, match="2 statements, none of a version, and none of a known loop"):
        kind_of(_source({}, statements=(approval, proposal)))
    assert kind_of(_source({}, statements=(approval, version))).name == "statements"


def test_programs_of_another_kind_of_database_beside_attempts_are_passed_over():
    """A table of that name without the loop's columns is somebody else's; the attempts are counted."""
    attempt = json.dumps({"generation": 1, "success": True})
    source = _source({"gen_1/attempts/1/metadata.json": attempt}, {"shop.db": _Tables(programs=("id", "price"))})
    kind = kind_of(source)
    assert kind.name == "shinka"
    assert kind.import_loop(source).attempts == 1


def test_whatever_is_recognised_by_its_columns_is_read_by_them():
    """A second database with other programs does not make it two runs."""
    ours = _Tables(programs=("id", "parent_id", "generation", "combined_score"))
    ours.rows = lambda _: [{"id": "a", "parent_id": None, "generation": 0, "combined_score": 0.5}]
    source = _source({}, {"run.db": ours, "shop.db": _Tables(programs=("id", "price"))})
    assert [version.id for version in kind_of(source).import_loop(source).versions] == ["a"]


def test_every_kind_has_a_name_of_its_own():
    """What `--as` takes."""
    assert len({kind.name for kind in KINDS}) == len(KINDS)
