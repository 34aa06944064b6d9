"""What must be done when somebody asks for it: challenge inspections, each deadline and number at its instant."""

import pytest

from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.outages import Outages
from detente.accord.difference import compare_terms
from detente.accord.explain import explain
from detente.accord.explaining.constraint import Subject
from detente.accord.explaining.rules import rules as rules_of
from detente.accord.reading import TermsRefused
from detente.accord.terms import parse_terms
from tests.accord_play import BODY, DAY, PARTIES, T0, Play, founding

QUIET = BODY.replace("every: 7 d, ", "")
DUTY = """\
duties:
  - id: inspection
    of: developer
    found_by: auditor
    on_request: {by: [auth-1, dev-a, dev-b], within: 24 h, most: {number: 20, every: 365 d}}
"""
TRIGGER = """\
  - id: no-access
    when: {overdue: inspection}
    then: pause
    scope: party
"""
ASKED = T0 + 1_000
DUE = ASKED + DAY + 60
"""Access by a day after the request, and the time in which what was found by then settles."""
YEAR = 365 * DAY


def body(duty=DUTY, trigger=TRIGGER, **edits):
    text = QUIET.replace("triggers:\n", f"{duty}triggers:\n{trigger}")
    for old, new in edits.get("more", ()):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def play(text=None):
    return Play(founding(text or body())).begin()


def ask(found, at, *, by="auth-1", of="dev-a"):
    return found.find(by, of, at, claim="asks inspection", result="inconclusive")


def answer(found, at, *, by="aud-1", of="dev-a", result="confirmed"):
    return found.find(by, of, at, claim="fulfils inspection", result=result)


def standing(found, at, party="dev-a"):
    return next(each for each in found.at(at).duties if (each.duty, each.party) == ("inspection", party))


def states(found, *instants, party="dev-a"):
    return [standing(found, at, party).state for at in instants]


def rules(found, at):
    return [note.rule for note in found.at(at).notes]


def test_a_request_counts_on_receipt_and_is_overdue_from_the_second_after_which_no_answer_can_be_in_time():
    """Open at its second, without settling; overdue once what was found in time would have settled, and not before."""
    found = play()
    ask(found, ASKED)
    assert states(found, ASKED, DUE - 1, DUE, DUE + 1) == ["open", "open", "overdue", "overdue"]
    assert states(found, DUE, party="dev-b") == ["unasked"]


def test_an_overdue_request_is_told_with_since_and_what_it_rests_on():
    """The status gives deadline, since when, and the request; the explanation says so in words; the pause cites the request."""
    found = play()
    request = ask(found, ASKED)
    late = standing(found, DUE + DAY)
    assert (late.due_at, late.since, late.cited) == (ASKED + DAY, DUE, (request,))
    assert any("inspection of dev-a is overdue since" in reason.text for reason in explain(found.at(DUE)))
    [pause] = found.at(DUE + DAY).pauses
    assert (pause.trigger, pause.since, pause.parties, pause.cited) == ("no-access", DUE, ("dev-a",), (request,))


@pytest.mark.parametrize(("at", "in_time"), [(ASKED + DAY - 1, True), (ASKED + DAY, True), (ASKED + DAY + 1, False)])
def test_access_that_was_found_by_the_deadline_is_in_time(at, in_time):
    """A second before and at the deadline nothing is ever overdue; a second after, it is until that has settled."""
    found = play()
    ask(found, ASKED)
    answer(found, at)
    assert states(found, DUE, DUE + 1) == (["fulfilled"] * 2 if in_time else ["overdue", "fulfilled"])
    assert found.paused(DUE) == (() if in_time else ("no-access",))


@pytest.mark.parametrize(
    ("by", "result", "at"),
    [
        ("auth-2", "confirmed", ASKED + 100),
        ("dev-a", "confirmed", ASKED + 100),
        ("aud-1", "inconclusive", ASKED + 100),
        ("aud-1", "confirmed", ASKED),
        ("aud-1", "confirmed", ASKED - 100),
        ("aud-1", "confirmed", None),
    ],
    ids=["not-named", "itself", "left-open", "same-second", "before", "only-heard"],
)
def test_what_is_no_answer_leaves_the_request_open(by, result, at):
    """Only a named inspector's finding, witnessed after the request, that access was given."""
    found = play()
    ask(found, ASKED)
    answer(found, at, by=by, result=result)
    assert states(found, DUE) == ["overdue"]


