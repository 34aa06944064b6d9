"""What differs between two versions of a file, and what that touches."""

import pytest

from detente.measure.changes import python_units as python_units_module
from detente.measure.changes.document_keys import YAML_BYTES_MAX, changed_keys, document_keys
from detente.measure.changes.filing import FileChange, FileVerdict, RememberingReader, judge_file
from detente.measure.changes.python_units import (
    BRACKETS_MAX,
    SOURCE_BYTES_MAX,
    PythonFile,
    Unreadable,
    changed_units,
    python_units,
)

MODEL = b'''"""A model."""
import torch

DEPTH = 8
RATE = -0.5


@torch.compile
def forward(x):
    """Say nothing."""
    return x + 1  # plus one


class GPT(torch.nn.Module):
    width: int = 4

    def init_weights(self):
        return 0

    def setup_optimizer(self):
        return 1
'''


def _changes(before: bytes, after: bytes) -> list[tuple[str, str, str, str | None]]:
    found = changed_units(python_units(before), python_units(after))
    return [(change.name, change.kind, change.how, change.values) for change in found]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"DEPTH = 8", b"DEPTH = 10", ("DEPTH", "constant", "changed", "8\u219210")),
        (b"RATE = -0.5", b"RATE = 1e-3", ("RATE", "constant", "changed", "-0.5\u21920.001")),
        (b"x + 1", b"x + 2", ("forward", "function", "changed", None)),
        (b"@torch.compile", b"@torch.jit", ("forward", "function", "changed", None)),
        (b"def forward(x)", b"def forward(x, y)", ("forward", "function", "changed", None)),
        (b"return 0", b"return 2", ("GPT.init_weights", "method", "changed", None)),
        (b"width: int = 4", b"width: int = 5", ("GPT.width", "attribute", "changed", "4\u21925")),
        (b"GPT(torch.nn.Module)", b"GPT(torch.nn.Block)", ("GPT", "class", "changed", None)),
        (b"import torch\n", b"import torch, math\n", ("<imports>", "imports", "changed", None)),
    ],
)
def test_a_change_is_localised_to_its_unit(old: bytes, new: bytes, expected: tuple):
    """One edit, one unit: constant, body, decorator, signature, method, attribute, bases or imports."""
    assert old in MODEL
    assert _changes(MODEL, MODEL.replace(old, new)) == [expected]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"  # plus one", b"  # one more"),
        (b"return x + 1", b"return (x\n            + 1)"),
        (b'"""Say nothing."""', b'"""Say something."""'),
        (b'"""A model."""', b""),
        (b"\n", b"\r\n"),
        (b"DEPTH = 8\nRATE = -0.5", b"RATE = -0.5\nDEPTH = 8"),
    ],
)
def test_layout_comments_and_docstrings_are_no_change(old: bytes, new: bytes):
    """What no interpreter sees counts for nothing."""
    assert _changes(MODEL, MODEL.replace(old, new)) == []


def test_a_unit_that_is_renamed_is_one_removed_and_one_added():
    """Nothing is guessed about what became what."""
    assert _changes(b"A = 1\n", b"B = 1\n") == [("B", "constant", "added", None), ("A", "constant", "removed", None)]


def test_code_below_if_and_try_is_taken_apart_too():
    """Imports and functions stand below a guard in real files."""
    before = (
        b"try:\n    import torch\nexcept ImportError:\n    torch = None\nif True:\n    def f():\n        return 1\n"
    )
    assert python_units(before).machine_learning
    assert _changes(before, before.replace(b"return 1", b"return 2")) == [("f", "function", "changed", None)]


def test_text_of_a_file_is_never_quoted():
    """A constant may be a secret: only numbers are shown."""
    assert _changes(b"TOKEN = 'a'\n", b"TOKEN = 'b'\n") == [("TOKEN", "constant", "changed", None)]


