"""A status as sentences with citations.

Decides in which order and words a status is told. Leaves what is so to ``status``. Normative text: ``spec/accord.md`` §9.

- What restricts comes first: pauses, slowdowns, consequences; then the phase, who is bound, halts, findings, releases by
  time, and what is without effect.
"""

from __future__ import annotations

from collections.abc import Iterator

from detente.accord.duties import told
from detente.accord.reason import Reason
from detente.accord.standing import Pause, Status
from detente.base.instant import show_instant
from detente.base.quantity import show_decimal

__all__ = ["Reason", "explain"]


def explain(status: Status) -> tuple[Reason, ...]:
    """Why it is so, in plain English, most restrictive first; each reason cites its entries."""
    return tuple(_told(status))


def _told(status: Status) -> Iterator[Reason]:
    for pause in (*status.pauses, *status.slowdowns, *status.measures):
        yield from _pause(pause)
    for sanction in status.sanctions:
        who = sanction.by or "everybody"
        yield Reason(f"{who}: {sanction.act} against {sanction.against}; {sanction.why.text}", sanction.why.cites,
                     sanction.why.places)  # fmt: skip
    label = " (self-witnessed: nobody else vouches for when anything happened)" if status.self_witnessed else ""
    yield Reason(f"{status.name}, terms version {status.terms_version}: {status.why_phase.text}{label}",
                 status.why_phase.cites, status.why_phase.places)  # fmt: skip
    if status.renewal is not None and status.expires is not None:
        lacks = status.renewal.missing or "nothing"
        until = show_instant(status.renewal.until)
        yield Reason(
            f"it expires at {show_instant(status.expires)}; to renew it until {until} before that, it lacks {lacks}"
        )
    for binding in status.bindings:
        yield binding.why
    for halt in status.halts:
        by = "" if halt.halt_by is None else f", due by {show_instant(halt.halt_by)}"
        yield Reason(f"run {halt.name} of {halt.party}: {halt.state}{by}", halt.cited)
    for finding in status.findings:
        text = f"finding by {finding.by} about {finding.about}, {finding.claim!r}: {finding.state}"
        yield Reason(text + (", challenged" if finding.challenged else ""), finding.cited)
    for duty in status.duties:
        if duty.state in {"open", "overdue"}:
            yield Reason(told(duty), duty.cited)
    for rule in status.schedule:
        if rule.state == "coming":
            begins = "" if rule.begins_at is None else f", at {show_instant(rule.begins_at)}"
            yield Reason(f"{rule.rule} does not apply yet: {rule.span}{begins}")
        elif rule.state == "applies" and rule.ends_at is not None:
            yield Reason(f"{rule.rule} applies until {show_instant(rule.ends_at)}, and then ends by itself")
    for release in status.released_by_time:
        yield Reason(f"released by the passing of time at {show_instant(release.at)}: {release.text}", release.cited)
    for note in status.notes:
        cites = () if note.statement is None else (note.statement,)
        yield Reason(f"{note.rule}, without effect: {note.text}", cites, () if note.place is None else (note.place,))


def _pause(pause: Pause) -> Iterator[Reason]:
    what = {
        "pause": f"pause of {', '.join(pause.activities)}",
        "slowdown": f"slowdown to {show_decimal(pause.rate * 100)} % of {', '.join(pause.activities)}",
        "limits": "limits in effect",
    }[pause.effect]
    whom = "all" if pause.scope == "all" else pause.scope
    since = show_instant(pause.since) + ("" if pause.witnessed else ", heard and not yet witnessed")
    head = f"{what} for {whom}, round {pause.round}, since {since}"
    for why in pause.why:
        yield Reason(f"{head}: {why.text}", why.cites, why.places)
    if pause.released:
        yield Reason(f"released until others have halted: {', '.join(pause.released)}", pause.cited)
    if pause.freed:
        yield Reason(f"released since another's breach is not cured: {', '.join(pause.freed)}", pause.cited)
    if pause.lift.missing:
        yield Reason(f"to lift {pause.trigger} round {pause.round}: {pause.lift.missing}")
    elif pause.lift.effective_at is not None:
        yield Reason(f"{pause.trigger} round {pause.round} is lifted at {show_instant(pause.lift.effective_at)}")
    if pause.confirm is not None and pause.confirm.confirmed_at is None and pause.lapses_at is not None:
        lapses = show_instant(pause.lapses_at)
        yield Reason(
            f"{pause.trigger} round {pause.round} lapses at {lapses} unless confirmed: {pause.confirm.missing}"
        )
    elif pause.lapses_at is not None:
        yield Reason(f"{pause.trigger} round {pause.round} lapses at {show_instant(pause.lapses_at)} unless renewed")
