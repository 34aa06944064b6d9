"""Of whom an indicator is asked: of whoever somebody may measure, and of nobody else before it develops something itself."""

from decimal import Decimal

import pytest

from detente.accord.reading import TermsRefused
from detente.accord.terms import parse_terms
from detente.statement.run import Run
from tests.accord_play import BODY, DAY, PARTIES, T0, Play, founding

SPREAD = "spread: {supplied_by: developer, every: 7 d, unit: x}"
OWED = founding()
OPEN = founding(BODY.replace(SPREAD, "spread: {supplied_by: developer, unit: x}"))
JOINED = T0 + 60


def was_paused(found, at, party):
    """Looking back: by what had been witnessed by then."""
    return tuple(pause.trigger for pause in found.was(at).pauses_of(party, "training"))


def play(text):
    """Everybody is bound; the developers report."""
    found = Play(text)
    found.accede("dev-a", "dev-b", "aud-1", "cloud")
    for at in (0, 6 * DAY, 12 * DAY):
        for party in ("dev-a", "dev-b"):
            found.measure(party, 1, T0 + at)
    return found


@pytest.mark.parametrize("text", [OWED, OPEN], ids=["every", "never measured"])
def test_a_party_of_which_nobody_may_report_is_not_overdue(text):
    """An auditor that joined neither pauses itself nor puts everybody's permits in alert by what it cannot supply."""
    found = play(text)
    for at in (JOINED, JOINED + 7 * DAY + 61, JOINED + 12 * DAY):
        assert [found.paused(at, party) for party in ("dev-a", "aud-1", "cloud")] == [(), (), ()]
        assert not found.at(at).alert


def test_once_it_develops_something_nobody_can_tell_and_unknown_holds():
    """A party without the role that declares a run is not free of what developers are measured by: from that second on."""
    found = play(OPEN)
    found.run("aud-1", T0 + 5_000)
    assert [was_paused(found, T0 + 5_000 + beside, "aud-1") for beside in (-1, 0, 1)] == [
        (),
        ("spreading",),
        ("spreading",),
    ]
    assert found.paused(T0 + 6_000, "cloud") == ()


def test_what_it_owes_then_is_overdue_after_the_usual_time():
    """Counted from its joining, as for everybody: a version that it states after that pauses it at once."""
    found = play(OWED)
    found.run("aud-1", T0 + DAY)
    due = JOINED + 7 * DAY + 60
    assert [found.paused(due + beside, "aud-1") for beside in (-1, 0, 1)] == [(), (), ("spreading",)]
    found.model("cloud", "model", T0 + 8 * DAY, by="human")
    assert [was_paused(found, T0 + 8 * DAY + beside, "cloud") for beside in (-1, 0)] == [(), ("spreading",)]


def test_a_run_that_is_only_heard_counts_on_receipt():
    """It restricts; looked back at, nobody has witnessed it."""
    found = play(OPEN)
    found.hear("aud-1", "run", Run("run-1", "training", Decimal(1), (), ()))
    assert found.paused(T0 + DAY, "aud-1") == ("spreading",)
    assert found.was(T0 + DAY).pauses_of("aud-1", "training") == ()


def test_a_lift_waits_for_no_word_that_nobody_may_give():
    """Paused by votes about it alone, a party without the role is lifted although the lift compares what developers report."""
    text = BODY.replace("when: {none_open: finding}", "when: {less_than: [spread, 5 x]}").replace(
        "  - id: call\n", "  - id: stop\n    when: {votes: {of: [authority], at_least: 1}}\n    then: pause\n    scope: party\n  - id: call\n"
    )  # fmt: skip
    found = play(founding(text))
    found.vote("auth-1", "pause", T0 + 500, trigger="stop", scope="aud-1")
    for party, at in (("aud-2", 600), ("auth-1", 601), ("auth-2", 602)):
        found.vote(party, "lift", T0 + at, trigger="stop", scope="aud-1")
    assert [found.paused(T0 + at, "aud-1") for at in (661, 662)] == [("stop",), ()]


def test_an_indicator_that_somebody_supplies_has_a_unit():
    """T21: no measurement is without one, so what is supplied without could never be reported."""
    text = BODY.replace("every: 7 d, unit: x}", "every: 7 d}").replace("[spread, 5 x]", "[spread, 5]") + PARTIES
    with pytest.raises(TermsRefused) as refused:
        parse_terms(text.encode(), template=True)
    assert [(each.rule, each.todo) for each in refused.value.all] == [("T21", "say `unit:` beside the indicator")]
    depth = BODY.replace("indicators:\n", "indicators:\n  ai_proposed_depth: {unknown: silent}\n") + PARTIES
    assert parse_terms(depth.encode(), template=True).indicators["ai_proposed_depth"].unit == ""