HOSTILE = {
    "brackets": b"(" * (BRACKETS_MAX + 1),
    "a row of signs": b"x = " + b"-" * 10_000 + b"1",
    "a chain of calls": b"f" + b"()" * 50_000,
    "a sum": b"x = " + b"1+" * 100_000 + b"1",
    "elif": b"if 1:\n pass\n" + b"elif 1:\n pass\n" * 20_000,
    "indentation": b"".join(b" " * i + b"if 1:\n" for i in range(300)),
    "NUL": b"x = 1\0",
    "Latin-1": b"x = '\xe9'",
    "no syntax": b"def (",
    "a huge number": b"x = " + b"9" * 100_000,
    "too large": b"x = 1\n" * (SOURCE_BYTES_MAX // 6 + 1),
    "too many units": b"".join(b"a%d=1\n" % i for i in range(30_000)),
    "Python 2": b"print 'x'\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_unreadable_for_a_reason(text: bytes):
    """No text makes the reader crash, recurse or run long; what is not taken apart says why."""
    with pytest.raises(Unreadable) as why:
        python_units(text)
    assert str(why.value)


def test_separators_in_comments_and_strings_are_not_nesting():
    """A comment of eighty dashes is no row of operators, brackets in a string are no brackets."""
    text = b"# " + b"-" * 80 + b"\nX = '" + b"(" * 100 + b"'\n"
    assert "X" in python_units(text).units


DOCUMENTS = [
    ("a.yaml", b"optim:\n  lr: 0.1\n", b"optim:\n  lr: 0.2\n", [("optim.lr", "changed", "0.1\u21920.2")]),
    ("a.yaml", b"a: 1 # x\n", b"# y\na:   1\n", []),
    ("a.yaml", b"x: !!python/object/apply:os.system [ls]\n", b"x: !!python/name:os []\n", [("x[]", "removed", None)]),
    (
        "a.yaml",
        b"mix: [{name: a, weight: 1}]\n",
        b"mix: [{name: a, weight: 2}]\n",
        [("mix[].weight", "changed", "1\u21922")],
    ),
    (
        "a.toml",
        b"[model]\ndepth = 2\n",
        b"[model]\ndepth = 3\nwidth = 1\n",
        [("model.depth", "changed", "2\u21923"), ("model.width", "added", None)],
    ),
    ("config.json", b'{"hidden_size": 8}', b'{"hidden_size": 9}', [("hidden_size", "changed", "8\u21929")]),
    ("config.json", b'{"a": 1, "a": 2}', b'{"a": 1}', [("a", "changed", None)]),
    (
        "run.sh",
        b"python t.py --lr 1e-5 \\\n  --x\n",
        b"python t.py --lr 2e-5 \\\n --x\n",
        [("lr", "changed", "1e-5\u21922e-5")],
    ),
    ("run.sh", b"export SEED=1\n", b"export SEED=2\n", [("SEED", "changed", "1\u21922")]),
]


@pytest.mark.parametrize(("path", "before", "after", "expected"), DOCUMENTS)
def test_keys_of_a_document_are_compared(path: str, before: bytes, after: bytes, expected: list):
    """YAML, TOML, JSON and shell options by key; nothing is built, a name given twice is kept twice."""
    found = changed_keys(document_keys(path, before), document_keys(path, after))
    assert [(change.name, change.how, change.values) for change in found] == expected


BOMBS = [
    (
        "a.yaml",
        b"b0: &b0 [1,2,3]\n"
        + b"".join(b"b%d: &b%d [*b%d,*b%d,*b%d]\n" % (i, i, i - 1, i - 1, i - 1) for i in range(1, 20)),
    ),
    ("a.yaml", b"[" * 10_000),
    ("a.yaml", b"- " * 5_000),
    ("a.yaml", b"&a [*a]"),
    ("a.yaml", b"a: b: c"),
    ("a.yaml", b"a: 1\n" * (YAML_BYTES_MAX // 5 + 1)),
    ("a.yaml", b"\xff"),
    ("a.json", b"[" * 100_000),
    ("a.json", b"{"),
    ("a.toml", b".".join([b"a"] * 20_000) + b"=1"),
    ("a.toml", b"a=" + b"[" * 3_000),
    ("a.sh", b"--a\n" * 100_000),
    ("a.txt", b"x"),
]


@pytest.mark.parametrize(("path", "text"), BOMBS)
def test_a_hostile_document_is_unreadable(path: str, text: bytes):
    """Expanding aliases, cycles, depth and size end in a reason."""
    with pytest.raises(Unreadable):
        document_keys(path, text)


def _areas(path: str, before: bytes | None, after: bytes | None, **options) -> FileVerdict:
    return judge_file(FileChange(path, before, after), **options)


def test_a_name_decides_more_finely_than_a_path():
    """train.py is training; its constants are what their names say."""
    verdict = _areas("train.py", MODEL, MODEL.replace(b"DEPTH = 8", b"DEPTH = 9").replace(b"return 1", b"return 9"))
    assert verdict.areas == ("architecture", "optimisation")
    assert verdict.labels == ("model structure", "parameter tuning")
    assert verdict.basis == "python"


def test_everything_in_an_evaluator_is_evaluation():
    """A model that an evaluator builds is part of the evaluator."""
    assert _areas("eval/run.py", b"def load_model(): return 1", b"def load_model(): return 2").areas == ("evaluation",)
    assert _areas("prepare.py", b"X = 1", b"X = 2", evaluators=("prepare.py",)).declared


def test_layout_alone_touches_nothing():
    """A reformatted training file is no training change."""
    verdict = _areas("train.py", b"X=1\n", b"X = 1  # one\n")
    assert (verdict.areas, verdict.undetermined) == ((), False)


def test_an_unknown_place_counts_only_with_a_framework():
    """``depth`` of a tree in a web server is not architecture; in a file that imports torch it is."""
    plain = _areas("server/tree.py", b"DEPTH = 1", b"DEPTH = 2")
    learned = _areas("server/tree.py", b"import torch\nDEPTH = 1", b"import torch\nDEPTH = 2")
    assert (plain.areas, plain.undetermined) == ((), False)
    assert (learned.areas, learned.undetermined) == (("architecture",), False)


def test_what_no_rule_names_in_machine_learning_code_is_undetermined():
    """It may touch training: that is neither yes nor no."""
    verdict = _areas("lib/odd.py", b"import torch\ndef run(): return 1", b"import torch\ndef run(): return 2")
    assert (verdict.areas, verdict.undetermined) == ((), True)


def test_a_text_that_names_no_framework_is_not_taken_apart():
    """It cannot import one, whether or not it parses; a name in letters that Python folds into ASCII is still found."""

    def refuse(_: bytes) -> PythonFile:
        raise AssertionError("it was read")

    for text in (b"import os\n", b"def (\n", b"\0"):
        assert judge_file(FileChange("lib/odd.py", b"x = 1", text), reader=refuse) == FileVerdict("lib/odd.py", "none")
    folded = "import \uff54orch\ndef run(): return 2".encode()
    assert _areas("lib/odd.py", b"def run(): return 1", folded).undetermined
    assert judge_file(FileChange("train.py", b"x = 1", b"def (\n")).unread
    broken = judge_file(FileChange("lib/odd.py", b"import torch", b"import torch\ndef ("))
    assert (broken.undetermined, broken.unread) == (True, "not the syntax of this Python")


@pytest.mark.parametrize("absent", ["absent from this clone", "larger than the bound for a text"])
def test_a_text_that_is_not_there_is_judged_by_its_path(absent: str):
    """In a known place by the place; Python elsewhere is undetermined, never untouched."""
    known = judge_file(FileChange("train.py", None, None, absent))
    elsewhere = judge_file(FileChange("lib/odd.py", None, None, absent))
    assert (known.areas, known.unread, known.basis) == (("training",), absent, "path")
    assert (elsewhere.areas, elsewhere.undetermined) == ((), True)


def test_an_unreadable_text_is_judged_by_its_path_and_says_so():
    """A training file that no longer parses is still a training file."""
    verdict = _areas("train.py", b"X = 1", b"X = (")
    assert (verdict.areas, verdict.unread) == (("training",), "not the syntax of this Python")


def test_keys_in_no_known_place_are_undetermined():
    """``lr`` in a file of settings nobody knows may be a learning rate."""
    verdict = _areas("app/settings.yaml", b"lr: 1", b"lr: 2")
    assert (verdict.areas, verdict.undetermined) == ((), True)
    assert not _areas("app/settings.yaml", b"colour: 1", b"colour: 2").undetermined


def test_a_remembering_reader_parses_each_version_once(monkeypatch: pytest.MonkeyPatch):
    """What one commit leaves is what the next one changes; the memory is bounded."""
    parsed: list[bytes] = []

    def counting(text: bytes) -> PythonFile:
        parsed.append(text)
        return python_units_module.python_units(text)

    monkeypatch.setattr("detente.measure.changes.filing.python_units", counting)
    monkeypatch.setattr("detente.measure.changes.filing.REMEMBERED_BYTES", 12)
    reader = RememberingReader()
    for text in (b"A = 1\n", b"A = 2\n", b"A = 1\n", b"A = 3\n", b"A = 2\n"):
        reader(text)
    assert parsed == [b"A = 1\n", b"A = 2\n", b"A = 3\n", b"A = 2\n"]
