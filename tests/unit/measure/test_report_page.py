"""The page: every number leads to its rows, nothing is fetched, nothing from outside is markup."""

import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detente.base.quantity import Interval
from detente.measure.indicator import Exclusion, Indicator, Ledger, Remark, Result, Series
from detente.measure.report.anchors import ROWS_ON_PAGE, Anchors
from detente.measure.report.obligations import FORMS
from detente.measure.report.page import MEASURES, Page, write_page
from detente.measure.report.wording import show_interval


def _indicator(name="authorship.ai_line_share", **changes):
    base = Indicator(
        name=name,
        low=Decimal("0.25"),
        high=Decimal("0.75"),
        unit="share",
        method="AI / total",
        evidence_class="trailer",
        label="AI share of lines",
        n=8,
        ledger="commits",
    )
    return replace(base, **changes)


def _result(measure="authorship", rows=3, **changes):
    commits = tuple((f"{number:040x}", f"2025-{1 + number % 12:02d}-01", number) for number in range(rows))
    base = Result(
        measure,
        "owner/name",
        (_indicator(),),
        (Remark("mark-disappearance", "alarm", "marks stopped in March", "commits"),),
        (Exclusion("files", "generated", 4, ("a.lock",)),),
        (Ledger("commits", "Commits", ("commit", "date", "lines"), commits),),
        (Series("share", "AI share", "share", (("2025-01", 0.1, 0.9), ("2025-02", 0.2, None)), ledger="commits"),),
        {"HEAD": "f" * 40},
        {"since": "2025"},
    )
    return replace(base, **changes)


def _page(*results, **changes):
    page = Page(subject="owner/name", facts=("commit ffff",), results=results, **changes)
    return write_page(page, Anchors(results))


