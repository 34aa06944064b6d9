"""`detente accord explain` and `detente status --why`: in words, as JSON, and as one page that fetches nothing."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from detente.app.config import load_config
from detente.app.explaining import _copied
from detente.app.node import open_node
from detente.cli import main

ROOT = Path(__file__).resolve().parents[3]
TERMS = ROOT / "accords" / "coordinated-pause.yaml"
TABLE = ROOT / "accords" / "coordinated-pause.scenarios.yaml"
LIFT = ("--scenario", TABLE, "--named", "one auditor and one authority are too few")


def called(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


class Page(HTMLParser):
    """Identifiers, links and tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        named = dict(attrs)
        if "id" in named:
            self.ids.append(named["id"])
        self.links += [named[name] for name in ("href", "src") if name in named]


def test_terms_alone_say_what_would_bind_a_party_and_what_ends_it():
    """No keys, no node: each clause with what sets it off and what ends it; what the party owes."""
    said = called("accord", "explain", TERMS, "--party", "aud-1").stdout
    assert "training and self-improvement of everybody who is bound stop, with a checkpoint, within 15 min" in " ".join(
        said.split()
    )
    assert "1 auditor and 2 authorities vote to lift it and no finding is open" in " ".join(said.split())
    assert "reports doubling_days" in said
    assert "signs an amendment" not in said


SHIPPED = sorted(path.name for path in (ROOT / "accords").glob("*.yaml") if "\nparties:" in path.read_text("utf-8"))


@pytest.mark.parametrize("shipped", SHIPPED)
def test_every_shipped_accord_can_be_explained(shipped: str, tmp_path: Path):
    """Each limit, hold point, checkpoint and trigger of the file is among the rules."""
    from detente.app.drafting import read_draft

    terms = read_draft(ROOT / "accords" / shipped)
    result = called("accord", "explain", ROOT / "accords" / shipped, "--json", "--html", tmp_path / "page.html")
    told = json.loads(result.stdout)["rules"][terms.accord]
    clauses = {each.id for each in (*terms.limits, *terms.hold_points, *terms.checkpoints, *terms.triggers)}
    assert clauses <= {rule["id"] for rule in told if rule["sort"] == "binds"}


def test_after_a_step_of_a_scenario_one_more_authority_is_what_is_missing():
    """The state of the table at that time, with the way out and where each statement was made."""
    result = called("accord", "explain", TERMS, *LIFT, "--at", "+1 d", "--party", "dev-a", "--json")
    told = json.loads(result.stdout)["explanations"][0]
    assert told["outcome"] == "paused"
    pause = told["constraints"][0]
    assert pause["ways_out"][0]["text"] == "1 more authority votes to lift `call`, round 0; then 1 min to settle"
    assert pause["ways_out"][0]["acts"][0]["of"] == ["auth-2"]
    said = {entry["statement"]: entry["said"] for entry in told["entries"]}
    assert [said[cite].split(": ", 1)[1].split(" (")[0] for cite in pause["why"]["cites"]] == [
        "aud-1: vote",
        "auth-1: vote",
    ]


def test_a_step_is_its_number_or_a_time():
    """Before the pause nothing is paused; by number and by time alike."""
    by_number = called("accord", "explain", TERMS, *LIFT, "--at", "2", "--party", "dev-a", "--json").stdout
    by_time = called("accord", "explain", TERMS, *LIFT, "--at", "+0 s", "--party", "dev-a", "--json").stdout
    assert json.loads(by_number) == json.loads(by_time)
    assert json.loads(by_number)["explanations"][0]["outcome"] == "free"


@pytest.mark.parametrize(
    ("rule", "arguments"),
    [
        ("E01", (*LIFT, "--party", "dev-z")),
        ("E02", (*LIFT, "--run", "large")),
        ("E03", (*LIFT, "--change", "wider")),
        ("E04", (*LIFT, "--trigger", "cal")),
        ("E06", ("--scenario", TABLE, "--named", "no such thing")),
        ("E06", ("--scenario", TABLE, "--named", "lift")),
        ("E07", (*LIFT, "--at", "soon")),
        ("E07", (*LIFT, "--at", "0")),
        ("E07", (*LIFT, "--at", "-1 d")),
    ],
)
def test_a_bad_subject_or_step_is_refused_by_number(rule: str, arguments: tuple):
    """With what there is to choose from, and nothing on stdout but the refusal."""
    result = called("accord", "explain", TERMS, *arguments, "--json")
    assert json.loads(result.stdout)["refused"]["rule"] == rule
    assert result.exit_code >= 10


