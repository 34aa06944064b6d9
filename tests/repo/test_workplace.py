"""Nothing of the machine it was written on, and nothing unfinished, stands in a tracked file."""

import re
from pathlib import Path

import pytest

from tests.repo.tree import ROOT, tracked

PLACES = re.compile(r"(?<![\w./:}-])/(?:home/\w+|Users/\w+|root/|work/|opt/|mnt/)|file:/{2,3}\w*")
"""Paths that exist on one machine only. Temporary and system folders are everybody's."""

UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|Not" + r"ImplementedError)\b")
"""Spelled in two halves, so that this line does not find itself."""

LOCK_HOSTS = {"pypi.org", "files.pythonhosted.org"}


def complaints(paths: list[Path], root: Path) -> list[str]:
    """Each line that names a place of one machine or says that work is unfinished."""
    found = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # a picture or a binary vector
        for number, line in enumerate(text.split("\n"), 1):
            if place := PLACES.search(line):
                found.append(f"{name}:{number} names {place[0]}")
            if not name.startswith("vectors/") and (word := UNFINISHED.search(line)):
                found.append(f"{name}:{number} says {word[0]}")
    return found


def test_no_tracked_file_names_this_machine_or_unfinished_work():
    """A stranger's clone works where it lies, and is finished."""
    found = complaints([path for path in tracked() if path != Path(__file__)], ROOT)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("see /ho" + "me/somebody/x", 1),
        ("open('/wo" + "rk/x')", 1),
        ("index = fi" + "le:///srv/simple", 1),
        ("# TO" + "DO: later", 1),
        ("raise Not" + "ImplementedError", 1),
        ("GET /wo" + "rk-orders, /usr/bin/python3, todo='retry'", 0),
        ("https://example.org/home/x, docs/wo" + "rk/x, /tmp/x", 0),
    ],
)
def test_a_line_that_names_either_is_found(tmp_path: Path, line: str, count: int):
    """Paths of one machine and marks of unfinished work are found; what only looks like them is not."""
    path = tmp_path / "a.md"
    path.write_text(line, "utf-8")
    assert len(complaints([path], tmp_path)) == count


def test_the_lock_names_only_the_public_registry():
    """A lock that was made behind a mirror would not resolve elsewhere."""
    texts = [(ROOT / name).read_text("utf-8") for name in ("uv.lock", "requirements/dev.txt")]
    assert {host for text in texts for host in re.findall(r"https?://([^/\"\s]+)", text)} <= LOCK_HOSTS


def test_both_locks_hold_the_same_versions():
    """pip and uv make the same environment: `make lock` writes both."""
    locked = set(
        re.findall(r'^name = "([^"]+)"\nversion = "([^"]+)"', (ROOT / "uv.lock").read_text("utf-8"), re.MULTILINE)
    )
    pinned = re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements" / "dev.txt").read_text("utf-8"), re.MULTILINE)
    assert len(pinned) > 30
    assert set(pinned) <= locked


def test_the_environment_of_every_task_is_free_of_torch():
    """The default environment is made within minutes: no framework of gigabytes is in its lock."""
    names = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "dev.txt").read_text("utf-8"), re.MULTILINE))
    assert "numpy" in names
    assert not {name for name in names if name.startswith(("torch", "nvidia", "triton"))}
