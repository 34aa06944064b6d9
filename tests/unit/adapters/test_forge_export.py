"""Exports of pull requests: whole or not at all, within bounds, each refusal by its number."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detente.adapters import forge_export
from detente.adapters.forge_export import read_export
from detente.base.errors import Refused, Unavailable
from detente.measure.oversight.bundle import SCHEMA
from detente.measure.oversight.pulls import Pull
from tests.forge_shapes import pull, pushed, record, review
from tests.repo.tree import ROOT

OWN = {"schema": SCHEMA, "pulls": [{"number": 7, "created_at": "2026-03-01T12:00:00Z"}]}


def _lay(root: Path, *records: dict[str, Any]) -> Path:
    """A folder as the guide's loop writes it."""
    for one in records:
        number = one["pull"]["number"]
        folder = root / "pulls" / str(number)
        folder.mkdir(parents=True)
        (root / "pulls" / f"{number}.json").write_text(json.dumps(one["pull"]))
        for name in ("reviews", "commits", "comments"):
            if name in one:
                (folder / f"{name}.json").write_text(json.dumps(one[name]))
    return root


def _lines(root: Path) -> Path:
    path = root / "pulls.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in (record(7), record(8))))
    return path


def _one(root: Path) -> Path:
    path = root / "pulls.json"
    path.write_text(json.dumps([record(7), record(8)], indent=1))
    return path


def _zip(root: Path) -> Path:
    with zipfile.ZipFile(root / "pulls.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(_lay(root / "laid", record(7), record(8)).rglob("*.json")):
            archive.write(path, path.relative_to(root).as_posix())
    return root / "pulls.zip"


@pytest.mark.parametrize("lay", [lambda root: _lay(root, record(7), record(8)), _lines, _one, _zip])
def test_every_layout_gives_the_same_pull_requests(tmp_path: Path, lay: Callable[[Path], Path]):
    """A folder, JSON Lines, one JSON list and a zip file hold the same export."""
    read = read_export(lay(tmp_path))
    assert [one.number for one in read.export.pulls] == [7, 8]
    assert read.export.repository == "example/model"
    assert all(len(one.reviews or ()) == len(one.commits or ()) == 1 for one in read.export.pulls)


def test_pages_of_a_list_are_one_list(tmp_path: Path):
    """``gh api --paginate --slurp`` writes a list of pages."""
    one = record(7, reviews=[[review("bob")], [review("cyd")]], commits=[[pushed()]])
    (read,) = read_export(_lay(tmp_path, one)).export.pulls
    assert len(read.reviews or ()) == 2


def test_sizes_are_added_up_from_files_where_the_pull_request_has_none(tmp_path: Path):
    """``/files`` stands in for ``additions`` and ``deletions``."""
    one = record(7)
    del one["pull"]["additions"]
    root = _lay(tmp_path, one)
    (root / "pulls" / "7" / "files.json").write_text(
        json.dumps([{"additions": 3, "deletions": 4}, {"additions": 5, "deletions": 0}])
    )
    (read,) = read_export(root).export.pulls
    assert (read.added, read.deleted) == (8, 4)


def test_other_files_are_counted_and_not_read(tmp_path: Path):
    """A read-me beside the export, or a link out of it, is no part of it."""
    root = _lay(tmp_path / "export", record(7))
    (root / "README").write_text("{")
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps(pull(9)))
    (root / "pulls" / "9.json").symlink_to(outside)
    read = read_export(root)
    assert ([one.number for one in read.export.pulls], read.unread) == ([7], 1)


def _write(text: str | bytes) -> Callable[[Path], Path]:
    def lay(root: Path) -> Path:
        path = root / "export"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return lay


def _changed(**changed: Any) -> Callable[[Path], Path]:
    return lambda root: _lay(root, record(7, **changed))


def _own(**changed: Any) -> Callable[[Path], Path]:
    return _write(json.dumps({**OWN, "pulls": [{**OWN["pulls"][0], **changed}]}))


def _without_pull(root: Path) -> Path:
    _lay(root, record(7))
    (root / "pulls" / "7.json").unlink()
    return root


def _under_another_number(root: Path) -> Path:
    _lay(root, record(7))
    (root / "pulls" / "7.json").rename(root / "pulls" / "8.json")
    return root


def _broken_zip(root: Path) -> Path:
    path = _zip(root)
    data = bytearray(path.read_bytes())
    data[60:90] = b"\xff" * 30
    path.write_bytes(bytes(data))
    return path


def _twice_in_a_folder(root: Path) -> Path:
    _lay(root, record(7))
    (root / "pulls" / "7" / "pull.json").write_text(json.dumps(pull(7)))
    return root


