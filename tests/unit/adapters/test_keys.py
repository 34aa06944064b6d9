"""Key files: private, of one line, never overwritten, never shown."""

from pathlib import Path

import pytest

from detente.adapters.keys import make_key, read_key, spell_seed, store_key
from detente.base.errors import Refused, Unavailable


def test_a_key_is_read_back(tmp_path: Path):
    """The file alone gives the same signer, and only its owner may read it."""
    made = make_key(tmp_path / "keys" / "root.key")
    assert read_key(tmp_path / "keys" / "root.key").public_key == made.public_key
    assert (tmp_path / "keys" / "root.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_a_key_is_never_overwritten(tmp_path: Path):
    """C03: a lost seed is lost."""
    path = tmp_path / "root.key"
    before = make_key(path).public_key
    with pytest.raises(Refused) as refused:
        store_key(path, bytes(32))
    assert refused.value.rule == "C03"
    assert read_key(path).public_key == before


def test_a_key_that_others_may_read_is_refused(tmp_path: Path):
    """C01: the file's mode is part of the custody."""
    path = tmp_path / "root.key"
    make_key(path)
    path.chmod(0o640)
    with pytest.raises(Refused) as refused:
        read_key(path)
    assert refused.value.rule == "C01"


@pytest.mark.parametrize("text", ["", "detente-key-v1 ed25519 00\n", spell_seed(bytes(32)) + "x", "\xff" * 10])
def test_another_text_is_refused_and_not_shown(tmp_path: Path, text: str):
    """C02, and no message carries what stands in the file."""
    path = tmp_path / "root.key"
    path.write_text(text, "latin-1")
    path.chmod(0o600)
    with pytest.raises(Refused) as refused:
        read_key(path)
    assert refused.value.rule == "C02"
    assert spell_seed(bytes(32)).split()[2] not in str(refused.value)


def test_a_missing_key_is_unavailable(tmp_path: Path):
    """The world is wrong, not the evidence."""
    with pytest.raises(Unavailable):
        read_key(tmp_path / "root.key")
