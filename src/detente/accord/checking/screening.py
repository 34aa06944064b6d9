"""Can the minimum catch rate ever be shown, and what do so few seeded changes show at all? ``spec/check.md`` §10.

What is proved is exact: so many decisions, of which so many are seeded, within the window, and the binomial bound that the fold uses (``screened``). That
decisions come as often as expected is what the terms say, and nothing here sees whether they do.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from detente.accord.checking.claim import Claim
from detente.accord.screening import Minimum, ScreeningTerms, percent
from detente.accord.terms import Terms
from detente.base.binomial import TRIALS_MAX, exact_interval, least_trials, lower_bound, shows_at_least, tail
from detente.base.instant import show_duration

NINETY_FIVE = Decimal("0.95")


def check_screening(terms: Terms) -> Iterator[Claim]:
    """Whether the minimum can be shown, and what is held until it is."""
    rules = terms.screening
    if rules is None:
        return
    seeds = min(rules.expected_seeds(), TRIALS_MAX)
    yield _shows(rules, seeds)
    if rules.minimum is not None:
        yield from _minimum(terms, rules, rules.minimum, seeds)
    yield from _reviewers(terms, rules)
    seeders = [party for party in terms.parties if terms.among(party, rules.by)]
    text = f"each of {', '.join(seeders)} can void a change for good that it committed to before another proposed it"
    yield Claim("voids-changes", "screening", "listed", text)


def _expected(rules: ScreeningTerms, seeds: int) -> str:
    return (
        f"{rules.decisions} decisions every {show_duration(rules.per_s)} for {show_duration(rules.window_s)} are "
        f"{rules.expected_decisions()}, and {percent(rules.rate)} of them {seeds} seeded changes"
    )


def _shows(rules: ScreeningTerms, seeds: int) -> Claim:
    if seeds == 0:
        text = f"{_expected(rules, seeds)}: nothing is shown"
    else:
        low, _ = exact_interval(seeds, seeds, NINETY_FIVE)
        half = " to ".join(percent(end) for end in exact_interval(seeds // 2, seeds, NINETY_FIVE))
        text = f"{_expected(rules, seeds)}: all caught, the true rate could still be {percent(low)}; half of them, {half} (95 % confidence)"
    return Claim("seeds-show", "screening", "listed", text)


def _minimum(terms: Terms, rules: ScreeningTerms, minimum: Minimum, seeds: int) -> Iterator[Claim]:
    needed = least_trials(0, minimum.caught, minimum.confidence)
    holds = [hold.id for hold in terms.hold_points if hold.need.screened]
    shown = percent(lower_bound(seeds, seeds, minimum.confidence))
    if not shows_at_least(seeds, seeds, minimum.caught, minimum.confidence):
        takes = (
            f"more than {TRIALS_MAX} caught in a row would not show it, and no more are counted"
            if needed is None
            else f"it takes {needed} caught in a row, which at this rate is {show_duration(_time_of(rules, needed))}"
        )
        trace = [
            _expected(rules, seeds),
            f"a reviewer catches every one of them: that shows {shown} with {percent(minimum.confidence)} confidence",
            takes,
        ]
        if holds and minimum.unshown == "holds":
            trace.append(f"{', '.join(holds)} lets no change pass, ever")
        text = f"{minimum.spelled()}: {seeds} seeded changes within {show_duration(rules.window_s)} can never show that"
        yield Claim("screening-attainable", "screening", "broken", text, tuple(trace))
        return
    missed = _misses(seeds, minimum)
    text = f"{minimum.spelled()}: shown by {needed} caught in a row, or by {seeds - missed} of {seeds}, as many as are expected within {show_duration(rules.window_s)}"
    yield Claim("screening-attainable", "screening", "holds", text)
    if needed is not None:
        yield from _chances(rules, minimum, seeds, missed, needed)
    yield from _meanwhile(rules, minimum, holds, needed)


def _chances(rules: ScreeningTerms, minimum: Minimum, seeds: int, missed: int, needed: int) -> Iterator[Claim]:
    """How likely it is shown, for reviewers half-way between the minimum and perfection; and that there are enough seeds."""
    true = (1 + Fraction(minimum.caught)) / 2
    spelled = percent(Decimal(true.numerator) / Decimal(true.denominator))
    passes = tail(seeds - missed, seeds, true)
    text = f"reviewers who catch {spelled} of all seeded changes show it with a chance of {_chance(passes)}"
    if rules.expected_decisions() <= TRIALS_MAX:
        enough = tail(needed, rules.expected_decisions(), Fraction(rules.rate))
        text += f"; that chance seeds {needed} or more, if each decision is seeded by itself, is {_chance(enough)}"
    yield Claim("screening-power", "screening", "listed", text)


def _meanwhile(rules: ScreeningTerms, minimum: Minimum, holds: list[str], needed: int | None) -> Iterator[Claim]:
    if not holds:
        yield Claim(
            "only-shown",
            "screening",
            "listed",
            "no hold point asks for screened reviewers: a catch rate is shown, and stops nothing",
        )
    elif minimum.unshown == "silent":
        text = f"{', '.join(holds)}: a catch rate that is not shown to be too low lets changes pass"
        yield Claim("released-by-time", "screening", "listed", text)
    elif needed is not None:
        after = show_duration(_time_of(rules, needed))
        text = f"{', '.join(holds)} lets no change pass before {needed} seeded changes were caught: {after} at the expected rate, and again whenever too few are left in the window"
        yield Claim("held-until-shown", "screening", "listed", text)


def _reviewers(terms: Terms, rules: ScreeningTerms) -> Iterator[Claim]:
    """Whose words on seeds count: neither the proposer's nor those of whoever chose the seed."""
    seeders = [party for party in terms.parties if terms.among(party, rules.by)]
    for hold in terms.hold_points:
        if not hold.need.screened:
            continue
        able = [party for party in terms.parties if not hold.need.by or terms.among(party, hold.need.by)]
        for developer in terms.with_role("developer"):
            counted = {
                party for seeder in seeders if seeder != developer for party in able if party not in {seeder, developer}
            }
            if not counted:
                text = f"{hold.id}: nobody's word on a seeded change of {developer} counts"
                trace = (f"{', '.join(able)} may approve", f"{', '.join(seeders)} choose the seeds, and know them")
                yield Claim("unfulfillable", "screening", "broken", text, trace)
                break


def _misses(seeds: int, minimum: Minimum) -> int:
    """How many of so many may be missed."""
    missed = 0
    while missed < seeds and shows_at_least(seeds - missed - 1, seeds, minimum.caught, minimum.confidence):
        missed += 1
    return missed


def _time_of(rules: ScreeningTerms, seeds: int) -> int:
    """Seconds until so many are expected, in whole days."""
    seconds = Fraction(seeds * rules.per_s, rules.decisions) / Fraction(rules.rate)
    return int(-(-seconds // 86_400)) * 86_400


def _chance(value: Fraction) -> str:
    """A chance for people, never rounded to certainty."""
    tenths = int(value * 1000)
    return (
        "more than 99.9 %"
        if tenths >= 999 and value < 1
        else "less than 0.1 %"
        if tenths == 0
        else f"{tenths / 10:g} %"
    )
