"""The import contract of pyproject.toml holds what the architecture says, and objects when it is broken."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.repo.tree import PURE_ROOMS, ROOT

ROOMS = (
    "testing cli server hooks app adapters audit measure verify watch outlook guard accord log lineage statement base"
).split()


def _contracts() -> list[dict]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]


def test_every_pure_room_that_is_built_stands_in_the_contract():
    """A room that is pure by the architecture cannot be left out of the contract by forgetting it."""
    pure = {"the core performs no effects", "measurers perform no effects"}
    contracts = [contract for contract in _contracts() if contract["name"] in pure]
    named = {name.removeprefix("detente.") for contract in contracts for name in contract["source_modules"]}
    built = {path.parent.name for path in (ROOT / "src" / "detente").glob("*/__init__.py")}
    assert built & set(PURE_ROOMS) <= named


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """An empty package with every room of the architecture, under this repository's own contract."""
    package = tmp_path / "detente"
    for room in ROOMS:
        (package / room).mkdir(parents=True)
        (package / room / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "hooks" / "torch").mkdir()
    for hook in ("jax.py", "torch/__init__.py"):  # of which a contract speaks by name
        (package / "hooks" / hook).touch()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"), "utf-8")
    return package


def _lint(package: Path) -> subprocess.CompletedProcess:
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=package.parent, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_clean_skeleton_keeps_the_contract(skeleton: Path):
    """Every room of the architecture may stand, and no other reason breaks the contract."""
    result = _lint(skeleton)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("measure/a.py", "import detente.accord", "a measurer is blind to the consequence"),
        ("watch/a.py", "import detente.log", "a measurer is blind to the consequence"),
        ("statement/a.py", "import detente.measure", "data flows one way"),
        ("log/a.py", "from detente import guard", "data flows one way"),
        ("cli/a.py", "import detente.server", "data flows one way"),
        ("shed/__init__.py", "", "data flows one way"),
        ("accord/a.py", "def f():\n    import time", "the core performs no effects"),
        ("log/a.py", "import urllib.parse", "the core performs no effects"),
        ("app/a.py", "import torch", "machine-learning frameworks only in hooks and adapters"),
        ("hooks/jax.py", "import detente.hooks.torch", "whoever trains with JAX passes through nothing of PyTorch's"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(skeleton: Path, module: str, line: str, contract: str):
    """Each contract objects to the import it forbids, and is named."""
    path = skeleton / module
    path.parent.mkdir(exist_ok=True)
    path.write_text(line + "\n", "utf-8")
    result = _lint(skeleton)
    assert result.returncode == 1
    assert f"{contract} BROKEN" in result.stdout


def test_adapters_may_use_a_framework_and_app_may_use_the_adapter(skeleton: Path):
    """The frameworks stand behind adapters and hooks, not out of reach."""
    (skeleton / "adapters" / "a.py").write_text("import torch\n", "utf-8")
    (skeleton / "app" / "a.py").write_text("import detente.adapters.a\n", "utf-8")
    result = _lint(skeleton)
    assert result.returncode == 0, result.stdout
