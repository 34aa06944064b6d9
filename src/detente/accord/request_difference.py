"""What changed between two duties that are due on request, in words, and whether it tightens.

Decides how requests are told: who may ask, how soon it is due, how often. Leaves the rest of a duty to ``difference``.

>>> from detente.accord.terms import AtMost
>>> old, new = (OnRequest(("auditor",), within, AtMost(20, 86_400)) for within in (86_400, 3_600))
>>> list(_compared("inspection", old, new))
[('lowers the time for inspection from 1 d to 1 h', True)]
"""

from __future__ import annotations

from collections.abc import Iterator

from detente.accord.terms import AtMost, Duty, OnRequest
from detente.base.instant import show_duration


def compare_requests(key: str, old: Duty, new: Duty) -> Iterator[tuple[str, bool | None]]:
    """Each difference as a sentence, with whether it tightens (None: that cannot be told)."""
    if old.on_request is None or new.on_request is None:
        if old.due() != new.due():
            yield f"makes {key} due {new.due()}, instead of {old.due()}", None
    else:
        yield from _compared(key, old.on_request, new.on_request)


def _compared(key: str, old: OnRequest, new: OnRequest) -> Iterator[tuple[str, bool | None]]:
    before, after = set(old.by), set(new.by)
    if before != after:
        tighter = True if before < after else False if after < before else None
        yield f"changes who may ask for {key} from {', '.join(old.by)} to {', '.join(new.by)}", tighter
    if old.within_s != new.within_s:
        spelled = f"from {show_duration(old.within_s)} to {show_duration(new.within_s)}"
        sooner = new.within_s < old.within_s
        yield f"{'lowers' if sooner else 'raises'} the time for {key} {spelled}", sooner
    if old.most != new.most:
        yield from _often(key, old.most, new.most)


def _often(key: str, old: AtMost | None, new: AtMost | None) -> Iterator[tuple[str, bool | None]]:
    """More requests, or as many in less time, bind more."""
    if old is None or new is None:
        if new is not None:
            yield f"lets {key} be asked for at most {new.spelled()}", False
        elif old is not None:
            yield f"lets {key} be asked for without limit, which was at most {old.spelled()}", True
        return
    more, shorter = new.number - old.number, old.every_s - new.every_s
    tighter = None if more * shorter < 0 else more > 0 or shorter > 0
    yield f"changes how often {key} may be asked for from {old.spelled()} to {new.spelled()}", tighter
