"""How an intent is spelled."""

import pytest

from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.guard.intent import Intent, parse_intent

WHOLE = Intent(activity="training", party=Party("dev-a"), run=sha256_hex(b"run")).as_json()


def test_an_intent_reads_back():
    """One intent has one spelling, absent members as null."""
    assert parse_intent(WHOLE).as_json() == WHOLE


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("G01", {"activity": "mining"}),
        ("G01", {"activity": ["training"]}),
        ("G01", {"why": "because"}),
        ("G01", {"facility": "a b"}),
        ("G02", {"run": None}),
        ("G02", {"activity": "deployment"}),
        ("G02", {"activity": "compute"}),
        ("G03", {"flop": "-1"}),
        ("B01", {"run": "abc"}),
        ("B04", {"flop": 1}),
        ("B06", {"party": "Dev A"}),
    ],
)
def test_an_intent_that_makes_no_sense_is_refused(rule, change):
    """Each activity names what it is about; nothing unknown is carried along."""
    with pytest.raises(Refused) as caught:
        parse_intent(WHOLE | change)
    assert caught.value.rule == rule