BAD = [
    ("O02", _write("{")),
    ("O02", _write(b"\xff")),
    ("O02", _write("[" * 100_000)),
    ("O02", _write('"text"')),
    ("O02", _write('{"other": 1}')),
    ("O02", _write('[{"a": ' + "9" * 5_000 + "}]")),
    ("O02", _broken_zip),
    ("O03", _write("[3]")),
    ("O03", _changed(user={"login": 3})),
    ("O03", _changed(user="ada")),
    ("O03", _changed(created_at="yesterday")),
    ("O03", _changed(created_at="2026-02-30T00:00:00Z")),
    ("O03", _changed(merge_commit_sha="b" * 12)),
    ("O03", _changed(additions=-1)),
    ("O03", _changed(reviews=[review("bob", "LGTM")])),
    ("O03", _changed(reviews={"message": "Not Found"})),
    ("O03", _changed(commits=[{"sha": "b" * 40}])),
    ("O03", _own(reviews=[{"state": "APPROVED"}])),
    ("O04", _own(title="A change")),
    ("O04", _own(author={"id": "a", "kind": "user", "name": "Ada"})),
    ("O05", _write(json.dumps([record(7), record(7)]))),
    ("O05", _write(json.dumps({**OWN, "pulls": OWN["pulls"] * 2}))),
    ("O05", _under_another_number),
    ("O05", _twice_in_a_folder),
    ("O06", _without_pull),
    ("O07", _write(json.dumps([record(7), record(8, base={"repo": {"full_name": "example/other"}})]))),
    ("O08", lambda root: root),
    ("O08", _write(json.dumps({"schema": SCHEMA, "pulls": []}))),
    ("O09", _write('[{"pull": {"number": 7, "number": 8}}]')),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "lay"), BAD, ids=[f"{number}-{rule}" for number, (rule, _) in enumerate(BAD)])
def test_an_export_that_is_not_one_is_refused_whole(tmp_path: Path, rule: str, lay: Callable[[Path], Path]):
    """Nothing of it is used: the caller gets a refusal and no export."""
    path = lay(tmp_path)
    with pytest.raises(Refused) as refusal:
        read_export(path)
    assert refusal.value.rule == rule


@pytest.mark.parametrize(("bound", "value"), [("FILE_BYTES_MAX", 100), ("TOTAL_BYTES_MAX", 1_000), ("ENTRIES_MAX", 3)])
@pytest.mark.parametrize("lay", [lambda root: _lay(root, record(7), record(8)), _zip])
def test_an_export_over_a_bound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, lay: Callable[[Path], Path]
):
    """O01: one file, all of them, or their number; of a zip file what it holds, not what it says."""
    path = lay(tmp_path)
    monkeypatch.setattr(forge_export, bound, value)
    with pytest.raises(Refused) as refusal:
        read_export(path)
    assert refusal.value.rule == "O01"


def test_a_long_line_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """O01 holds for each line of JSON Lines."""
    path = _lines(tmp_path)
    monkeypatch.setattr(forge_export, "FILE_BYTES_MAX", 200)
    with pytest.raises(Refused) as refusal:
        read_export(path)
    assert refusal.value.rule == "O01"


def test_an_export_that_is_not_there_is_no_refusal(tmp_path: Path):
    """The world is wrong, not the evidence."""
    with pytest.raises(Unavailable):
        read_export(tmp_path / "nothing")


def test_a_broken_line_leaves_nothing_of_the_others(tmp_path: Path):
    """The second line is damaged, so the first does not count either."""
    path = _lines(tmp_path)
    path.write_text(path.read_text().replace('"bob"', "bob", 3))
    with pytest.raises(Refused) as refusal:
        read_export(path)
    assert refusal.value.rule == "O02"


def _properties(schema: Any) -> dict[str, set[str]]:
    return {name: set(part["properties"]) for name, part in schema["$defs"].items() if "properties" in part}


def test_the_published_schema_names_the_members_that_the_reader_takes():
    """A member of the schema is taken, one more is refused: read from the schema itself."""
    schema = json.loads((ROOT / "spec" / "forge-export.schema.json").read_text("utf-8"))
    samples: dict[str, Any] = {
        "account": {"id": "ada", "kind": "user"},
        "identity": {"name": "Ada", "email": "ada@example.org"},
        "comment": {"author": None},
        "review": {
            "reviewer": None,
            "state": "approved",
            "commit": "a" * 40,
            "submitted_at": None,
            "standing": "member",
        },
    }
    samples["commit"] = {
        "commit": "a" * 40, "author": samples["identity"], "committer": None, "account": samples["account"], "message": "x",
    }  # fmt: skip
    samples["pull"] = {
        "number": 7, "author": samples["account"], "created_at": "2026-03-01T12:00:00Z", "merged_at": None, "merged_by": None,
        "merge_commit": None, "head_commit": None, "branch": None, "added": None, "deleted": None,
        "assignees": [samples["account"]], "commits": [samples["commit"]], "reviews": [samples["review"]],
        "inline_comments": [samples["comment"]],
    }  # fmt: skip
    assert _properties(schema) == {name: set(sample) for name, sample in samples.items()}
    assert set(schema["properties"]) == {"schema", "repository", "complete", "pulls"}
    assert schema["properties"]["schema"]["const"] == SCHEMA
    (read,) = forge_export.parse_bundle([{"schema": SCHEMA, "pulls": [samples["pull"]]}]).pulls
    assert isinstance(read, Pull)
