"""Room ``base``: the bounds and spellings that every format rests on."""

import copy
from decimal import Decimal

import pytest

from detente.base.digest import digest_bytes, parse_digest, sha256_hex
from detente.base.errors import Refused, shown
from detente.base.identity import check_key_strength, parse_key, parse_party, show_key
from detente.base.instant import parse_date, parse_duration, parse_instant, show_duration, show_instant
from detente.base.quantity import Interval, add_exactly, exactly, parse_decimal, show_decimal
from detente.base.strict_json import encode_json, parse_json


def _rule(call, *arguments, **named):
    with pytest.raises(Refused) as refused:
        call(*arguments, **named)
    return refused.value.rule


def test_an_interval_is_not_upside_down():
    """Low above high is B05; an unknown side is not."""
    assert _rule(Interval, Decimal(2), Decimal(1)) == "B05"
    assert Interval(None, Decimal(1)).at_least(Decimal(0)) is None


@pytest.mark.parametrize(
    ("low", "high", "at_least", "at_most", "more_than"),
    [
        (5, 9, True, None, None),
        (1, 5, None, True, False),
        (6, None, True, False, True),
        (None, 4, False, True, False),
        (None, None, None, None, None),
        (5, 5, True, True, False),
    ],
)
def test_intervals_answer_in_three_values(low, high, at_least, at_most, more_than):
    """True only if every value is, false only if none is, compared with 5."""
    interval = Interval(None if low is None else Decimal(low), None if high is None else Decimal(high))
    five = Decimal(5)
    assert (interval.at_least(five), interval.at_most(five), interval.more_than(five)) == (
        at_least,
        at_most,
        more_than,
    )


def test_json_is_bounded_before_it_is_read():
    """B10 counts bytes before anything is parsed."""
    assert _rule(parse_json, b" " * 11, limit=10) == "B10"
    assert parse_json(b" 1 ", limit=3) == 1


@pytest.mark.parametrize("text", ["1e25", "0.25", "-3", "1500", "12345678901234567890123456789012345678.5", "1e-9"])
def test_decimals_survive_being_shown(text):
    """A shown decimal reads back to the same number."""
    assert parse_decimal(show_decimal(parse_decimal(text))) == parse_decimal(text)


@pytest.mark.parametrize("text", ["1" * 41, "01", "+1", "1.", "1e100", "0x10", "١", 1, 1.0, None, "1_0", "Infinity"])
def test_what_is_no_decimal_is_refused(text):
    """One spelling, bounded; never a JSON number: B04."""
    assert _rule(parse_decimal, text) == "B04"


def test_an_infinite_decimal_is_never_shown():
    """B04 again, on the way out."""
    assert _rule(show_decimal, Decimal("Infinity")) == "B04"


def test_sums_are_exact():
    """A FLOP beside 1e25 is not lost."""
    assert add_exactly([Decimal("1e25"), Decimal(1)]) == Decimal(10000000000000000000000001)
    assert str(exactly(Decimal("1e25"))) == "1e25"


def test_instants_and_durations():
    """Whole seconds in UTC; a duration has a unit."""
    assert parse_date("1970-01-02") == 86_400
    assert show_instant(parse_instant("2026-02-28T23:59:59Z")) == "2026-02-28T23:59:59Z"
    assert [parse_duration(show_duration(seconds)) for seconds in (0, 59, 60, 5_400, 86_400)] == [
        0,
        59,
        60,
        5_400,
        86_400,
    ]
    for text in ("2026-11-24T00:00:00.5Z", "2026-11-24 00:00:00Z", "2026-13-01T00:00:00Z", 0):
        assert _rule(parse_instant, text) == "B02"
    for text in ("15 minutes", "-1 s", "1.5 h", "", 15):
        assert _rule(parse_duration, text) == "B03"


def test_names_and_digests():
    """Each has one spelling."""
    for text in ("", "-a", "a-", "a" * 64, "ä", "a_b", None):
        assert _rule(parse_party, text) == "B06"
    for text in ("ed25519:" + "A" * 64, "ed25519:", "rsa:" + "a" * 64, "ed25519:" + "a" * 64 + "\n", None):
        assert _rule(parse_key, text) == "B07"
    assert _rule(parse_digest, "a" * 64 + "\n") == "B01"
    assert digest_bytes(parse_digest(sha256_hex(b""))).hex() == sha256_hex(b"")
    key = parse_key("ed25519:" + "ab" * 32)
    assert parse_key(show_key(key)) == key


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        (bytes(31), "B08"),
        (b"\xff" * 32, "B08"),
        (bytes(31) + b"\x80", "B09"),
        (b"\x01" + bytes(30) + b"\x80", "B08"),  # x = 0 with a sign
        (b"\x01" + bytes(31), "B09"),
        (bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "B09"),  # order 8
    ],
)
def test_weak_keys_do_not_pass(key, rule):
    """Length, encoding, the curve, the prime-order subgroup."""
    assert _rule(check_key_strength, key) == rule


def test_a_refusal_survives_copying_and_quotes_briefly():
    """Workers hand refusals over; hostile input stays one short line."""
    refused = Refused("B10", "oversized", got=shown("x" * 10_000), expected="less", todo="cut it")
    again = copy.copy(refused)
    assert (again.as_json(), str(again)) == (refused.as_json(), str(refused))
    assert len(refused.got) <= 80


def test_json_is_written_compactly():
    """Sorted and without spaces, but no canonical form is claimed."""
    assert encode_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
