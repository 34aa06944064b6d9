"""JAX with Orbax, stopped at any step and resumed: bit-equal, alone and as two processes, or refused with the reason."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detente.base.errors import Misuse, Refused
from detente.guard.receipt import parse_receipt

np = pytest.importorskip("numpy", reason="the hook for JAX needs NumPy: pip install 'detente[jax]'")
jax = pytest.importorskip("jax", reason="JAX is not installed: `make frameworks`")
pytest.importorskip("orbax.checkpoint", reason="Orbax is not installed: `make frameworks`")

from detente.hooks import jax as hook  # noqa: E402 - after the skip
from detente.hooks.jax import OrbaxState, form_of, joined_processes  # noqa: E402

JOB = Path(__file__).with_name("jax_processes_job.py")
STEPS = 8
PATIENCE_S = 300


def fresh():
    return {
        "w": jax.random.normal(jax.random.key(1), (6, 3)),
        "key": jax.random.key(2),
        "count": jax.numpy.zeros((), "int32"),
        "seen": np.zeros(2),
    }


@jax.jit
def update(state, points):
    key, now = jax.random.split(state["key"])
    kept = jax.random.bernoulli(now, 0.7, points.shape)
    gradient = jax.grad(lambda w: jax.numpy.mean(((points * kept) @ w) ** 2))(state["w"])
    return {"w": state["w"] - 0.1 * gradient, "key": key, "count": state["count"] + 1, "seen": state["seen"]}


class Cursor:
    """A place in data."""

    def __init__(self) -> None:
        self.at = 0

    def state_dict(self) -> dict:
        return {"at": self.at}

    def load_state_dict(self, state: dict) -> None:
        self.at = state["at"]


def trained(out, *, seed: int, until: int = STEPS, save: bool = False, **how):
    """Train on from what lies in ``out``; returns where it began, the state, and the keeper."""
    np.random.seed(seed)
    random.seed(seed)
    cursor = Cursor()
    kept = OrbaxState(out, weights=lambda state: state["w"], parts={"data": cursor}, **how)
    first, state = kept.restore(fresh())
    for _ in range(first, until):
        cursor.at += 1
        noise = np.random.randn(4, 6) + random.random() + cursor.at
        state = update(state, noise.astype(np.float32)) | {"seen": state["seen"] + 1}
    if save:
        kept.save(until, state)
    return first, np.asarray(state["w"]).tobytes(), kept


@pytest.mark.parametrize("step", [1, 4, 7])
def test_a_resumed_run_ends_with_the_weights_of_one_that_was_not_stopped(step, tmp_path):
    """Keys are in the tree, the global generators and the place in the data beside it."""
    _, whole, _ = trained(tmp_path / "whole", seed=3)
    trained(tmp_path / "out", seed=3, until=step, save=True)
    first, weights, kept = trained(tmp_path / "out", seed=99, save=True)
    assert (first, weights) == (step, whole)
    receipt = kept._files.newest().receipt
    assert (receipt.exact, receipt.ranks) == (True, 1)
    assert receipt.weights_sha256 is not None


def test_an_evaluation_leaves_no_trace(tmp_path):
    """Also what is saved within it is the state before it."""
    kept = OrbaxState(tmp_path)
    before = random.getstate()
    with kept.evaluation():
        random.random()
        kept.save(1, fresh())
    assert random.getstate() == before
    random.random()
    OrbaxState(tmp_path).restore(fresh())
    assert random.getstate() == before


def test_arrays_of_numpy_stay_numpys(tmp_path):
    """They compute in double precision, and JAX does not."""
    trained(tmp_path, seed=3, until=3, save=True)
    kept = OrbaxState(tmp_path, parts={"data": Cursor()})
    _, state = kept.restore(fresh())
    assert (type(state["seen"]), state["seen"].dtype, list(state["seen"])) == (np.ndarray, np.float64, [3.0, 3.0])


def test_a_weak_type_is_not_restored_and_the_receipt_says_so(tmp_path):
    """A product with it may come out in another type."""
    kept = OrbaxState(tmp_path)
    kept.save(1, {"rate": jax.jit(lambda: 0.5)()})
    assert "['rate'] is of a weak type" in kept._files.newest().receipt.why_not_exact


@pytest.mark.parametrize("harm", ["missing", "changed", "unsealed"])
def test_a_partial_save_of_orbax_is_refused_and_the_one_before_is_used(harm, tmp_path, capsys):
    """The listing names every file of it; without a receipt it never was one."""
    trained(tmp_path, seed=3, until=3, save=True)
    _, _, kept = trained(tmp_path, seed=3, until=5, save=True)
    folder = kept._files.folder(5)
    victim = max(
        (each for each in (folder / "state").rglob("*") if each.is_file()), key=lambda each: each.stat().st_size
    )
    if harm == "missing":
        victim.unlink()
    elif harm == "changed":
        victim.write_bytes(victim.read_bytes()[:-1] + b"\0\1"[-1:])
    else:
        (folder.parent / "step-000000005.receipt.json").unlink()
    first, _, _ = trained(tmp_path, seed=3)
    assert first == 3
    assert ("V09" in capsys.readouterr().err) == (harm != "unsealed")


def test_a_tree_of_another_form_is_refused(tmp_path):
    """Orbax would give what it can; the run that was saved it is not."""
    trained(tmp_path, seed=3, until=3, save=True)
    with pytest.raises(Refused, match="V04 conflict"):
        OrbaxState(tmp_path, parts={"data": Cursor()}).restore(fresh() | {"w": jax.numpy.zeros((6, 4))})


def test_a_leaf_that_is_no_array_is_refused_before_the_first_step(tmp_path):
    """Not at the first pause, when it is too late."""
    with pytest.raises(Refused, match=r"V02 wrong-type: got a function at \['f'\]"):
        OrbaxState(tmp_path).restore({"f": form_of})


def test_a_part_without_state_is_refused(tmp_path):
    """It could not be put back."""
    with pytest.raises(Refused, match="V03 wrong-type: got data: a list"):
        OrbaxState(tmp_path, parts={"data": []})


def test_another_environment_is_refused_unless_asked_for(tmp_path, monkeypatch):
    """And every receipt from then on says so."""
    trained(tmp_path, seed=3, until=3, save=True)
    now = hook._environment()
    monkeypatch.setattr(hook, "_environment", lambda: now | {"jax": "0.9"})
    with pytest.raises(Refused, match=r"V06 conflict: got jax 0\.9"):
        trained(tmp_path, seed=3)
    _, _, kept = trained(tmp_path, seed=3, until=5, save=True, allow_inexact=True)
    assert "jax 0.9" in kept._files.newest().receipt.why_not_exact
    with pytest.raises(Refused, match="V07"):
        trained(tmp_path, seed=3)


def test_without_processes_there_is_nobody_to_agree_with():
    """Say what to call first."""
    with pytest.raises(Misuse, match=r"jax\.distributed\.initialize"):
        joined_processes()


class Pair:
    """Two processes of ``jax.distributed`` with a control directory, as below a supervisor; ``mode`` is the guard's."""

    def __init__(self, place: Path, *options: str, mode: str = "auto") -> None:
        self.out, self.control = place / "out", place / "control"
        for folder in (self.out, self.control):
            folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            coordinator = f"127.0.0.1:{free.getsockname()[1]}"
        own = {"DETENTE_RUN": "run", "DETENTE_CONTROL_DIR": str(self.control)}
        common = [
            sys.executable,
            str(JOB),
            "--out",
            str(self.out),
            "--coordinator",
            coordinator,
            "--mode",
            mode,
            *options,
        ]
        self.processes = [
            subprocess.Popen([*common, "--process", str(number)], env=os.environ | own, stderr=subprocess.DEVNULL)
            for number in (0, 1)
        ]

    def reached(self) -> None:
        end = time.monotonic() + PATIENCE_S
        while len(list(self.out.glob("reached-*"))) < 2:
            assert [each.poll() for each in self.processes] == [None, None]
            assert time.monotonic() < end, "the processes did not come to it"
            time.sleep(0.01)

    def codes(self) -> list[int]:
        try:
            return [each.wait(PATIENCE_S) for each in self.processes]
        finally:
            for each in self.processes:
                each.kill()

    def final(self) -> dict:
        return json.loads((self.out / "final.json").read_text())


def test_a_signal_to_one_process_stops_both_at_one_step_and_they_end_as_if_nobody_had(tmp_path):
    """The second alone hears of it; one receipt is written for both, and the resumed run is bit-equal."""
    whole = Pair(tmp_path / "whole", mode="free")
    assert whole.codes() == [0, 0]
    pair = Pair(tmp_path / "pair", "--stay-at", "12")
    pair.reached()
    pair.processes[1].send_signal(signal.SIGUSR1)
    pair.codes()
    receipt = parse_receipt((pair.control / "receipt.json").read_bytes())
    assert (receipt.ranks, receipt.exact) == (2, True)
    assert 12 <= receipt.step <= 13
    for old in pair.control.iterdir():
        old.unlink()
    again = Pair(tmp_path / "pair", mode="free")
    assert again.codes() == [0, 0]
    assert again.final() == {"first": receipt.step, "weights": whole.final()["weights"]}
