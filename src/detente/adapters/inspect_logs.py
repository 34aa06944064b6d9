"""Runs out of an evaluation log of Inspect (``.eval`` or ``.json``), read by ``inspect_ai`` itself.

Decides which member of a log is which member of a run. Leaves out whether the run counts (``measure.horizon.runs``).
``inspect_ai`` is brought by whoever has its logs, and imported when one is read.

| Run | Log |
| --- | --- |
| ``run_id`` | the sample's ``uuid``, else evaluation, sample and epoch |
| ``alias`` | ``eval.model`` |
| ``task_id`` | ``eval.task`` / the sample's id |
| ``task_family`` | the sample's metadata ``task_family``, else ``eval.task`` |
| ``human_minutes`` | the sample's metadata ``human_minutes`` |
| ``score`` | the named scorer's value: C, I, P and N, yes and no, true and false, or a number |

A sample without a score, and one that Inspect marks as unscored (NaN), has none: it is not a failure.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from detente.adapters.run_files import file_digest, read_file
from detente.base.errors import Misuse, Refused, Unavailable, shown

UNPACKED_MAX: Final = 4 * 2**30
"""What the members of a log may grow to; the summaries that are read are a small part of it."""
SUMMARIES_MAX: Final = 512 * 2**20
_WORDS: Final = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


def read_inspect(path: Path, data: bytes, *, scorer: str | None = None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(place, record) of each sample. Raises ``Refused`` H01, H02; ``Misuse`` without ``inspect_ai`` or a clear scorer.

    ``data`` is what was read of ``path`` before, and bounds what is unpacked.
    """
    _check_size(data, path.name)
    try:
        from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries
    except ImportError:
        raise Misuse(f"{path.name} is an Inspect log; to read it: pip install inspect_ai") from None
    try:
        head = read_eval_log(str(path), header_only=True).eval
        samples = read_eval_log_sample_summaries(str(path))
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error}") from None
    except Exception as error:  # noqa: BLE001  # the reader's own errors have no common class
        got = f"{path.name}: {shown(str(error))}"
        raise Refused("H02", "malformed", got=got, expected="a log that inspect_ai reads") from None
    if file_digest(read_file(path)) != file_digest(data):
        raise Unavailable(f"{path.name} changed while it was read: is the evaluation still running?")
    for sample in samples:
        place = f"{path.name}: sample {shown(sample.id, 40)} epoch {sample.epoch}"
        metadata = sample.metadata or {}
        yield (
            place,
            {
                "run_id": sample.uuid or f"{head.eval_id}/{sample.id}/{sample.epoch}",
                "alias": head.model,
                "task_id": f"{head.task}/{sample.id}",
                "task_family": metadata.get("task_family") or head.task,
                "human_minutes": metadata.get("human_minutes"),
                "score": _score(sample.scores or {}, scorer, place),
            },
        )


def _score(scores: Mapping[str, Any], scorer: str | None, place: str) -> Any:
    if not scores:
        return None
    name = scorer or (next(iter(scores)) if len(scores) == 1 else None)
    if name is None or name not in scores:
        raise Misuse(f"{place} has scores of {', '.join(scores)}; say whose counts: --scorer NAME")
    value = scores[name].value
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, str):
        return _WORDS.get(value, _WORDS.get(value.lower(), value))
    return value


def _check_size(data: bytes, name: str) -> None:
    if not data.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as log:
            members = log.infolist()
    except (zipfile.BadZipFile, ValueError) as error:
        raise Refused("H02", "malformed", got=f"{name}: {error}", expected="a zip archive") from None
    total = sum(member.file_size for member in members)
    summaries = sum(member.file_size for member in members if "summaries" in member.filename)
    if total > UNPACKED_MAX or summaries > SUMMARIES_MAX:
        got = f"{name}: {total} bytes unpacked, {summaries} of summaries"
        raise Refused("H01", "oversized", got=got, expected=f"at most {UNPACKED_MAX} and {SUMMARIES_MAX}")
