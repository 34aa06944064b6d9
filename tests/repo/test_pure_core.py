"""The core reads no clock and performs no effect, and no module or function outgrows a reader."""

from pathlib import Path

import pytest

from tests.repo import purity
from tests.repo.tree import ROOT, sources


def test_the_package_keeps_the_house_rules():
    """No effect or assert in a pure room, no exit outside cli, no module or function past its size, no empty name."""
    found = purity.complaints(ROOT)
    assert not found, "\n" + "\n".join(found)


def test_the_check_found_what_it_reads():
    """An empty reading would pass everything."""
    assert len(sources(ROOT)) > 5


LONG = "def f():\n    '''One.\n\n    Two.\n    '''\n" + "    x = 1\n" * 69


@pytest.mark.parametrize(
    ("place", "code", "expected"),
    [
        ("log/a.py", "open('x')", "1 open() in a pure room"),
        ("guard/a.py", "print(1)", "1 print() in a pure room"),
        ("accord/a.py", "import datetime\nd = datetime.datetime.now()", "2 .now() in a pure room: time is an argument"),
        ("base/a.py", "assert x > 0", "1 assert in a pure room: python -O removes it, so raise"),
        ("adapters/a.py", "assert x > 0\nopen('x')", None),
        ("app/a.py", "import sys\nsys.exit(1)", "2 sys.exit() outside cli: only cli exits"),
        ("app/a.py", "raise SystemExit(1)", "1 SystemExit outside cli: only cli exits"),
        ("cli/a.py", "raise SystemExit(1)", None),
        ("hooks/a.py", "class Paused(SystemExit):\n    pass", None),
        ("hooks/a.py", "import sys\nif __name__ == '__main__':\n    sys.exit(1)", None),
        ("app/a.py", "x = 1\n" * 601, "1 601 lines in one module; at most 600"),
        ("app/a.py", "x = 1\n" * 600, None),
        ("app/a.py", LONG, None),
        ("app/a.py", LONG + "    x = 1\n" * 2, "1 72 lines in f; at most 70"),
        ("app/file_utils.py", "x = 1", "1 a module named 'utils' says nothing of its purpose"),
        ("common/a.py", "x = 1", "1 a module named 'common' says nothing of its purpose"),
    ],
)
def test_a_breach_is_named_with_its_place(tmp_path: Path, place: str, code: str, expected: str | None):
    """Each breach gives one line; what is allowed in its room gives none."""
    path = tmp_path / "src" / "detente" / place
    path.parent.mkdir(parents=True)
    path.write_text(code, "utf-8")
    assert purity.complaints(tmp_path) == ([f"src/detente/{place}:{expected}"] if expected else [])
