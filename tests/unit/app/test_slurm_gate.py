"""A gate that does not read is shut, and a record of a pause is what it was, or refused."""

import json

import pytest

from detente.adapters.slurm import Slurm
from detente.app.slurm.gate import Gate, Standing
from detente.app.slurm.installing import inspect_files
from detente.app.slurm.keeping import Keeper
from detente.app.slurm.record import Record, RecordFile, Treated, encode_record, parse_record
from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.guard.posted import encode_none
from tests.unit.guard import messages as m

TERMS = b"terms"
STANDING = Standing(accord=sha256_hex(TERMS), party=m.DEV, guard=m.GUARD.public_key, run=m.RUN)


@pytest.fixture
def gate(tmp_path) -> Gate:
    """A gate with everything but leave."""
    (tmp_path / "gate.json").write_bytes(STANDING.encode())
    (tmp_path / "terms.yaml").write_bytes(TERMS)
    (tmp_path / "seen").mkdir()
    return Gate(tmp_path)


def test_a_closed_gate_says_why(gate):
    """U01: the first line of ``closed`` is what a user is told."""
    gate.close("an evaluation failed")
    assert gate.shut_by().startswith("U01 paused: got an evaluation failed;")
    gate.open()
    assert gate.shut_by().startswith("U02 not-found")


def test_a_gate_that_cannot_tell_is_shut(gate):
    """A folder in the place of ``closed`` is no sign that the cluster is open."""
    gate.closed.mkdir()
    assert "cannot read" in gate.shut_by()


def test_a_posted_refusal_is_passed_on(gate):
    """U04: what the accord said is what a job is refused for."""
    gate.post(encode_none("a pause is latched"))
    assert "a pause is latched" in gate.shut_by()


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format": "detente/slurm-gate/1"}', b"\x00"])
def test_a_gate_that_does_not_say_whose_leave_it_expects_is_shut(gate, data):
    """U07: an empty or torn ``gate.json`` expects nobody's leave."""
    (gate.folder / "gate.json").write_bytes(data)
    with pytest.raises(Refused) as refused:
        gate.standing()
    assert (refused.value.rule, refused.value.kind) == ("U07", "corrupt")


def test_terms_that_are_not_those_of_the_accord_are_refused(gate):
    """U07: whoever changes the terms beside the gate gets no gate by them."""
    (gate.folder / "terms.yaml").write_bytes(b"other terms")
    with pytest.raises(Refused) as refused:
        gate.terms()
    assert refused.value.rule == "U07"


def test_the_highest_epoch_stays(gate):
    """A lower one does not replace it; one that does not read shuts."""
    gate.keep_epoch(5)
    gate.keep_epoch(3)
    assert gate.seen.read_text() == "5\n"
    gate.seen.write_text("x")
    with pytest.raises(Refused) as refused:
        gate.keep_epoch(9)
    assert refused.value.rule == "U07"


def test_a_record_comes_back_as_it_was(tmp_path):
    """What a pause did to each job is what a lift reads."""
    jobs = {"7": Treated("saved", 3, "ab", exact=True), "8": Treated("suspended", why="late")}
    record = Record(request="00ff", phase="pausing", by="leave", jobs=jobs)
    file = RecordFile(Gate(tmp_path))
    assert file.load() == Record()
    file.store(record)
    assert file.load() == record
    assert file.load().those("saved", "suspended") == ["7", "8"]


@pytest.mark.parametrize(
    "change", [{"format": "other"}, {"phase": "done"}, {"by": "x"}, {"jobs": [1]}, {"jobs": {"7": {"outcome": "lost"}}}]
)
def test_a_record_that_does_not_read_is_refused(change):
    """U08: it must not pass for a cluster that nobody paused."""
    value = json.loads(encode_record(Record(request="00", phase="paused")))
    with pytest.raises(Refused) as refused:
        parse_record(json.dumps(value | change).encode())
    assert (refused.value.rule, refused.value.kind) == ("U08", "corrupt")


def test_one_pause_or_lift_works_at_a_time(tmp_path):
    """U09: the second waits, and says what it waited for."""
    file = RecordFile(Gate(tmp_path))
    with file.turn():
        with pytest.raises(Refused) as refused, RecordFile(Gate(tmp_path)).turn(within_s=0.0):
            pass
        assert (refused.value.rule, refused.value.kind) == ("U09", "busy")
    with RecordFile(Gate(tmp_path)).turn(within_s=0.0):
        pass


def test_a_gate_whose_list_of_files_is_short_is_not_as_it_was_installed(tmp_path):
    """Each of the three programs is named there: a list of nothing would find nothing changed."""
    (tmp_path / "installed.json").write_text("{}")
    assert inspect_files(tmp_path) == [
        f"installed.json does not name {name}" for name in ("job_submit.lua", "prolog", "task-prolog")
    ]


def test_a_keeper_that_observes_outlives_a_controller_that_gives_no_answer(tmp_path):
    """What could not be looked at is said, and the end of leave is recorded once it can be."""
    squeue = tmp_path / "squeue"
    said: list[str] = []
    slurm = Slurm({"PATH": f"{tmp_path}:/usr/bin:/bin"})
    keeper = Keeper(Gate(tmp_path), slurm, within_s=1, lifts=False, observes=True, say=said.append, over=lambda: True)
    squeue.write_text("#!/bin/sh\nexit 1\n")
    squeue.chmod(0o755)
    keeper._observe("no leave")
    assert not (tmp_path / "observe.jsonl").exists()
    assert "squeue ended with 1" in said[0]
    squeue.write_text("#!/bin/sh\n")
    keeper._next_s = 0.0
    keeper._observe("no leave")
    assert json.loads((tmp_path / "observe.jsonl").read_text())["would"] == "pause"
