"""ShinkaEvolve: a SQLite database of programs.

Decides which programs there were and what came from what. Source: ``shinka/database/dbase.py`` and ``islands.py`` of
SakanaAI/ShinkaEvolve; columns of newer releases may be absent.

1. Rows may all lie in the write-ahead log beside an empty file: whoever reads the database copies both first.
2. A copy on another island (``_is_island_copy`` in its metadata, or a second program without parent, of the same
   generation and text as the first) is no version; its children are those of what it copies.
3. ``best_program_id`` may be null or the word None: then nothing is called best.
4. Any generation that a row has counts, also one past ``last_iteration``, which is written late.
5. A folder of attempts (``gen_<n>/attempts/…/metadata.json``) says how many there were, not what came from what.
6. A program that is not ``correct`` has a score all the same; the loop ranks correct ones only, and so do we.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.measure.indicator import Remark
from detente.measure.loops.foreign_json import member, parse_foreign
from detente.measure.loops.record import Loop, LoopVersion, Tally, at_second
from detente.measure.loops.source import Source, Tables

KIND: Final = "shinka"
_ATTEMPTS: Final = ("*gen_*/attempts/*/metadata.json",)
_NEEDED: Final = frozenset({"id", "parent_id", "generation", "combined_score"})


def recognise(source: Source) -> bool:
    """A database with a table of programs that have parents, or a folder of attempts."""
    return bool(source.matching(*_ATTEMPTS)) or any(map(_is_ours, source.databases.values()))


def _is_ours(tables: Tables) -> bool:
    return set(tables.columns.get("programs", ())) >= _NEEDED


def import_loop(source: Source) -> Loop:
    """The loop that a database records; raises ``Refused`` I04, I05."""
    named = {name: tables for name, tables in source.databases.items() if "programs" in tables.columns}
    # Programs of another kind are passed over beside a database of this one, or attempts.
    found = {name: tables for name, tables in named.items() if _is_ours(tables)}
    attempts = [_attempt(source, name) for name in source.matching(*_ATTEMPTS)]
    if not found and attempts:
        return _attempts_only(source, attempts)
    found = found or named
    if not found:
        raise Refused("I05", "not-found", got="no table programs", expected="a database of ShinkaEvolve")
    if len(found) > 1:
        raise Refused(
            "I05",
            "not-found",
            got=f"{len(found)} databases ({', '.join(sorted(found))})",
            expected="the database of one run",
            todo="name one of them instead of the folder",
        )
    [(name, tables)] = found.items()
    if missing := sorted(_NEEDED - set(tables.columns["programs"])):
        raise Refused(
            "I04",
            "wrong-type",
            got=f"{name}: programs without {', '.join(missing)}",
            expected="the columns of ShinkaEvolve",
            todo="nothing of this run was read",
        )
    tally = Tally()
    rows = _rows(tables, name, tally)
    copies = _copies(rows, tally)
    kept = {str(key): value for key, value in _metadata(tables)}
    best = kept.get("best_program_id")
    best = None if best in {None, "None", ""} or best not in rows else copies.get(str(best), str(best))
    versions = tuple(_versions(rows, copies, tally))
    remarks = []
    if best is None:
        remarks.append(Remark("no-best", "note", "the loop calls no program best"))
    wrong = sum(not row.get("correct") for row in rows.values())
    if wrong:
        remarks.append(
            Remark("incorrect", "note", f"{wrong} of {len(rows)} programs are not correct by the loop's evaluator")
        )
    return Loop(
        kind=KIND,
        name=source.name,
        versions=versions,
        direction="higher",
        score_name="combined_score",
        evidence="recorded",
        rules=("every program after the first is a model's answer",),
        best=best,
        attempts=max(len(attempts), len(versions)),
        remarks=tuple(remarks),
        exclusions=tally.exclusions(),
        inputs=source.inputs,
    )


def _rows(tables: Tables, name: str, tally: Tally) -> dict[str, Mapping[str, Any]]:
    rows: dict[str, Mapping[str, Any]] = {}
    for row in tables.rows("programs"):
        version, parent, generation = row["id"], row["parent_id"], row["generation"]
        if not isinstance(version, str) or not isinstance(parent, str | None) or not isinstance(generation, int):
            raise Refused(
                "I04",
                "wrong-type",
                got=f"{name}: a program with id {version!r:.40}, parent {parent!r:.40}, generation {generation!r:.20}",
                expected="texts and a whole number",
                todo="nothing of this run was read",
            )
        if version in rows:
            tally.leave_out("repeated ids", "the last row counts", version)
        rows[version] = row
    return rows


def _metadata(tables: Tables) -> Iterator[tuple[Any, Any]]:
    if "metadata_store" in tables.columns:
        for row in tables.rows("metadata_store"):
            yield row.get("key"), row.get("value")


def _marked(row: Mapping[str, Any]) -> bool:
    text = row.get("metadata")
    if not isinstance(text, str) or "_is_island_copy" not in text:
        return False
    marks = parse_foreign(text.encode(), "metadata of a program")
    return isinstance(marks, Mapping) and marks.get("_is_island_copy") is True


def _island(row: Mapping[str, Any]) -> int:
    island = row.get("island_idx")
    return island if isinstance(island, int) else 0


def _copies(rows: Mapping[str, Mapping[str, Any]], tally: Tally) -> dict[str, str]:
    """Copy → what it copies: the first program without parent, of the same generation and text, that is no copy."""
    copies: dict[str, str] = {}
    first: dict[tuple[Any, str], str] = {}
    ordered = sorted(rows.items(), key=lambda item: (_marked(item[1]), _island(item[1]), item[0]))
    for version, row in ordered:
        if row["parent_id"] is not None:
            continue
        code = row.get("code")
        text = sha256_hex(code.encode()) if isinstance(code, str) else version
        original = first.setdefault((row["generation"], text), version)
        if original != version:
            copies[version] = original
            tally.leave_out("island copies", "the same program on another island is no version", version)
    return copies


def _versions(rows: Mapping[str, Mapping[str, Any]], copies: Mapping[str, str], tally: Tally) -> Iterator[LoopVersion]:
    for version, row in sorted(rows.items(), key=lambda item: (item[1]["generation"], item[0])):
        if version in copies:
            continue
        parent = row["parent_id"]
        yield LoopVersion(
            id=version,
            parents=() if parent is None else (copies.get(parent, parent),),
            proposer="undeclared" if parent is None else "model",
            score=tally.score(row["combined_score"], version),
            generation=row["generation"],
            status="correct" if row.get("correct") else "incorrect",
            ranked=bool(row.get("correct", True)),
            time=at_second(row.get("timestamp")),
            changed_lines=_diff_lines(row.get("code_diff")),
        )


def _diff_lines(text: Any) -> int | None:
    """Lines added and deleted by a unified diff; None where there is none."""
    if not isinstance(text, str) or "@@" not in text:
        return None
    return sum(line[:1] in {"+", "-"} and line[:3] not in {"+++", "---"} for line in text.splitlines())


def _attempt(source: Source, name: str) -> bool:
    """Did an attempt succeed? Each is one file; none says what it started from."""
    record = parse_foreign(source.files.read(name), name)
    member(record, "generation", int, name)
    return member(record, "success", bool, name) is True


def _attempts_only(source: Source, attempts: list[bool]) -> Loop:
    text = f"{len(attempts)} attempts, {sum(attempts)} of them successful, and no database: nothing says what came from what"
    return Loop(
        kind=KIND,
        name=source.name,
        versions=(),
        direction="higher",
        score_name="combined_score",
        evidence="recorded",
        attempts=len(attempts),
        remarks=(Remark("no-database", "warning", text),),
        inputs=source.inputs,
    )
