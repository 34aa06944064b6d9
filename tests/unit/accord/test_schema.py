"""The JSON Schema of terms and the reader of terms: what one takes the other takes, and neither passes a wrong shape."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detente.accord.document import Node, read_document
from detente.accord.key_reading import spell_keys
from detente.accord.reading import TermsRefused, read_tree
from detente.accord.schema import terms_schema
from detente.base.digest import sha256_hex
from tests.accord_play import proven
from tests.json_schema import problems, typed

ROOT = Path(__file__).parents[3]
SCHEMA = terms_schema()
SHIPPED = sorted(path for path in (ROOT / "accords").glob("*.yaml") if b"\nparties:" in path.read_bytes())
VECTORS = sorted((ROOT / "vectors" / "terms").iterdir())
SHAPE = {"T06", "T07", "T08", "T10", "T14", "T15", "T41", "T43", "T44"}
"""What is refused for the shape of one member alone."""
WHOLE = f"""\
accord: whole
version: 1
review_by: 2027-01-01
expires: 2028-01-01T00:00:00Z
renewal: {{for: 365 d, at_most: 2, votes: {{auditor: 1}}}}
parties:
  dev-a: {{country: US, roles: [developer]}}
  aud-1: {{country: CA, roles: [auditor, mirror]}}
  aud-2: {{country: JP, roles: [auditor, mirror]}}
  aud-3: {{country: DE, roles: [authority, mirror]}}
mirrors:
  may_fail: 0
  witness: 2
  issue: 2
  settle: 60 s
  parties: [aud-1, aud-2, aud-3]
  day: {{entries: 1000, bytes: 1000000}}
  closes:
    - {{origin: dev-a.example/log, size: 1, root: {"a" * 64}, cosigned: [{{mirror: aud-1, size: 1, time: 2026-01-01}}]}}
entry_into_force:
  when:
    all:
      - acceded: {{role: developer, at_least: 1}}
      - acceded: {{at_least: 1}}
      - acceded: {{countries: 1}}
      - acceded: {{share_of: registered_compute, at_least: 80 %}}
      - not: {{acceded: {{parties: [dev-a]}}}}
  before: {{training: free, self_improvement: free, compute: refuse, deployment: free, marked: lapsed}}
  after_expiry: {{training: free, marked: lapsed}}
limits:
  - id: big.first
    on: run.start
    from: 2026-01-01
    until: {{after_entry: 10 d}}
    when: {{all: [{{run.activity: training}}, {{more_than: [run.cumulative_flop, 1e24 FLOP]}}]}}
    need: [declaration, approval_of: [aud-1]]
    unknown: silent
  - {{id: brought, while: brings, when: {{more_than: [run.planned_flop, 1e23 FLOP]}}, then: refuse}}
hold_points:
  - id: self
    on: version.train
    from: 2026-01-01
    until: {{after_entry: 10 d}}
    when: {{any: [{{change.touches: [training, data]}}, {{change.proposer: model}}]}}
    need:
      {{humans: 1, organisations: 1, author_excluded: yes, device: software, same_host: accept, by: [auditor], significant: no, screened: yes, confirmed: no}}
    unknown: silent
    approved_for: 30 d
    decide_within: 14 d
    escalation: {{to: [auditor], after: 5 d, within: 5 d}}
checkpoints:
  - id: large
    on: run.start
    from: 2026-01-01
    until: 2027-01-01
    when: {{any: [{{more_than: [run.planned_flop, 1e23 FLOP]}}, {{less_than: [horizon, 1 h]}}]}}
    need: {{certifications: [honest], by: [auditor], count: 1}}
    unknown: holds
indicators:
  horizon: {{supplied_by: [auditor], every: 30 d, about: world, unit: h, unknown: holds, overdue: silent}}
duties:
  - {{id: register, of: developer, by: {{after_entry: 90 d}}, register: {{more_than: 1e18 FLOP/s}}, every: 30 d, until: 2029-01-01}}
  - {{id: inspected, of: [developer], by: 2027-01-01, found_by: [auditor]}}
  - id: visited
    of: developer
    found_by: auditor
    on_request: {{by: [auditor], within: 24 h, most: {{number: 20, every: 365 d}}}}
