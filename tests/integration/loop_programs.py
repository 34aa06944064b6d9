"""OpenEvolve, ShinkaEvolve and DGM set up for tests: each in a folder of its own, to be started below ``detente hook loop``.

The programs are their authors' own working trees. What they evolve is one line, ``LEVEL = …``; what scores it notes what it scored.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Protocol

import pytest

from tests.integration.loops_rig import program

STAND_INS = Path(__file__).with_name("dgm_stand_ins")
START = "# EVOLVE-BLOCK-START\nLEVEL = 0\n# EVOLVE-BLOCK-END\n"
ISSUE = "django__django-10999"
IDEA = (
    "```json\n"
    + json.dumps({"implementation_suggestion": "a line", "problem_description": "a line is missing"})
    + "\n```"
)
SCORED = """\
level = re.search(r"LEVEL = (.*)", Path(path).read_text())[1].strip("'\\"")
score = (int(level) if level.isdigit() else 1) / 10
"""


class Program(Protocol):
    """A program's folder ``place``: how it is started there, and what came of it."""

    name: str
    place: Path

    def command(self, address: str, *, generations: int) -> list[str]:
        """What stands after ``--``, so that as many children are made; ``address`` is that of the model."""
        ...

    def environment(self, address: str) -> dict[str, str]: ...

    def evaluated(self) -> list[str]:
        """The children that were run, a word each, in their order; what the program starts from is ``0`` where it is run."""
        ...


class OpenEvolve:
    """Its own ``openevolve-run.py``."""

    name = "openevolve"
    evaluate = f"""\
import re
from pathlib import Path

def evaluate(path):
{"".join("    " + line for line in SCORED.splitlines(keepends=True))}
    with open(Path(__file__).with_name("evaluated"), "a") as file:
        file.write(f"{{level}}\\n")
    return {{"combined_score": score}}
"""
    config = """\
max_iterations: {generations}
checkpoint_interval: 1
diff_based_evolution: true
llm: {{api_base: "{address}", api_key: none, retries: 0, models: [{{name: scripted, weight: 1.0}}]}}
database: {{num_islands: 1, population_size: 10}}
evaluator: {{parallel_evaluations: 4, cascade_evaluation: false}}
{more}
"""

    def __init__(self, place: Path, *, more: str = "") -> None:
        pytest.importorskip("openai", reason="openai is not installed: pip install what the program needs")
        self._script = program("openevolve") / "openevolve-run.py"
        self.place, self._more = place, more
        place.mkdir()
        (place / "initial.py").write_text(START)
        (place / "evaluate.py").write_text(self.evaluate)

    def command(self, address: str, *, generations: int) -> list[str]:
        config = self.config.format(address=address, generations=generations, more=self._more)
        (self.place / "config.yaml").write_text(config)
        return [str(self._script), "initial.py", "evaluate.py", "--config", "config.yaml", "--output", "out"]

    def environment(self, address: str) -> dict[str, str]:  # noqa: ARG002 - the configuration says it
        return {"PYTHONDONTWRITEBYTECODE": "1"}

    def evaluated(self) -> list[str]:
        return _lines(self.place / "evaluated")


class Shinka:
    """Its own ``shinka.cli.run``; three generations at once, if it could."""

    name = "shinka"
    evaluate = f"""\
import argparse, json, re
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--program_path")
parser.add_argument("--results_dir")
given, _ = parser.parse_known_args()
path = given.program_path
{SCORED}
out = Path(given.results_dir)
with open(out.parent.parent / "evaluated", "a") as file:
    file.write(f"{{level}}\\n")
(out / "correct.json").write_text(json.dumps({{"correct": True, "error": None}}))
(out / "metrics.json").write_text(json.dumps({{"combined_score": score, "public": {{}}, "private": {{}}}}))
"""
    chosen = {  # noqa: RUF012 - never changed
        "evo.embedding_model": None,
        "evo.patch_types": ["diff"],
        "evo.patch_type_probs": [1.0],
        "evo.meta_rec_interval": None,
        "evo.max_novelty_attempts": 1,
    }

    def __init__(self, place: Path) -> None:
        pytest.importorskip("instructor", reason="instructor is not installed: pip install what the program needs")
        self._tree = program("ShinkaEvolve")
        self.place = place
        (place / "task").mkdir(parents=True)
        (place / "task" / "initial.py").write_text(START)
        (place / "task" / "evaluate.py").write_text(self.evaluate)

    def command(self, address: str, *, generations: int) -> list[str]:
        words = ["-m", "shinka.cli.run", "--task-dir", "task", "--results_dir", "out"]
        words += ["--num_generations", str(generations + 1)]  # with the one that it starts from
        words += ["--max-proposal-jobs", "3", "--max-evaluation-jobs", "3"]
        for name, value in {"evo.llm_models": [f"local/scripted@{address}"], **self.chosen}.items():
            words += ["--set", f"{name}={json.dumps(value)}"]
        return words

    def environment(self, address: str) -> dict[str, str]:  # noqa: ARG002 - the options say it
        return {"PYTHONPATH": str(self._tree), "PYTHONDONTWRITEBYTECODE": "1"}

    def evaluated(self) -> list[str]:
        return _lines(self.place / "out" / "evaluated")

    def begun(self) -> list[str]:
        """The generations that the program has made a folder for."""
        return sorted(path.name for path in (self.place / "out").glob("gen_*"))


class Dgm:
    """Its own ``DGM_outer.py``, in a copy of its tree with one issue in place of sixty, and the stand-ins of ``dgm_stand_ins``."""

    name = "dgm"

    def __init__(self, place: Path, *, at_once: int = 1) -> None:
        for package in ("anthropic", "backoff", "openai", "git", "tqdm"):
            pytest.importorskip(package, reason=f"{package} is not installed: pip install what the program needs")
        self.place, self._at_once = place / "dgm", at_once
        self._containers = place / "containers"
        left_out = shutil.ignore_patterns(".git", "analysis", "misc", "initial*", "polyglot_*")
        shutil.copytree(program("dgm"), self.place, ignore=left_out)
        self._containers.mkdir()
        initial = self.place / "initial"
        (initial / "predictions" / "initial_0").mkdir(parents=True)
        (initial / "predictions" / "initial_0" / f"{ISSUE}.md").write_text("stand-in\n")
        score = {
            "accuracy_score": 0.0,
            "total_unresolved_ids": [ISSUE],
            "total_emptypatch_ids": [],
            "total_resolved_ids": [],
            "total_resolved_instances": 0,
            "total_submitted_instances": 1,
        }
        (initial / "metadata.json").write_text(json.dumps({"run_id": "initial", "overall_performance": score}))
        (self.place / "swe_bench" / "subsets" / "small.json").write_text(json.dumps([ISSUE]))
        evaluation = self.place / "swe_bench" / "SWE-bench" / "swebench" / "harness"
        evaluation.mkdir(parents=True)
        shutil.copy(STAND_INS / "run_evaluation.py", evaluation)

    def command(self, address: str, *, generations: int) -> list[str]:  # noqa: ARG002 - the environment says it
        """``generations`` of the program, each of as many attempts as it makes at once."""
        at_once = ["--selfimprove_size", str(self._at_once), "--selfimprove_workers", str(self._at_once)]
        return ["DGM_outer.py", "--max_generation", str(generations), *at_once, "--shallow_eval", "--no_full_eval"]

    def environment(self, address: str) -> dict[str, str]:
        return {
            "PYTHONPATH": str(STAND_INS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENAI_BASE_URL": address,
            "STAND_IN_PLACE": str(self._containers),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def evaluated(self) -> list[str]:
        return _lines(self._containers / "measured")

    def improved(self) -> int:
        """How often an agent has modified itself."""
        return len(_lines(self._containers / "improved"))

    def attempts(self) -> int:
        """How many folders attempts of the program have made."""
        return len([path for path in self.place.glob("output_dgm/*/2*_*") if path.is_dir()])


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
