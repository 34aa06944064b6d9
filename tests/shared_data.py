"""Find the shared test data, which lies beside the repository and is never copied into it."""

import os
from pathlib import Path

import pytest


def shared(path: str) -> Path:
    """The file or folder ``path`` of ``../shared/data`` (or of ``$DETENTE_SHARED_DATA``); skips where it is absent."""
    root = Path(os.environ.get("DETENTE_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    found = root / path
    if not found.exists():
        pytest.skip(f"../shared/data/{path} is not here: set DETENTE_SHARED_DATA to the folder that holds it")
    return found
