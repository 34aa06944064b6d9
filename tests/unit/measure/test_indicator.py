"""What every measurement gives back: digests that anybody can recompute, statements, shapes for machines."""

import hashlib
import json
from decimal import Decimal

import pytest

from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.instant import Instant
from detente.measure.indicator import STRENGTH, Indicator, Ledger, Result, Series, measurements, share, weakest
from detente.statement.measurement import MEASUREMENT

LEDGER = Ledger("rows", "Rows", ("id", "share", "ok", "note"), (("a", 0.1, True, None), ("b", 2, False, "ü")))


def _indicator(**changes):
    fields = {
        "name": "x.y",
        "low": Decimal(1),
        "high": Decimal(2),
        "unit": "count",
        "method": "m",
        "evidence_class": "recorded",
    }
    return Indicator(**{**fields, **changes})


def test_a_digest_is_that_of_the_lines_that_a_file_would_hold():
    """Columns, then one JSON array a row, without spaces; the shortest spelling of a float, as text."""
    text = '["id","share","ok","note"]\n["a","0.1",true,null]\n["b",2,false,"ü"]\n'
    assert LEDGER.encode() == text.encode()
    assert LEDGER.digest() == hashlib.sha256(text.encode()).hexdigest()


def test_another_cell_is_another_digest():
    """And so is another order of rows or another column."""
    others = [
        Ledger("rows", "Rows", LEDGER.columns, LEDGER.rows[::-1]),
        Ledger("rows", "Rows", ("id", "share", "ok", "notes"), LEDGER.rows),
        Ledger("rows", "Rows", LEDGER.columns, (LEDGER.rows[0],)),
        Ledger("rows", "Rows", LEDGER.columns, (("a", 0.1, True, ""), LEDGER.rows[1])),
    ]
    assert len({each.digest() for each in (LEDGER, *others)}) == 5


def test_each_indicator_becomes_a_statement_with_its_ledger_as_evidence():
    """Its own ledger first, then what else it rests on, each once; the value exact."""
    more = Digest("b" * 64)
    result = Result(
        "x",
        "s",
        (_indicator(ledger="rows", evidence=(more, LEDGER.digest())), _indicator(name="x.z", ledger="absent")),
        ledgers=(LEDGER,),
    )
    first, second = measurements(result, taken_at=Instant(1_750_000_000))
    assert first.evidence == (LEDGER.digest(), more)
    assert second.evidence == ()
    assert MEASUREMENT.decode(MEASUREMENT.encode(first)) == first


def test_an_interval_the_wrong_way_round_is_refused():
    """B05, before anybody shows it."""
    with pytest.raises(Refused) as refused:
        _ = _indicator(low=Decimal(3)).interval
    assert refused.value.rule == "B05"


def test_json_holds_quantities_as_text():
    """A reader of JSON must not round them."""
    said = Result("x", "s", (_indicator(low=Decimal("1e30"), high=None),), ledgers=(LEDGER,),
                  series=(Series("t", "T", "count", (("2025", 1.0, None),)),)).as_json()  # fmt: skip
    assert json.loads(json.dumps(said))["indicators"][0] | {"low": "1e30", "high": None} == said["indicators"][0]
    assert said["series"][0]["points"] == [["2025", 1.0, None]]
    assert said["ledgers"][0]["digest"] == LEDGER.digest()


def test_the_weakest_class_decides():
    """In the order of strength; of nothing it is none."""
    assert [weakest(STRENGTH[: end + 1]) for end in range(len(STRENGTH))] == list(STRENGTH)
    assert weakest([]) == "none"


def test_a_share_of_nothing_is_not_zero():
    """Nor one."""
    assert share(0, 0) is None
    assert share(2, 3) == Decimal("0.666667")
