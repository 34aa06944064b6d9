"""Whether a minimum catch rate can ever be shown by so few seeded changes, and what is held until it is."""

from pathlib import Path

import pytest

from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.outages import Outages
from detente.accord.terms import parse_terms

ACCORDS = Path(__file__).parents[3] / "accords"
TEXT = (ACCORDS / "coordinated-pause.yaml").read_text("utf-8").partition("\nsources:")[0] + "\n"
OUTAGES = Outages(12, 1_800)


def read(text: str):
    return parse_terms(text.encode(), template=True)


SEEDED = (
    "screening: {{by: [auditor], rate: {rate}, decisions: {{count: 10, per: 7 d}}, window: {window}, "
    "minimum: {{caught: {caught}, confidence: 95 %{unshown}}}}}\n"
)


def seeding(*, rate="5 %", window="365 d", caught="80 %", unshown="", screened=True):
    """The shipped terms with screening, and a hold point that may ask for it."""
    text = TEXT + SEEDED.format(rate=rate, window=window, caught=caught, unshown=unshown)
    if screened:
        assert "device: software," in text
        text = text.replace("device: software,", "device: software, screened: yes,", 1)
    return read(text)


def of_screening(terms):
    return {claim.id: claim for claim in check_terms(terms, Assumptions(OUTAGES)) if claim.section == "screening"}


def test_a_minimum_that_so_few_seeds_can_show_is_found_attainable():
    """26 of a year, all or 25 of them caught; 14 in a row would do, after 98 days in which nothing passes."""
    found = of_screening(seeding())
    assert found["screening-attainable"].verdict == "holds"
    assert "shown by 14 caught in a row, or by 25 of 26" in found["screening-attainable"].text
    assert "196 d" in found["held-until-shown"].text
    assert "could still be 86.77 %" in found["seeds-show"].text


def test_a_minimum_that_no_year_can_show_is_broken_with_the_numbers():
    """95 % takes 59 in a row; 26 all caught show 89.11 %, and the hold point would let nothing pass, ever."""
    claim = of_screening(seeding(caught="95 %"))["screening-attainable"]
    assert claim.verdict == "broken"
    assert claim.trace == (
        "10 decisions every 7 d for 365 d are 521, and 5 % of them 26 seeded changes",
        "a reviewer catches every one of them: that shows 89.11 % with 95 % confidence",
        "it takes 59 caught in a row, which at this rate is 826 d",
        "self-modification lets no change pass, ever",
    )


@pytest.mark.parametrize(("rate", "verdict"), [("2 %", "broken"), ("2.7 %", "holds")])
def test_the_verdict_turns_where_the_fourteenth_seed_is_expected(rate, verdict):
    """Ten of a year are too few for 80 %, fourteen are enough."""
    assert of_screening(seeding(rate=rate))["screening-attainable"].verdict == verdict


def test_certainty_is_never_shown():
    """A minimum of 100 % is beyond any number of seeds."""
    claim = of_screening(seeding(caught="100 %"))["screening-attainable"]
    assert claim.verdict == "broken"
    assert "no more are counted" in claim.trace[2]


def test_a_silent_minimum_and_one_that_nothing_asks_for_are_listed():
    """Neither good nor bad, to be known before signing."""
    silent = of_screening(seeding(unshown=", unshown: silent"))
    assert silent["released-by-time"].verdict == "listed"
    assert of_screening(seeding(screened=False))["only-shown"].verdict == "listed"


def test_reviewers_who_all_know_the_seeds_are_found():
    """Where whoever chooses the seeds is alone to approve, no word on them counts."""
    text = TEXT + SEEDED.format(rate="5 %", window="365 d", caught="80 %", unshown="").replace("[auditor]", "[aud-1]")
    asked = "same_host: refuse, by: [auditor, authority]"
    assert asked in text
    terms = read(text.replace(asked, "same_host: refuse, by: [aud-1], screened: yes", 1))
    assert of_screening(terms)["unfulfillable"].verdict == "broken"


def test_who_can_void_a_change_is_listed():
    """A power to know before signing: only of what was committed to beforehand."""
    claim = of_screening(seeding())["voids-changes"]
    assert claim.verdict == "listed"
    assert "aud-1" in claim.text
