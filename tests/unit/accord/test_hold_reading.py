"""A hold point, read from terms: what is absent is the stricter, and of its times never comes."""

import pytest

from detente.accord.document import read_document
from detente.accord.fields import Fields
from detente.accord.hold_reading import read_hold
from detente.accord.terms import EscalationTerms, HoldNeed
from detente.base.errors import Refused

LEAST = "id: review, on: version.train, when: {change.proposer: model}, need: {humans: 2}"


def read(text):
    """The hold point and the numbers of what was refused in it."""
    errors: list[Refused] = []

    def mapping(take):
        def reader(node):
            inner = Fields(node, errors)
            made = take(inner)
            inner.done()
            return made

        return reader

    fields = Fields(read_document(f"{{{text}}}".encode()), errors)
    hold = read_hold(fields, mapping)
    fields.done()
    return hold, [error.rule for error in errors]


def test_what_is_absent_is_the_stricter():
    """An attested device, never on the party's own host, never the author; unknown holds; and no time ever comes."""
    hold, errors = read(LEAST)
    assert errors == []
    assert hold.need == HoldNeed(
        humans=2, organisations=1, author_excluded=True, device="attested", same_host="refuse",
        by=(), significant=False, screened=False, confirmed=False,
    )  # fmt: skip
    assert (hold.id, hold.on, hold.unknown) == ("review", "version.train", "holds")
    assert (hold.approved_for_s, hold.decide_within_s, hold.escalation) == (None, None, None)


def test_every_member_is_read_as_it_stands():
    """Each of them differs from what absence would mean."""
    need = (
        "{humans: 3, organisations: 2, author_excluded: no, device: software, same_host: accept, by: [auditor],"
        " significant: yes, screened: yes, confirmed: yes}"
    )
    times = "approved_for: 7 d, decide_within: 14 d, escalation: {to: [authority], after: 2 d, within: 3 d}"
    text = LEAST.replace("{humans: 2}", need).replace("version.train", "version.deploy")
    hold, errors = read(f"{text}, unknown: silent, {times}")
    assert errors == []
    assert hold.need == HoldNeed(
        humans=3, organisations=2, author_excluded=False, device="software", same_host="accept",
        by=("auditor",), significant=True, screened=True, confirmed=True,
    )  # fmt: skip
    assert (hold.on, hold.unknown) == ("version.deploy", "silent")
    assert (hold.approved_for_s, hold.decide_within_s) == (7 * 86_400, 14 * 86_400)
    assert hold.escalation == EscalationTerms(("authority",), 2 * 86_400, 3 * 86_400)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("humans: 2", "humans: 0", "T08"),
        ("humans: 2", "organisations: 2", "T07"),
        ("humans: 2", "humans: 2, device: pager", "T08"),
        ("humans: 2", "humans: 2, by: []", "T07"),
        ("humans: 2", "humans: 2, organizations: 2", "T06"),
        ("version.train", "version.sell", "T08"),
        ("on: version.train", "decide_within: soon, on: version.train", "T08"),
        ("on: version.train", "escalation: {to: [authority], after: 2 d}, on: version.train", "T07"),
        ("on: version.train", "unknown: yes, on: version.train", "T08"),
    ],
)
def test_what_is_not_a_hold_point_is_refused_by_number(old, new, rule):
    """One error each, none of them read as something near it."""
    assert read(LEAST.replace(old, new))[1] == [rule]