def test_one_answer_answers_every_request_before_it_and_none_after():
    """The inspector was there: both earlier requests are answered, the next one is not."""
    found = play()
    ask(found, ASKED)
    ask(found, ASKED + 10, by="dev-b")
    answer(found, ASKED + 20)
    assert states(found, DUE + 10) == ["fulfilled"]
    ask(found, ASKED + 2 * DAY)
    assert states(found, DUE + 2 * DAY - 1, DUE + 2 * DAY) == ["open", "overdue"]


def test_an_inspector_who_takes_access_back_makes_it_overdue_on_receipt():
    """Overdue since the word is heard, not since a deadline that had been met."""
    found = play()
    ask(found, ASKED)
    answer(found, ASKED + 20)
    assert states(found, DUE + DAY) == ["fulfilled"]
    answer(found, None, result="refuted")
    late = standing(found, DUE + DAY)
    assert (late.state, late.since) == ("overdue", DUE + DAY)


def test_a_request_that_is_only_heard_is_open_now_and_never_overdue():
    """Its time is the instant of asking until a quorum has witnessed it."""
    found = play()
    ask(found, None)
    assert states(found, ASKED, DUE + YEAR) == ["open", "open"]


@pytest.mark.parametrize(
    ("by", "of", "rule"),
    [("aud-1", "dev-a", "F05"), ("dev-a", "dev-a", "F05"), ("buyer", "dev-a", "F05"), ("auth-1", "cloud", "F11")],
)
def test_who_may_not_ask_and_of_whom_nothing_is_asked(by, of, rule):
    """Stored and cited, without effect; no case opens, and nobody's standing moves."""
    found = play()
    ask(found, ASKED, by=by, of=of)
    assert rules(found, DUE) == [rule]
    assert states(found, DUE) == ["unasked"]
    assert found.at(DUE).findings == ()


def test_a_request_for_what_the_terms_do_not_know_has_no_effect():
    """F11; what must be done by a date cannot be asked for either."""
    found = play(body(DUTY.replace("on_request: {by: [auth-1, dev-a, dev-b], within: 24 h, most: {number: 20, every: 365 d}}",
                                   "by: {after_entry: 10 d}")))  # fmt: skip
    ask(found, ASKED)
    found.find("auth-1", "dev-a", ASKED, claim="asks nothing", result="inconclusive")
    assert rules(found, ASKED) == ["F11", "F11"]


def test_a_competitor_may_ask_where_the_terms_say_so_and_opens_no_case_by_that():
    """A request finds nothing: dev-b is no inspector, and no finding is open."""
    found = play()
    ask(found, ASKED, by="dev-b")
    assert states(found, DUE) == ["overdue"]
    assert (rules(found, DUE), found.at(DUE).findings, found.at(ASKED).alert) == ([], (), False)


def test_the_twentieth_request_of_a_year_counts_and_the_twenty_first_does_not():
    """Of one party, whoever asks; F25 once the twenty before it have settled, and the deadline of the last is the twentieth's."""
    found = play()
    for number in range(20):
        ask(found, ASKED + number, by=("auth-1", "dev-b")[number % 2])
    answer(found, ASKED + 18 + DAY)
    assert states(found, DUE + 19 - 1, DUE + 19) == ["fulfilled", "fulfilled"]
    extra = ask(found, ASKED + 2 * DAY)
    assert states(found, DUE + 2 * DAY) == ["fulfilled"]
    assert [(note.rule, note.statement) for note in found.at(DUE + 2 * DAY).notes] == [("F25", extra)]
    ask(found, ASKED + 2 * DAY, of="dev-b")
    assert states(found, DUE + 2 * DAY, party="dev-b") == ["overdue"]