def test_a_page_fetches_nothing_and_every_reason_leads_to_its_entry(tmp_path: Path):
    """One file: no script, no address, a policy that allows none; each link has its place, each identifier one."""
    path = tmp_path / "page.html"
    called("accord", "explain", TERMS, *LIFT, "--at", "+1 d", "--html", path)
    text = path.read_text("utf-8")
    page = Page(text)
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert page.links
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    assert "prefers-color-scheme: dark" in text


def test_text_from_outside_is_escaped_on_the_page(tmp_path: Path):
    """A claim of a finding that looks like markup is shown, not obeyed."""
    table = tmp_path / "t.yaml"
    steps = [
        "- {at: +1 h, by: [aud-1, auth-1], vote: {pause: call}}",
        "- {at: +2 h, by: aud-2, find: {name: f, about: dev-a, claim: '<script>alert(1)</script>'}}",
        "- {at: +3 h, expect: {phase: in_force}}",
    ]
    setup = TABLE.read_text("utf-8").split("scenarios:")[0]
    table.write_text(
        setup + "scenarios:\n  - name: hostile\n    steps:\n" + "".join(f"      {step}\n" for step in steps), "utf-8"
    )
    path = tmp_path / "page.html"
    assert called("accord", "explain", TERMS, "--scenario", table, "--html", path).exit_code == 0
    text = path.read_text("utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_two_accords_over_one_party_say_which_is_stricter_and_who_would_allow_it():
    """At each bound of either, and just above."""
    told = json.loads(called("accord", "explain", TERMS, ROOT / "accords" / "solo.yaml", "--json").stdout)["together"]
    rows = {row["what"]: row for row in told["rows"]}
    above = rows["training of more than 1e22 FLOP in all"]
    assert above["each"] == {"coordinated-pause": "held by report-first", "solo": "free"}
    assert above["together"] == "held by coordinated-pause; solo would allow it"
    assert rows["training of more than 1e24 FLOP in all"]["together"] == "refused by coordinated-pause"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A solo home, paused."""
    folder = tmp_path / "home"
    assert called("init", "--solo", "--home", folder).exit_code == 0
    assert called("pause", "--as", "safety-team", "--home", folder).exit_code == 0
    return folder


def test_a_home_explains_its_own_folded_state(home: Path):
    """The pause, since when, the entry, and the one vote that would lift it."""
    told = json.loads(called("status", "--why", "--party", "research-team", "--home", home, "--json").stdout)
    pause = told["explanations"][0]["constraints"][0]
    assert (pause["effect"], pause["clause"]["id"]) == ("paused", "call")
    assert re.fullmatch(r"research-team\.example/log#\d", pause["why"]["places"][0])
    assert pause["ways_out"][0]["text"] == "1 safety party votes to lift `call`, round 0"
    assert called("status", "--party", "research-team", "--home", home).exit_code == 2


def test_the_store_of_a_home_whose_node_runs_is_read_from_a_copy(home: Path):
    """The node holds the lock and is asked nothing; the copy gives the same state, and signs nothing."""
    config = load_config(home)
    running = open_node(home)
    try:
        with _copied(config) as copy:
            assert copy.state().digest == running.state().digest
            assert copy.sequencer is None
    finally:
        running.abandon()


def test_two_homes_over_one_party_are_explained_together(home: Path, tmp_path: Path):
    """The pause of the first holds, though the second would allow it."""
    other = tmp_path / "other"
    assert called("init", "--solo", "--home", other).exit_code == 0
    told = json.loads(
        called("status", "--why", "--party", "research-team", "--home", home, "--also", other, "--json").stdout
    )
    assert told["together"]["rows"][0]["together"] == "paused by solo (1); solo (2) would allow it"
