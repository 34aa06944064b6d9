"""Files of terms that were made to harm: bombs are refused while they are read, look-alikes at their line and column."""

import pytest

from detente.accord import document
from detente.accord.document import BYTES_MAX, DEPTH_MAX, NODES_MAX, Node, read_document
from detente.accord.reading import TermsRefused, read_terms
from detente.base.errors import Refused
from tests.accord_play import BODY, PARTIES, founding

TEMPLATE = BODY + PARTIES
LAUGHS = "a: &a [ha, ha]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nine levels of nine: 43 million words, were it ever composed."""


def refused(text, *, template=True):
    with pytest.raises(TermsRefused) as caught:
        read_terms(text if isinstance(text, bytes) else text.encode(), template=template)
    return caught.value


def place(text, wanted):
    """Line and column, from 1, of the first place of ``wanted``."""
    before = text[: text.index(wanted)]
    return f"{before.count(chr(10)) + 1}:{len(before) - (before.rfind(chr(10)) + 1) + 1}"


@pytest.fixture
def composed(monkeypatch):
    """Every node that was made, to be counted."""
    made = []

    def make(*args, **more):
        made.append(args)
        return Node(*args, **more)

    monkeypatch.setattr(document, "Node", make)
    return made


@pytest.mark.parametrize(
    ("text", "rule", "at", "most"),
    [
        (LAUGHS, "T04", "1:4", 2),
        ("a: *a\n", "T04", "1:4", 2),
        ("a: &a {b: *a}\n", "T04", "1:4", 2),
        ("a: {x: 1}\nb: {<<: *a}\n", "T04", "2:9", 8),
        ("&k a: 1\n", "T04", "1:1", 1),
        ("*k : 1\n", "T04", "1:1", 1),
        ("a: !!python/object/apply:os.system [true]\n", "T04", "1:4", 2),
        ("a: !!binary aGE=\n", "T04", "1:4", 2),
        ("a: !mine 1\n", "T04", "1:4", 2),
        ("!!str a: 1\n", "T04", "1:1", 1),
        ("%TAG ! tag:example.org,2026:\n---\na: 1\n", "T04", "2:1", 0),
        ("a: 1\n---\nb: 1\n", "T04", "2:1", 3),
        ("a: 1\nb: 2\na: 3\n", "T03", "3:1", 6),
        ("a: {b: 1, 'b': 2}\n", "T03", "1:11", 6),
        ("? [a]\n: 1\n", "T03", "1:3", 3),
        ("? {a: 1}\n: 1\n", "T03", "1:3", 4),
        ("a:\n" + "".join(f"{' ' * level}- \n" for level in range(1, 400)), "T05", None, DEPTH_MAX + 2),
        ("a: " + "[" * 5_000, "T05", f"1:{4 + DEPTH_MAX}", DEPTH_MAX + 2),
        ("a: " + "{b: " * 5_000, "T05", None, 2 * DEPTH_MAX + 2),
    ],
)  # fmt: skip
def test_what_could_grow_or_hide_is_refused_at_its_place_before_more_is_composed(composed, text, rule, at, most):
    """T03 to T05: with line and column, and no more nodes made than stand before it."""
    error = refused(text)
    assert error.rule == rule
    line, _, column = error.got.split()[0].partition(":")
    assert line.isdigit()
    assert column.isdigit()
    assert at in {None, f"{line}:{column}"}
    assert len(composed) <= most


def test_two_hundred_thousand_nodes_are_read_and_one_more_is_refused(composed):
    """T05 at its bound: the mapping, its key and its list are three of them; the one too many is never made."""
    items = NODES_MAX - 3
    assert len(read_document(b"a: [" + b"1," * items + b"]").entries["a"].items) == items
    composed.clear()
    with pytest.raises(Refused) as caught:
        read_document(b"a: [" + b"1," * (items + 1) + b"]")
    assert (caught.value.rule, caught.value.got.split()[0]) == ("T05", f"1:{5 + 2 * items}")
    assert len(composed) < NODES_MAX


def test_twenty_four_levels_are_read_and_one_more_is_refused():
    """T05 at its bound."""
    deepest = b"[" * DEPTH_MAX + b"1" + b"]" * DEPTH_MAX
    assert read_document(deepest).kind == "list"
    with pytest.raises(Refused) as caught:
        read_document(b"[" + deepest + b"]")
    assert (caught.value.rule, caught.value.got.split()[0]) == ("T05", f"1:{DEPTH_MAX + 2}")