def test_the_twentieth_is_overdue_by_itself():
    """Nineteen answered, the twentieth not."""
    found = play()
    for number in range(19):
        ask(found, ASKED + number)
    answer(found, ASKED + 100)
    last = ask(found, ASKED + 200)
    ask(found, ASKED + 300)
    late = standing(found, DUE + 300)
    assert (late.state, late.since, late.cited) == ("overdue", DUE + 200, (last,))


@pytest.mark.parametrize(("after", "counts"), [(YEAR - 1, False), (YEAR, True), (YEAR + 1, True)])
def test_the_number_is_of_any_365_days(after, counts):
    """A second before 365 days after the first of twenty, the next is beyond the number; at 365 days, it counts."""
    found = play()
    for number in range(20):
        ask(found, ASKED + (0 if number == 0 else 10))
    answer(found, ASKED + 100)
    ask(found, ASKED + after)
    assert states(found, DUE + after) == ["overdue" if counts else "fulfilled"]


def test_a_request_uses_the_number_up_only_once_it_has_settled():
    """Until then the twenty-first counts too: it permits nothing that its like has not been witnessed long enough."""
    found = play()
    for number in range(20):
        ask(found, ASKED + number)
    ask(found, ASKED + 20)
    last = ASKED + 19
    assert [rules(found, at) for at in (last + 59, last + 60)] == [[], ["F25"]]


def test_what_was_asked_before_a_party_was_bound_is_not_asked_of_it():
    """In force from settling on: a second before, nobody could have known that it is bound."""
    for at, state in ((T0 + 59, "unasked"), (T0 + 60, "overdue")):
        found = play()
        ask(found, at)
        assert states(found, at + DAY + 60) == [state]


def test_a_lift_answers_what_was_overdue_and_the_next_request_pauses_anew():
    """The first stays overdue and lifted; a later one that falls overdue latches round 1."""
    found = play()
    ask(found, ASKED)
    for offset, party in enumerate(("aud-2", "auth-1", "auth-2")):
        found.vote(party, "lift", DUE + 100 + offset, trigger="no-access", scope="dev-a")
    assert (states(found, DUE + 5 * DAY), found.paused(DUE + 5 * DAY)) == (["overdue"], ())
    ask(found, ASKED + 6 * DAY)
    assert [found.paused(DUE + 6 * DAY + after) for after in (-1, 0)] == [(), ("no-access",)]
    [pause] = found.at(DUE + 7 * DAY).pauses
    assert (pause.round, pause.since) == (1, DUE + 6 * DAY)


def test_a_duty_on_request_ends_with_its_span():
    """Overdue one second before the end, and owed by nobody from it on; listed as a release by time."""
    found = play(body(DUTY.replace("of: developer", "of: developer\n    until: {after_entry: 30 d}"), ""))
    ask(found, ASKED)
    end = T0 + 60 + 30 * DAY
    assert states(found, end - 1, end) == ["overdue", "ended"]
    assert [release.what for release in found.at(end).released_by_time] == ["rule_ended"]


REFUSED = [
    ("T07", DUTY.replace("on_request:", "by: {after_entry: 1 d}\n    on_request:")),
    ("T07", DUTY.replace("on_request:", "every: 1 d\n    on_request:")),
    ("T07", DUTY.replace("found_by: auditor", "register: {more_than: 1 H100e}")),
    ("T07", DUTY.replace(", within: 24 h", "")),
    ("T07", DUTY.replace("{number: 20, ", "{")),
    ("T08", DUTY.replace("number: 20", "number: 0")),
    ("T09", DUTY.replace("auth-1, ", "auth-9, ")),
    ("T06", DUTY.replace("within: 24 h", "within: 24 h, refused: 1")),
]


@pytest.mark.parametrize(("rule", "duty"), REFUSED)
def test_requests_that_cannot_be_meant_are_refused(rule, duty):
    """Each by its number, and nothing else."""
    with pytest.raises(TermsRefused) as refused:
        parse_terms((body(duty) + PARTIES).encode(), template=True)
    assert {each.rule for each in refused.value.all} == {rule}


