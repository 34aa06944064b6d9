"""Observe mode records what would have been done, and says everywhere that nothing was."""

import json
import struct
from decimal import Decimal

from detente.accord.reason import Reason
from detente.app.guarding import Leave
from detente.app.observing import Observer, read_steps
from detente.cli.guard import summary


class Clock:
    now_s = 100.0

    def boottime_s(self) -> float:
        return self.now_s

    def boot_id(self) -> str:
        return "boot"


GIVEN = Leave(until_s=700.0, rate=Decimal(1), epoch=1)
PAUSED = Leave(epoch=1, why="pause", held_by=("call",), reasons=(Reason("aud-1 and auth-1 voted a pause"),))


def observed(tmp_path, *story: tuple[float, Leave]):
    clock = Clock()
    observer = Observer(tmp_path, command=["python", "train.py"], clock=clock, halt_within_s=900)
    for at_s, leave in story:
        clock.now_s = 100.0 + at_s
        observer.leave_changed(leave)
    clock.now_s = 110.0
    return observer.ended(0, cpu_s=9.5)


def test_a_job_that_is_permitted_throughout_would_not_have_been_touched(tmp_path):
    """Nothing to report is said in so many words."""
    seen = observed(tmp_path, (0.1, GIVEN))
    assert (seen.would, seen.permits, seen.wall_s) == ((), 1, 10.0)
    assert "nothing: it was permitted throughout (1 permit)" in "\n".join(summary(seen, None, run_name="r"))


def test_a_pause_is_recorded_with_its_time_and_reason(tmp_path):
    """When, what and why; and that the job would have gone on after the lift."""
    seen = observed(tmp_path, (0.1, GIVEN), (2.0, PAUSED), (5.0, Leave(until_s=800.0, rate=Decimal(1), epoch=2)))
    assert [(each.at_s, each.what) for each in seen.would] == [
        (2.0, "asked for a checkpoint and stopped the job, within 900 s"),
        (5.0, "let the job go on from that checkpoint"),
    ]
    assert seen.would[0].why == "aud-1 and auth-1 voted a pause"


def test_a_job_without_a_permit_would_not_have_started(tmp_path):
    """A denial from the first on is the most useful thing to learn before enforcing."""
    denied = Leave(held_by=("too-large",), reasons=(Reason("1e26 FLOP is more than 1e25"),))
    seen = observed(tmp_path, (0.2, denied))
    assert [(each.what, each.why) for each in seen.would] == [("not started the job", "1e26 FLOP is more than 1e25")]


def test_a_slowdown_is_recorded(tmp_path):
    """A rate below 1 is a thing that would have been done."""
    seen = observed(tmp_path, (0.1, GIVEN), (1.0, Leave(until_s=700.0, rate=Decimal("0.25"), epoch=2)))
    assert [each.what for each in seen.would] == ["slowed the job to 0.25 of its speed"]


def test_every_line_and_the_summary_say_not_enforced(tmp_path):
    """Nobody can take an observation for a guard."""
    seen = observed(tmp_path, (0.1, GIVEN), (2.0, PAUSED))
    lines = [json.loads(line) for line in (tmp_path / "observe.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["started", "would have", "ended"]
    assert not any(line["enforced"] for line in lines)
    assert "not enforced" in "\n".join(summary(seen, None, run_name="r"))
    assert seen.as_json()["enforced"] is False


def test_a_record_that_cannot_be_written_stops_nothing(tmp_path):
    """Observation is never a reason for a job to fail."""
    place = tmp_path / "no" / "such" / "folder"
    observer = Observer(place, command=["x"], clock=Clock(), halt_within_s=1)
    observer.leave_changed(GIVEN)
    seen = observer.ended(0)
    assert seen.exit_code == 0
    assert [trouble for trouble in seen.troubles if "cannot write" in trouble] == list(seen.troubles)


def test_the_command_to_enforce_with_can_be_pasted(tmp_path):
    """What a shell would take apart is quoted."""
    observer = Observer(tmp_path, command=["sh", "-c", "echo a; echo b"], clock=Clock(), halt_within_s=1)
    said = summary(observer.ended(0), None, run_name="two words")
    assert said[-1].endswith("--run 'two words' --planned-flop 1e15 -- sh -c 'echo a; echo b'")


def test_steps_of_several_processes_are_added_and_the_longest_gap_counts(tmp_path):
    """A file that is cut short is skipped."""
    (tmp_path / "1.steps").write_bytes(struct.pack("=4d", 11, 0.0, 5.0, 1.5))
    (tmp_path / "2.steps").write_bytes(struct.pack("=4d", 3, 0.0, 1.0, 0.5))
    (tmp_path / "3.steps").write_bytes(b"short")
    steps = read_steps(tmp_path)
    assert (steps.count, steps.mean_gap_s, steps.longest_gap_s) == (14, 0.5, 1.5)