class _Reader(HTMLParser):
    """Ids, links, tags and text of a page; complains about tags that do not close."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, html):
        super().__init__()
        self.ids, self.links, self.tags, self.text = [], [], [], ""
        self._open = []
        self.feed(html)
        assert not self._open, self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name == "href":
                self.links.append(value)
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_every_link_on_the_page_leads_somewhere():
    """A fragment has its element, and no two elements share an id."""
    page = _Reader(_page(_result(), _result(), _result("compute"), form=FORMS["sb53"]))
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


DEFINING = frozenset({"title", "style", "h1", "h2", "h3", "pre", "code", "svg", "nav", "summary"})
"""Elements whose numbers are names, code, or the heading of the very rows that they count."""
EXPLAINED = ("open", "method", "clauses", "check")
"""Classes of what says in words what a number means."""


class Numbers(HTMLParser):
    """The texts with a digit above the evidence, each with whether a link to a place on the page stands in its unit.

    A unit is a row, an item, a card or a paragraph: what a reader takes in at once.
    """

    UNITS = frozenset({"tr", "li", "p"})

    def __init__(self, html):
        super().__init__()
        self.bare, self._open, self._texts, self._linked = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag in _Reader.VOID:
            return
        about = dict(attrs)
        self._open.append((tag, about))
        if self._is_unit(tag, about):
            self._texts.append([])
            self._linked.append(False)
        if tag == "a" and about.get("href", "").startswith("#") and self._linked:
            self._linked[-1] = True

    def _is_unit(self, tag, about):
        return tag in self.UNITS or about.get("class", "").split()[:1] == ["card"]

    def handle_endtag(self, tag):
        _, about = self._open.pop()
        if self._is_unit(tag, about):
            texts, linked = self._texts.pop(), self._linked.pop()
            if not linked:
                self.bare += texts

    def handle_data(self, data):
        if not re.search(r"[0-9]", data) or self._is_explained():
            return
        if self._texts:
            self._texts[-1].append(data)
        else:
            self.bare.append(data)

    def _is_explained(self):
        below = any(about.get("id", "").startswith(("evidence", "e-", "s-", "x-", "i-")) for _, about in self._open)
        words = any(set(EXPLAINED) & set((about.get("class") or "").split()) for _, about in self._open)
        return below or words or any(tag in DEFINING for tag, _ in self._open)


def test_every_number_can_be_clicked_or_is_explained():
    """Whatever holds a digit stands with a link down, in the evidence itself, or in words that define it."""
    many = tuple(_indicator(f"authorship.{n}", label=f"number {n}") for n in range(20))
    result = _result(
        indicators=many,
        remarks=(Remark("r", "alarm", "7 rows say so", "commits"), Remark("q", "note", "13 of nothing", None)),
        exclusions=(
            Exclusion("files", "generated", 4_000, ("commit c0ffee123456",)),
            Exclusion("commits", "merges", 2),
        ),
    )
    page = _page(result, _result("compute", indicators=()), refused=(("lineage", "I01 of 3"),), form=FORMS["sb53"])
    assert Numbers(page).bare == []
    assert Numbers(page.replace('href="#', 'href="/')).bare  # The walk sees what is not linked.


def test_a_count_of_what_was_left_out_leads_to_names_with_the_total():
    """Names as far as they were kept and how many there are; where none were kept, the page says so."""
    names = tuple(f"lib/{n}.lock" for n in range(5))
    result = _result(
        exclusions=(
            Exclusion("files", "lock files", 12, names),
            Exclusion("files", "generated", 3, ("commit c0ffee123456",)),
            Exclusion("commits", "merges", 2),
        )
    )
    html = _page(result, commits_at="https://forge.example/")
    assert '<a href="#x-authorship-0">12</a>' in html
    assert "<summary>Left out: 12 files</summary><p>lock files. 5 of them by name:</p><ul><li>lib/0.lock</li>" in html
    assert "They are in these commits:" in html
    assert '<a href="https://forge.example/c0ffee123456"><code>c0ffee123456</code></a>' in html
    assert "no name of one was kept" in html


def test_every_value_is_a_link_to_its_ledger():
    """The number that a reader sees is the way down to its rows."""
    html = _page(_result())
    assert html.count('<a href="#e-authorship-commits">25 % to 75 %</a>') == 2  # in the headline and in the table


def test_a_value_without_rows_leads_to_what_was_read():
    """Never to nowhere."""
    html = _page(_result(indicators=(_indicator(ledger=None),), ledgers=()))
    assert '<a href="#i-authorship">25 % to 75 %</a>' in html


def test_a_point_leads_to_the_first_row_of_its_time():
    """By the ledger's own column of dates."""
    assert '<tr id="s-authorship-share-1"><td><a href="#e-authorship-commits-1">2025-02</a>' in _page(_result())


def test_rows_beyond_the_bound_are_in_a_file_that_is_named_with_its_digest():
    """The page stays readable and loses nothing."""
    result = _result(rows=ROWS_ON_PAGE + 1)
    html = _page(result)
    assert 'href="evidence/authorship-commits.jsonl"' in html
    assert result.ledgers[0].digest() in html
    assert html.count('<tr id="e-authorship-commits-') == ROWS_ON_PAGE


def test_what_the_page_cannot_show_comes_before_any_detail():
    """A reader who stops early has read it."""
    html = _page(_result(), refused=(("lineage", "I02 malformed"),), absent=(("horizon", "no runs were given"),))
    opening = html.index("What this page cannot show")
    assert opening < html.index('<h2 id="m-authorship"')
    text = html[opening : html.index("</section>", opening)]
    assert "Lineage of versions was refused" in text
    assert "Time horizon was not measured" in text


def test_alarms_stand_above_the_measures():
    """What may be hidden on purpose is not left at the end of a section."""
    html = _page(_result())
    assert html.index("marks stopped in March") < html.index('<h2 id="m-authorship"')


def test_the_page_runs_nothing_and_fetches_nothing():
    """No script, no style sheet, font or picture from anywhere, no handler."""
    page = _Reader(_page(_result(), form=FORMS["gpai-code"], commits_at="https://github.com/owner/name/commit/"))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on") or name in {"src", "srcset"}]
    assert all(link.startswith(("#", "evidence/", "https://github.com/owner/name/commit/")) for link in page.links)


HOSTILE = "</td></table><script>alert(1)</script><b onclick=x>\u202egpj.exe\x00\x1b[31m"