def test_four_mebibytes_are_parsed_and_one_byte_more_is_not(monkeypatch):
    """T01 at its bound: the parser is not even made for what is longer."""
    comment = b"a: 1 #"
    assert read_document(comment + b"x" * (BYTES_MAX - len(comment))).entries["a"].text == "1"
    monkeypatch.setattr(document, "YAML", None)
    with pytest.raises(Refused) as caught:
        read_document(comment + b"x" * (BYTES_MAX - len(comment) + 1))
    assert (caught.value.rule, caught.value.got) == ("T01", f"{BYTES_MAX + 1} bytes")


DISGUISES = {
    "Cyrillic": lambda word: word.replace("a", "\u0430", 1),
    "full width": lambda word: word.replace("a", "\uff41", 1),
    "zero-width joiner": lambda word: word.replace("a", "a\u200d", 1),
    "zero-width space at the end": lambda word: word + "\u200b",
    "right-to-left mark": lambda word: "\u200f" + word,
    "right-to-left override": lambda word: word.replace("a", "\u202ea", 1),
    "combining accent": lambda word: word.replace("a", "a\u0301", 1),
    "accent in one": lambda word: word.replace("a", "\u00e1", 1),
    "capital": lambda word: word.replace("a", "A", 1),
    "dot at the end": lambda word: word + ".",
    "space at the end": lambda word: word + " ",
    "no-break space at the end": lambda word: word + "\u00a0",
    "soft hyphen": lambda word: word.replace("a", "a\u00ad", 1),
}
PLACES = {
    "party": ("  aud-2: ", "aud-2", "T08"),
    "accord": ("accord: on-paper", "on-paper", "T08"),
    "limit": ("id: too-large", "too-large", "T08"),
    "hold point": ("id: self-modification", "self-modification", "T08"),
    "trigger": ("id: unattended", "unattended", "T08"),
    "indicator": ("  spread: ", "spread", "T08"),
    "indicator in a condition": ("{at_least: [spread, 5 x]}", "spread", "T08"),
    "role": ("roles: [relying_party]", "relying_party", "T10"),
    "role of a quorum": ("votes: {auditor: 1, auth", "auditor", "T10"),
    "who supplies": ("supplied_by: auditor", "auditor", "T08"),
    "who votes": ("of: [auditor, auth", "auditor", "T08"),
    "who approves": ("approval_of: [auth-1, auth-2]", "auth-1", "T08"),
    "who may prevent": ("veto_on_purpose: [auth-1, auth-2]", "auth-1", "T08"),
    "who acts": ("then: [{buyer-a: refuse_deployment}", "buyer-a", "T08"),
    "what is touched": ("touches: [training, arch", "training", "T08"),
    "unit": ("every: 7 d, unit: ratio}", "ratio", "T08"),
}
SPELLED = (
    TEMPLATE.replace("buyer", "buyer-a")
    .replace("unit: x}", "unit: ratio}")
    .replace("[{cloud: refuse_compute}, {buyer-a: refuse_deployment}, publish]", "[{buyer-a: refuse_deployment}]")
)


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("where", PLACES)
def test_a_look_alike_is_refused_at_its_line_and_column(disguise, where):
    """Party, id, indicator, role, unit: what is not the same to a machine must not look the same to a person."""
    within, word, rule = PLACES[where]
    other = DISGUISES[disguise](word)
    if where == "unit" and other.isascii() and other.strip() == other:
        pytest.skip("another unit, and one that looks different")
    written = within.replace(word, f'"{other}"', 1)
    assert SPELLED.count(within) == 1, where
    text = SPELLED.replace(within, written)
    at = place(text, written).split(":")
    column = int(at[1]) + written.index('"')
    found = [each for each in refused(text).all if each.rule == rule and each.got.startswith(f"{at[0]}:")]
    assert found, [each.got for each in refused(text).all]
    if where != "who acts":  # The party stands one column after its mapping begins.
        assert found[0].got.split()[0] == f"{at[0]}:{column}"


def test_a_look_alike_of_a_party_beside_it_is_refused():
    """Two that look the same in one file: the second is no name at all, and has no keys either."""
    party = PARTIES.replace("  buyer:", "  \u0430ud-1: {country: CA, roles: [auditor]}\n  buyer:")
    assert {each.rule for each in refused(founding(parties=party), template=False).all} == {"T08"}
    text = founding().decode().replace("keys:\n", "keys:\n  \u0430uth-1: {}\n", 1)
    error = refused(text, template=False)
    [found] = [each for each in error.all if each.rule == "T17"]
    assert found.got.split()[0] == place(text, "\u0430uth-1: {}")


@pytest.mark.parametrize("country", ["D1", "1D", "de", "\u0410A", "\uff24\uff25", "DEU", "D", "D\u200d"])
def test_a_country_is_two_latin_capitals(country):
    """Look-alikes of a country would count as one more of them for entry into force."""
    text = TEMPLATE.replace("country: DE", f'country: "{country}"')
    assert refused(text).got.split()[0] == place(text, f'"{country}"')
