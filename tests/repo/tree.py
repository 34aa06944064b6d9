"""Where the repository is, and which files belong to it.

The checks of this folder take a root, so that each can be shown a bad tree and be seen to object.
"""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PURE_ROOMS = (
    "base",
    "statement",
    "lineage",
    "log",
    "accord",
    "guard",
    "audit",
    "measure",
    "verify",
    "watch",
    "outlook",
)


def tracked(root: Path = ROOT) -> list[Path]:
    """Every file that git tracks or would track; in an unpacked archive, every file outside hidden folders."""
    if (root / ".git").exists():
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\0")
        paths = [root / name for name in listed if name]
    else:
        paths = [p for p in root.rglob("*") if not any(part.startswith(".") for part in p.relative_to(root).parts[:-1])]
    return sorted({p for p in paths if p.is_file()})


def sources(root: Path = ROOT) -> list[Path]:
    """Every module of the package."""
    return sorted((root / "src" / "detente").rglob("*.py"))


def room_of(path: Path, root: Path = ROOT) -> str:
    """The room a module stands in; the empty string for the package's own ``__init__``."""
    parts = path.relative_to(root / "src" / "detente").parts
    return parts[0].removesuffix(".py") if parts[0] != "__init__.py" else ""
