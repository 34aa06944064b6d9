"""Our own vectors of the rooms ``base`` and ``statement``: what must be refused, under which number, and what not."""

import json
from pathlib import Path

import pytest

from detente.base.digest import parse_digest
from detente.base.errors import Refused
from detente.base.identity import check_key_strength, parse_key, parse_party
from detente.base.instant import parse_date, parse_duration, parse_instant
from detente.base.quantity import parse_decimal
from detente.base.strict_json import parse_json
from detente.statement.keys import KeyRing
from detente.statement.statement import verify_envelope

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
READERS = {
    "digest": parse_digest,
    "instant": parse_instant,
    "date": parse_date,
    "duration": parse_duration,
    "decimal": parse_decimal,
    "party": parse_party,
    "key": parse_key,
    "strong key": lambda text: check_key_strength(parse_key(text)),
}


def _cases(room):
    return sorted(path for path in (VECTORS / room).iterdir() if path.is_dir())


def _name(case):
    return case.name


def _read(case):
    if (case / "input.json").exists():
        return parse_json((case / "input.json").read_bytes(), limit=65_535)
    value = json.loads((case / "value.json").read_text("utf-8"))
    return READERS[value["reads"]](value["text"])


@pytest.mark.parametrize("case", _cases("base"), ids=_name)
def test_base(case):
    """A value is read, or refused under the number that the case is named for."""
    if case.name.endswith("_fail"):
        with pytest.raises(Refused) as refused:
            _read(case)
        assert refused.value.rule == json.loads((case / "expect.json").read_text("utf-8"))["rule"]
    else:
        assert _read(case) is not None


@pytest.mark.parametrize("case", _cases("statement"), ids=_name)
def test_statement(case):
    """An envelope verifies under its ring, or is refused under the number that the case is named for."""
    ring = KeyRing()
    for row in json.loads((case / "keys.json").read_text("utf-8")):
        ring.enrol(row["party"], row["use"], parse_key(row["key"]), bytes.fromhex(row["proof"]))
    data = (case / "envelope.json").read_bytes()
    if case.name.endswith("_fail"):
        with pytest.raises(Refused) as refused:
            verify_envelope(data, ring)
        assert refused.value.rule == json.loads((case / "expect.json").read_text("utf-8"))["rule"]
        return
    verified = verify_envelope(data, ring)
    assert verified.signers
    if (case / "expect.json").exists():
        assert verified.statement.id == json.loads((case / "expect.json").read_text("utf-8"))["id"]