def _hostile_result(text):
    return Result(
        text,
        text,
        (_indicator(label=text, method=text, unit=text, ledger=text),),
        (Remark(text, "warning", text, text),),
        (Exclusion(text, text, 1, (text,)),),
        (Ledger(text, text, (text, "commit"), ((text, text),)),),
        (Series(text, text, text, ((text, 1.0, 2.0),), ledger=text),),
        {text: text},
        {text: text},
    )


@given(st.text(max_size=60) | st.just(HOSTILE))
@settings(max_examples=60)
def test_nothing_from_outside_is_markup(text):
    """Names come from repositories: whatever they say, the page has the elements of our own."""
    result = _hostile_result(text)
    page = Page(subject=text, facts=(text,), results=(result,), refused=((text, text),), absent=((text, text),),
                command=text, commits_at="https://example.org/")  # fmt: skip
    read = _Reader(write_page(page, Anchors([result])))
    expected = _Reader(write_page(replace(page, results=(_hostile_result("x"),)), Anchors([_hostile_result("x")])))
    assert {tag for tag, _ in read.tags} <= {tag for tag, _ in expected.tags}
    assert not [name for _, attrs in read.tags for name in attrs if name.startswith("on")]
    assert all(character.isprintable() or character in "\n\t" for character in read.text)
    assert len(read.ids) == len(set(read.ids))


def test_an_interval_is_also_a_bar_with_words():
    """Solid to the least, striped to the most, and said to a screen reader."""
    assert (
        'aria-label="from 25 to 75 per cent"><i style="left:25.00%;width:50.00%"></i><b style="width:25.00%">'
        in _page(_result())
    )


def test_measures_come_in_the_order_of_the_mission():
    """Changes to training before authorship, whatever ran first."""
    html = _page(_result("compute"), _result("authorship"), _result("changes"))
    places = [html.index(f'<h2 id="m-{measure}"') for measure in ("changes", "authorship", "compute")]
    assert places == sorted(places)
    assert next(iter(MEASURES)) == "changes"


def test_a_page_with_no_result_at_all_is_honest():
    """An empty repository has a page too."""
    html = _page(absent=(("authorship", "there is no commit yet"),))
    assert "there is no commit yet" in html
    assert "No measure left a row." in html


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.name)
def test_a_form_names_what_artefacts_cannot_show(form):
    """Every need has a clause and says what no artefact shows; measures that are named exist."""
    html = _page(_result(), form=form)
    for need in form.needs:
        assert need.clause
        assert need.cannot
        assert set(need.measures) <= set(MEASURES)
    assert html.count("not measured here") >= 1
    assert "no legal advice" in html


def test_the_same_results_give_the_same_page():
    """Byte for byte."""
    assert _page(_result(), form=FORMS["raise"]) == _page(_result(), form=FORMS["raise"])


@given(
    st.decimals(min_value=0, max_value=10**12, places=4),
    st.decimals(min_value=0, max_value=10**12, places=4),
    st.sampled_from(["share", "FLOP", "days"]),
)
def test_what_is_shown_never_claims_more_than_was_measured(one, other, unit):
    """Lower ends are rounded down, upper ones up."""
    low, high = min(one, other), max(one, other)
    if low == high:
        return
    text = show_interval(Interval(low, high), unit)
    numbers = [Decimal(part) for part in re.findall(r"[0-9.]+(?:e[0-9]+)?", text)]
    scale = 100 if unit == "share" else 1
    assert numbers[0] <= low * scale
    assert high * scale <= numbers[-1]


@pytest.mark.parametrize(
    ("low", "high", "unit", "text"),
    [
        (None, None, "share", "unknown"),
        ("1", None, "count", "at least 1"),
        (None, "2", "days", "at most 2 days"),
        ("3", "3", "versions", "3 versions"),
        ("0", "1", "share", "0 % to 100 %"),
        ("1234567", "1234567", "count", "1234567"),
        ("0.4801", "0.4801", "share", "48.01 %"),
    ],
)
def test_open_sides_are_words(low, high, unit, text):
    """Never a number that nobody measured."""
    ends = Interval(None if low is None else Decimal(low), None if high is None else Decimal(high))
    assert show_interval(ends, unit) == text