triggers:
  - id: long
    when: {{at_least: 1, of: [{{at_least: [horizon, 16 h]}}, {{open_finding: {{by: [auditor], at_least: 1}}}}, {{overdue: register}}]}}
    then: slowdown
    scope: all
    unknown: silent
    alone_on_purpose: [aud-1]
    veto_on_purpose: [aud-2]
    from: 2026-01-01
    until: 2028-01-01
    lapses: {{after: 5 d, unless: {{any: 2}}, again_after: 1 d}}
  - {{id: brings, when: {{ruling: breach}}, then: limits, scope: all}}
  - {{id: call, when: {{votes: {{of: [auditor], at_least: 2}}}}, then: pause, scope: party}}
pause: {{activities: [training], halt_within: 15 min, longest: 180 d}}
lift:
  votes: {{auditor: 2}}
  when: {{all: [{{none_open: finding}}, {{at_most: [horizon, 4 h]}}]}}
  veto_on_purpose: [aud-1]
  alone_on_purpose: []
slowdown: {{rate: 10 %, of: registered_compute}}
permits: {{life: {{calm: 1 h, alert: 10 min}}}}
consequences:
  - {{when: {{ruling: breach}}, then: [{{aud-1: refuse_compute}}, publish]}}
adjudication: {{challenge_within: 72 h, rule_within: 5 d, votes: {{any: 1}}, unruled: falls, appeal_within: 2 d}}
screening:
  {{by: [auditor], rate: 5 %, decisions: {{count: 10, per: 7 d}}, window: 365 d,
   minimum: {{caught: 80 %, confidence: 95 %, unshown: silent}}}}
reciprocity: {{when: {{ruling: breach, of: developer, uncured_for: 7 d}}, then: release_others, marked: lapses}}
withdrawal: {{notice: 365 d, from_pause: never}}
amendment: {{votes: {{auditor: 1}}}}
authenticators:
  attestation_roots: ["{"a" * 64}"]
  test_devices: [01020304-0506-0708-0102-030405060708]
confidential:
  run.code: auditor-only
  run.config: public
  run.data: auditor-only
  run.planned_flop: committed
sources:
  limits.big.first:
    of: A draft, version 2
    clause: Art. 1
    wording: primary
    url: https://example.org/draft
    rules: [draft-1]
    says: no run above it
    leaves_open: what counts
    our_choice: what went into the parents counts
  pause.halt_within: [{{our_choice: one step}}]
  not_expressed:
    - {{of: "A draft, version 2", clause: Art. 9, why: no chips, url: "https://example.org/draft", rules: [draft-9]}}
