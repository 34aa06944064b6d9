"""What changes in `screening` between two texts, and whether it tightens."""

import pytest

from detente.accord.difference import compare_terms
from detente.accord.reading import read_terms
from tests.accord_play import BODY, PARTIES

WHOLE = (
    "screening: {by: [auditor], rate: 5 %, decisions: {count: 10, per: 7 d}, window: 365 d, "
    "minimum: {caught: 80 %, confidence: 95 %}}\n"
)
BARE = "screening: {by: [auditor], rate: 5 %, decisions: {count: 10, per: 7 d}, window: 365 d}\n"


def differences(old: str, new: str, body: str = BODY, new_body: str | None = None):
    one, other = (
        read_terms((text + PARTIES).encode(), template=True) for text in (body + old, (new_body or body) + new)
    )
    return [(change.section, change.effect) for change in compare_terms(one, other)]


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        ("", BARE, "tightens"),
        (BARE, WHOLE, "tightens"),
        (WHOLE, WHOLE.replace("5 %, dec", "7 %, dec"), "tightens"),
        (WHOLE, WHOLE.replace("caught: 80", "caught: 90"), "tightens"),
        (WHOLE, WHOLE.replace("confidence: 95", "confidence: 99"), "tightens"),
        (WHOLE, WHOLE.replace("95 %}", "95 %, unshown: silent}"), "loosens"),
        (WHOLE, WHOLE.replace("[auditor]", "[authority]"), "changes"),
        (WHOLE, WHOLE.replace("count: 10", "count: 20"), "changes"),
        (WHOLE, WHOLE.replace("window: 365 d", "window: 300 d"), "changes"),
    ],
)
def test_each_member_is_told_with_its_effect_and_back_with_the_opposite(old, new, effect):
    """Silent is looser than holds; more seeds and more to catch are tighter; whose seeds and which window cannot be told."""
    assert old != new
    opposite = {"tightens": "loosens", "loosens": "tightens", "changes": "changes"}[effect]
    assert differences(old, new) == [("screening", effect)]
    assert differences(new, old) == [("screening", opposite)]


def test_more_confidence_is_looser_where_too_few_seeds_are_silent():
    """Then it takes more before anything holds."""
    silent = WHOLE.replace("95 %}", "95 %, unshown: silent}")
    assert differences(silent, silent.replace("confidence: 95", "confidence: 99")) == [("screening", "loosens")]


def test_a_hold_point_that_begins_to_screen_tightens():
    """And the reverse loosens."""
    asking = BODY.replace("device: software", "device: software, screened: yes")
    assert differences(WHOLE, WHOLE, BODY, asking) == [("hold_points", "tightens")]
    assert differences(WHOLE, WHOLE, asking, BODY) == [("hold_points", "loosens")]