def test_a_duty_due_by_nothing_is_refused():
    """Neither a date nor a request."""
    duty = "duties:\n  - {id: inspection, of: developer, found_by: auditor}\n"
    with pytest.raises(TermsRefused) as refused:
        parse_terms((body(duty) + PARTIES).encode(), template=True)
    assert [each.rule for each in refused.value.all] == ["T07"]


def claims(text):
    return check_terms(parse_terms((text + PARTIES).encode(), template=True), Assumptions(Outages(12, 1_800)))


def forced(text):
    return [c for c in claims(text) if c.id == "forces-pause" and c.verdict == "broken" and "no-access" in c.text]


def test_check_sees_who_can_force_a_pause_by_inspections_alone():
    """Who asks and alone can say that access was given forces a pause; where another may say so, or another asks, nobody does."""
    alone = DUTY.replace("found_by: auditor", "found_by: auth-1")
    [claim] = [claim for claim in forced(body(alone)) if claim.text.startswith("auth-1")]
    assert claim.trace == ("inspection falls overdue",)
    assert forced(body()) == []
    assert forced(body(alone.replace("[auth-1, dev-a, dev-b]", "[auth-2]"))) == []


def test_check_says_that_nobody_must_ask_and_whom_nobody_may_ask():
    """Both are listed or broken: an inspection is a power, and a party of whom nobody may ask it has no such duty."""
    [claim] = [claim for claim in claims(body()) if claim.id == "input-owed" and "no-access" in claim.text]
    assert claim.verdict == "listed"
    assert "who share 20 in 365 d" in claim.text
    own = [c.text for c in claims(body(DUTY.replace("[auth-1, dev-a, dev-b]", "[dev-a]"))) if c.id == "dead-rule"]
    assert own == ["inspection: nobody may ask it of dev-a"]


def test_a_party_reads_what_it_may_ask_and_what_may_be_asked_of_it():
    """Who may ask has a power, and of whom it is asked has a duty; a developer has both, an auditor neither."""
    terms = parse_terms((body() + PARTIES).encode(), template=True)
    found = {
        party: [rule.sort for rule in rules_of(terms, Subject("party", party)) if rule.id == "inspection"]
        for party in ("auth-1", "dev-a", "aud-1")
    }
    assert found == {"auth-1": ["power"], "dev-a": ["power", "duty"], "aud-1": []}
    [asks] = [rule for rule in rules_of(terms) if (rule.id, rule.sort) == ("inspection", "power")]
    assert asks.does == "asks others among developer for it, of each at most 20 in 365 d"


CHANGES = [
    ("within: 24 h", "within: 12 h", ("lowers the time for inspection from 1 d to 12 h", "tightens")),
    ("number: 20", "number: 30", ("changes how often inspection may be asked for from 20 in 365 d to 30 in 365 d", "tightens")),
    (", most: {number: 20, every: 365 d}", "", ("lets inspection be asked for without limit, which was at most 20 in 365 d", "tightens")),
    ("[auth-1, dev-a, dev-b]", "[auth-1, dev-a, dev-b, auth-2]", ("changes who may ask for inspection from auth-1, dev-a, dev-b to auth-1, dev-a, dev-b, auth-2", "tightens")),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), CHANGES)
def test_what_an_amendment_changes_about_requests_is_said_with_its_effect(old, new, said):
    """And the reverse has the opposite effect."""
    one, two = (parse_terms((body(duty) + PARTIES).encode(), template=True) for duty in (DUTY, DUTY.replace(old, new)))
    [change] = compare_terms(one, two)
    [back] = compare_terms(two, one)
    assert (change.section, change.text, change.effect) == ("duties", *said)
    assert back.effect == "loosens"


def test_a_date_in_place_of_a_request_is_told():
    """Neither stricter nor looser: a reader should look."""
    dated = "duties:\n  - {id: inspection, of: developer, found_by: auditor, by: {after_entry: 10 d}}\n"
    one, two = (parse_terms((body(duty) + PARTIES).encode(), template=True) for duty in (DUTY, dated))
    assert "makes inspection due by 10 d after entry into force" in " ".join(c.text for c in compare_terms(one, two))