"""
"""Every member of the language; ``test_every_member_that_the_reader_knows_stands_in_the_examples`` asks the reader."""
KEYS = [
    ("root", None), ("statement", None), ("guard", None), ("log", "lab.example/log"), ("mirror", "lab.example/mirror"),
    ("witness", "lab.example/witness"), ("permit", None), ("reviewer", "r-1"),
]  # fmt: skip
ALONE = """\
accord: alone
version: 1
parties: {lab: {country: US, roles: [developer, safety]}}
mirrors: self
pause: {activities: [training], halt_within: 1 min}
lift: {votes: {safety: 1}}
permits: {life: {calm: 1 h, alert: 1 min}}
""" + spell_keys({"lab": 1}, {"lab": tuple(proven("lab", use, 0, name) for use, name in KEYS)})


def schema_says(data: bytes) -> list[str]:
    return list(problems(typed(data), SCHEMA, SCHEMA))


def reader_says(data: bytes) -> set[str]:
    return tree_says(read_document(data))


def tree_says(root: Node) -> set[str]:
    try:
        read_tree(root, sha256_hex(b""), template=True)
    except TermsRefused as refused:
        return {each.rule for each in refused.all}
    return set()


def test_the_committed_schema_is_the_one_that_the_code_makes():
    """``detente accord schema > spec/terms.schema.json``."""
    assert json.loads((ROOT / "spec" / "terms.schema.json").read_text("utf-8")) == SCHEMA


def test_every_reference_of_the_schema_leads_somewhere():
    """And nothing is defined that nobody refers to."""
    text = json.dumps(SCHEMA)
    for name in SCHEMA["$defs"]:
        assert f'"#/$defs/{name}"' in text, name
    assert {each.split('"')[0] for each in text.split("#/$defs/")[1:]} == set(SCHEMA["$defs"])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_accord_is_what_the_schema_says(path: Path):
    """An editor shows no error in a text that the reader takes."""
    data = path.read_bytes()
    assert reader_says(data) == set()
    assert schema_says(data) == []


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case.name)
def test_vectors_that_are_taken_are_what_the_schema_says_and_wrong_shapes_are_not(case: Path):
    """Unknown members, missing ones, other shapes and words: refused by both."""
    data = (case / "terms.yaml").read_bytes()
    if not case.name.endswith("_fail"):
        assert schema_says(data) == []
    elif case.name[:3] in SHAPE - {"T08"}:
        assert schema_says(data)


def test_the_whole_language_is_in_the_example_and_taken_by_both():
    """Each member of each object of the schema stands in some text of this test or in a shipped accord."""
    assert reader_says(WHOLE.encode()) == set()
    assert schema_says(WHOLE.encode()) == []


def asked_for(root: Node) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """For each object of the tree: every member that the reader knows there, and those that stand there."""
    for what, other in changed(root):
        if what.endswith("one more"):
            try:
                read_tree(other, sha256_hex(b""), template=True)
            except TermsRefused as refused:
                for each in refused.all:
                    if each.rule == "T06":
                        stands = _beside_colour(other)
                        yield frozenset(each.expected.removeprefix("one of ").split(", ")), stands


def _beside_colour(node: Node) -> frozenset[str]:
    if "colour" in node.entries:
        return frozenset(node.entries) - {"colour"}
    return next(
        (found for each in (*node.items, *node.entries.values()) if (found := _beside_colour(each))), frozenset()
    )


def test_every_member_that_the_reader_knows_stands_in_the_examples():
    """So that a member which is added to the reader, and not to the schema, fails here: both must take the examples."""
    known: dict[frozenset[str], set[str]] = {}
    for example in (WHOLE, ALONE):
        for names, stands in asked_for(read_document(example.encode())):
            known.setdefault(names, set()).update(stands)
    assert {names: names - stands for names, stands in known.items() if names - stands} == {}


def having(node: Node, entries: dict[str, Node]) -> Node:
    return replace(node, entries=entries, keys={name: node.keys.get(name, (1, 1)) for name in entries})


def changed(node: Node) -> Iterator[tuple[str, Node]]:
    """The tree with one thing changed at a time: a member more or less, a list or mapping for a text, a wrong word."""
    if node.kind == "mapping":
        yield "one more", having(node, {**node.entries, "colour": Node("text", 1, 1, text="red")})
        for name, entry in node.entries.items():
            yield f"no {name}", having(node, {key: each for key, each in node.entries.items() if key != name})
            for what, other in changed(entry):
                yield f"{name}: {what}", having(node, {**node.entries, name: other})
    elif node.kind == "list":
        yield "a text", Node("text", 1, 1, text="red")
        for number, item in enumerate(node.items):
            for what, other in changed(item):
                yield (
                    f"[{number}] {what}",
                    replace(node, items=(*node.items[:number], other, *node.items[number + 1 :])),
                )
    else:
        yield "a list", Node("list", 1, 1, items=(node,))
        yield "a mapping", having(Node("mapping", 1, 1), {"colour": node})
        yield "no word", Node("text", 1, 1, text="#!")


def keys_changed(root: Node) -> Iterator[tuple[str, Node]]:
    """Terms with one thing changed in the keys of one party."""
    keys = root.entries["keys"]
    for what, other in changed(keys.entries["lab"]):
        yield what, having(root, {**root.entries, "keys": having(keys, {"lab": other})})


def plain(node: Node) -> Any:
    """The tree as an editor has it, every scalar a text."""
    if node.kind == "mapping":
        return {name: plain(entry) for name, entry in node.entries.items()}
    return [plain(item) for item in node.items] if node.kind == "list" else node.text


@pytest.mark.parametrize(("text", "change"), [(WHOLE, changed), (ALONE, keys_changed)], ids=["members", "keys"])
def test_schema_and_reader_agree_on_every_change_of_one_member(text: str, change: Callable[[Node], Iterator]):
    """The schema refuses nothing that the reader takes; an unknown or missing member, or another kind, both refuse."""
    count = 0
    for what, other in change(read_document(text.encode())):
        said, found = tree_says(other), list(problems(plain(other), SCHEMA, SCHEMA))
        count += 1
        assert said or not found, f"{what}: only the schema refuses: {found}"
        if said & SHAPE - {"T08", "T15", "T41"} and not said - SHAPE:
            assert found, f"{what}: only the reader refuses: {said}"
    assert count > 20
