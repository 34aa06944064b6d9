"""Reading the YAML file of terms: every member typed, every error with its line and column, all errors at once.

Decides what is well-formed terms. Leaves soundness across sections to ``soundness`` and the tree to ``document``.
Normative text: ``spec/terms.md`` §2 (T06 to T10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, get_args

from detente.accord.authenticators import Authenticators, read_authenticators
from detente.accord.conditions import AccededCount
from detente.accord.confidentiality import read_confidential
from detente.accord.document import Node, read_document
from detente.accord.fields import (
    Fields,
    TermsRefused,
    compute_rate,
    identifier,
    listed,
    name,
    one_of,
    positive,
    share,
    text,
    unit,
    whole,
)
from detente.accord.hold_reading import read_hold
from detente.accord.key_reading import KeyReader, KeySection
from detente.accord.screening import read_screening
from detente.accord.soundness import check_soundness
from detente.accord.sources import Sources, read_sources
from detente.accord.span_reading import read_day, read_duration, read_moment, read_span
from detente.accord.terms import (
    Activity,
    Adjudication,
    AtMost,
    CertificationNeed,
    Checkpoint,
    ClosedCosignature,
    ClosedLog,
    Consequence,
    Duty,
    EntryIntoForce,
    Indicator,
    Lapse,
    LiftTerms,
    Limit,
    MirrorTerms,
    Need,
    OnRequest,
    PartyKeys,
    PartyTerms,
    PauseTerms,
    PermitTerms,
    Reciprocity,
    RenewalTerms,
    Role,
    RoleQuorum,
    Terms,
    Trigger,
)
from detente.accord.tree_reading import Context, read_condition
from detente.base.digest import Digest, parse_digest, sha256_hex
from detente.base.errors import Refused, shown
from detente.base.identity import Party, parse_party

__all__ = ["TermsRefused", "read_terms", "read_tree"]

ROLES: tuple[str, ...] = get_args(Role)
ACTIVITIES: tuple[str, ...] = get_args(Activity)
DAY_S = 86_400


@lru_cache(maxsize=64)
def read_terms(data: bytes, *, template: bool = False) -> Terms:
    """Terms from the exact bytes of their file; ``template`` lets the ``keys`` section be absent.

    1. It is a readable document: T01 to T05.
    2. Every member is there, known and of its type: T06 to T10, T14, T15.
    3. Keys are proven and distinct: T16 to T19.
    4. The sections agree with one another: T11 to T13, T20 to T30.
    """
    try:
        root = read_document(data)  # 1
    except Refused as refused:
        raise TermsRefused.of([refused]) from None
    return read_tree(root, sha256_hex(data), template=template)


def read_tree(root: Node, digest: Digest, *, template: bool) -> Terms:
    """Steps 2 to 4 of ``read_terms``: terms from the tree of their file, whose digest is given."""
    reader = _Reader(root, template=template)
    terms = reader.read(digest)  # 2, 3
    if terms is not None:
        reader.errors += check_soundness(terms, root, template=template)  # 4
    if reader.errors or terms is None:
        raise TermsRefused.of(reader.errors)
    return terms


def _party(node: Node) -> Party:
    return parse_party(text(node))


def _country(node: Node) -> str:
    value = text(node)
    if not (len(value) == 2 and value.isascii() and value.isalpha() and value.isupper()):
        raise Refused(
            "T08", "malformed", got=f"{node.where} {shown(value)}", expected="two capital letters, ISO 3166-1"
        )
    return value


def _activity_map(node: Node) -> dict[str, Any]:
    errors: list[Refused] = []
    fields = Fields(node, errors)
    result = {a: fields.take(a, one_of("free", "refuse"), "free") for a in ACTIVITIES}
    fields.take("marked", one_of("lapsed"), None)
    fields.done()
    return dict(_unless(errors, result))


def _unless(errors: list[Refused], value: Any) -> Any:
    if errors:
        raise errors[0]
    return value


def _quorum(node: Node) -> RoleQuorum:
    groups: dict[str, int] = {}
    errors: list[Refused] = []
    Fields(node, errors)
    for role, count in node.entries.items():
        if role not in ROLES and role != "any":
            line, column = node.keys[role]
            raise Refused("T10", "unknown-role", got=f"{line}:{column} {shown(role)}", expected=", ".join(ROLES))
        groups[role] = positive(count)
    if not errors and not groups:
        raise Refused("T07", "wrong-type", got=f"{node.where} no role", expected="at least one role with a number")
    return _unless(errors, RoleQuorum(groups))  # type: ignore[no-any-return]


class _Reader:
    def __init__(self, root: Node, *, template: bool) -> None:
        self.errors: list[Refused] = []
        self.root = root
        self.template = template

    def many(self, build: Callable[[Fields], Any]) -> Callable[[Node], tuple[Any, ...]]:
        """A list of mappings; each item's errors are all recorded."""

        def read(node: Node) -> tuple[Any, ...]:
            return tuple(self.one(build)(item) for item in listed(lambda item: item)(node))

        return read

    def one(self, build: Callable[[Fields], Any]) -> Callable[[Node], Any]:
        def read(node: Node) -> Any:
            before = len(self.errors)
            fields = Fields(node, self.errors)
            if len(self.errors) > before:
                return None
            value = build(fields)
            fields.done()
            return value if len(self.errors) == before else None

        return read

    def read(self, digest: Digest) -> Terms | None:
        fields = Fields(self.root, self.errors)
        parties = fields.take("parties", self._parties) or {}
        values: dict[str, Any] = {
            "accord": fields.take("accord", name),
            "version": fields.take("version", lambda node: whole(node, 1)),
            "review_by": fields.take("review_by", read_day, None),
            "expires": fields.take("expires", read_day, None),
            "renewal": fields.take("renewal", self.one(_renewal), None),
            "parties": parties,
            "keys": self._keys(fields, parties),
            "mirrors": fields.take("mirrors", lambda node: self._mirrors(node, parties)),
            "entry_into_force": fields.take("entry_into_force", self.one(self._force), _at_once()),
            "limits": fields.take("limits", self.many(self._limit), ()),
            "hold_points": fields.take("hold_points", self.many(lambda f: read_hold(f, self.one)), ()),
            "checkpoints": fields.take("checkpoints", self.many(self._checkpoint), ()),
            "indicators": fields.take("indicators", self._indicators, {}),
            "duties": fields.take("duties", self.many(self._duty), ()),
            "triggers": fields.take("triggers", self.many(self._trigger), ()),
            "pause": fields.take("pause", self.one(self._pause)),
            "lift": fields.take("lift", self.one(self._lift)),
            "slowdown_rate": fields.take("slowdown", self.one(self._slowdown), Decimal(0)),
            "permits": fields.take("permits", self.one(self._permits)),
            "consequences": self._consequences(fields),
            "adjudication": fields.take("adjudication", self.one(self._adjudication), None),
            "reciprocity": fields.take("reciprocity", self.one(_reciprocity), None),
            "withdrawal_notice_s": fields.take("withdrawal", self.one(self._withdrawal), None),
            "amendment": fields.take("amendment", self.one(lambda f: f.take("votes", _quorum)), None),
            "screening": fields.take("screening", lambda node: read_screening(node, self.errors), None),
            "confidential": fields.take("confidential", lambda node: read_confidential(node, self.errors), {}),
            "authenticators": fields.take(
                "authenticators", lambda node: read_authenticators(node, self.errors), Authenticators()
            ),
            "sources": fields.take("sources", lambda node: read_sources(node, self.root, self.errors), Sources()),
        }
        fields.done()
        if self.errors:
            return None
        if values["mirrors"].self_witnessed and values["keys"]:
            # Whoever keeps a log witnesses it, and issues the permits.
            loggers = tuple(party for party, keys in values["keys"].items() if keys.log is not None)
            values["mirrors"] = replace(values["mirrors"], parties=loggers)
        if values["amendment"] is None:
            values["amendment"] = RoleQuorum({"any": len(parties)})
        if values["renewal"] is not None and values["renewal"].votes is None:
            values["renewal"] = replace(values["renewal"], votes=values["amendment"])
        return Terms(digest=digest, **values)

    def _parties(self, node: Node) -> dict[Party, PartyTerms]:
        parties: dict[Party, PartyTerms] = {}
        Fields(node, self.errors)
        for spelled, entry in node.entries.items():
            line, column = node.keys[spelled]
            try:
                party = parse_party(spelled)
            except Refused as refused:
                self.errors.append(
                    Refused("T08", "malformed", got=f"{line}:{column} {refused.got}", expected="a party name")
                )
                continue
            if party in {"all", "any"} or party in ROLES:
                self.errors.append(
                    Refused(
                        "T09",
                        "unknown-party",
                        got=f"{line}:{column} {party!r}",
                        expected="a name that is no role, all or any",
                    )
                )
            found = self.one(
                lambda f: PartyTerms(
                    f.take("country", _country), frozenset(f.take("roles", listed(_role, 1, 16)) or ())
                )
            )(entry)
            if found is not None:
                parties[party] = found
        return parties

    def _keys(self, fields: Fields, parties: dict[Party, PartyTerms]) -> dict[Party, PartyKeys]:
        reader = KeyReader(self.errors)
        default: Any = KeySection({}, {})
        if not self.template and "keys" not in fields.node.entries:
            section = fields.take("keys", lambda node: reader.read(node, parties))
        else:
            section = fields.take("keys", lambda node: reader.read(node, parties), default)
        return section.parties if section is not None else {}

    def _mirrors(self, node: Node, parties: dict[Party, PartyTerms]) -> MirrorTerms | None:
        if node.kind == "text":
            one_of("self")(node)
            return MirrorTerms(tuple(parties), 0, 1, 1, 0, self_witnessed=True)

        def build(f: Fields) -> MirrorTerms:
            listed_mirrors = f.take("parties", listed(_party, 1, 16), None)
            day = f.take(
                "day", self.one(lambda d: (d.take("entries", positive_large), d.take("bytes", positive_large))), None
            )
            return MirrorTerms(
                listed_mirrors or tuple(p for p, about in parties.items() if "mirror" in about.roles),
                may_fail=f.take("may_fail", lambda n: whole(n, 0, 15)),
                witness=f.take("witness", lambda n: whole(n, 1, 16)),
                issue=f.take("issue", lambda n: whole(n, 1, 16)),
                settle_s=f.take("settle", read_duration),
                day_entries=day[0] if day else 100_000,
                day_bytes=day[1] if day else 2**30,
                closes=f.take("closes", self.many(_closed_log), ()),
            )

        return self.one(build)(node)  # type: ignore[no-any-return]

    def _when(self, context: Context) -> Callable[[Node], Any]:
        return lambda node: read_condition(node, context)

    def _force(self, f: Fields) -> EntryIntoForce:
        return EntryIntoForce(
            f.take("when", self._when("force")),
            f.take("before", _activity_map, _free()),
            f.take("after_expiry", _activity_map, _free()),
        )

    def _limit(self, f: Fields) -> Limit | None:
        refuse = f.take("then", one_of("refuse"), None) is not None
        need = f.take("need", _need, None)
        limit = Limit(
            f.take("id", name),
            f.take("on", one_of("run.start"), "run.start"),
            f.take("when", self._when("limit")),
            refuse,
            need,
            f.take("unknown", _on_unknown, "holds"),
            read_span(f),
            f.take("while", name, None),
        )
        if refuse == (need is not None):
            self.errors.append(
                Refused("T07", "wrong-type", got=f"{f.node.where} both or neither", expected="`then: refuse` or `need`")
            )
        return limit

    def _checkpoint(self, f: Fields) -> Checkpoint:
        def need(n: Fields) -> CertificationNeed:
            return CertificationNeed(
                n.take("certifications", listed(name, 1, 64)),
                n.take("by", listed(name, 1, 64)),
                n.take("count", positive, 1),
            )

        on = f.take("on", one_of("run.start", "version.train", "version.deploy"))
        context: Context = "run_checkpoint" if on in {None, "run.start"} else "change_checkpoint"
        return Checkpoint(
            f.take("id", name),
            on,
            f.take("when", self._when(context)),
            f.take("need", self.one(need)),
            f.take("unknown", _on_unknown, "holds"),
            read_span(f),
        )

    def _indicators(self, node: Node) -> dict[str, Indicator]:
        Fields(node, self.errors)
        result: dict[str, Indicator] = {}
        for spelled, entry in node.entries.items():
            line, column = node.keys[spelled]
            try:
                identifier(spelled, f"{line}:{column}")
            except Refused as refused:
                self.errors.append(refused)

            def build(f: Fields, spelled: str = spelled) -> Indicator:
                suppliers = f.take("supplied_by", _one_or_more, ())
                default = "party" if suppliers == ("developer",) else "world"
                return Indicator(
                    spelled,
                    suppliers,
                    f.take("every", read_duration, None),
                    f.take("about", one_of("party", "world"), default),
                    f.take("unknown", _on_unknown, "holds"),
                    f.take("overdue", _on_unknown, "holds"),
                    f.take("unit", unit, ""),
                )

            found = self.one(build)(entry)
            if found is not None:
                result[spelled] = found
        return result

    def _duty(self, f: Fields) -> Duty:
        duty = Duty(
            f.take("id", name),
            f.take("of", _one_or_more),
            f.take("by", read_moment, None),
            f.take("register", _registered, None),
            f.take("found_by", _one_or_more, ()),
            f.take("every", read_duration, None),
            f.take("until", read_moment, None),
            f.take("on_request", self.one(self._on_request), None),
        )
        given = f.node.entries
        for one, other in (("register", "found_by"), ("by", "on_request")):
            if (one in given) == (other in given):
                self._amiss(f, "both or neither", f"`{one}` or `{other}`")
        if "on_request" in given and ("register" in given or "every" in given):
            self._amiss(f, "`on_request` with `register` or `every`", "`found_by`, each time that it is asked for")
        return duty

    def _amiss(self, f: Fields, got: str, expected: str) -> None:
        self.errors.append(Refused("T07", "wrong-type", got=f"{f.node.where} {got}", expected=expected))

    def _on_request(self, f: Fields) -> OnRequest:
        def at_most(f: Fields) -> AtMost:
            return AtMost(f.take("number", positive), f.take("every", read_duration))

        return OnRequest(
            f.take("by", _one_or_more), f.take("within", read_duration), f.take("most", self.one(at_most), None)
        )

    def _trigger(self, f: Fields) -> Trigger:
        return Trigger(
            f.take("id", name),
            f.take("when", self._when("trigger")),
            f.take("then", one_of("pause", "slowdown", "limits")),
            f.take("scope", one_of("party", "all")),
            f.take("unknown", _on_unknown, "holds"),
            f.take("alone_on_purpose", listed(_party), ()),
            f.take("veto_on_purpose", listed(_party), ()),
            read_span(f),
            f.take("lapses", self.one(_lapse), None),
        )

    def _pause(self, f: Fields) -> PauseTerms:
        activities = f.take("activities", listed(one_of(*ACTIVITIES), 1, 8))
        return PauseTerms(activities, f.take("halt_within", read_duration), f.take("longest", read_duration, None))

    def _lift(self, f: Fields) -> LiftTerms:
        when = f.take("when", self._when("lift"), None)
        return LiftTerms(
            f.take("votes", _quorum),
            when,
            f.take("veto_on_purpose", listed(_party), ()),
            f.take("alone_on_purpose", listed(_party), ()),
        )

    def _slowdown(self, f: Fields) -> Decimal:
        f.take("of", one_of("registered_compute"), None)
        rate: Decimal = f.take("rate", share)
        return rate

    def _permits(self, f: Fields) -> PermitTerms:
        life = f.take("life", self.one(lambda n: (n.take("calm", read_duration), n.take("alert", read_duration))))
        return PermitTerms(*(life or (0, 0)))

    def _adjudication(self, f: Fields) -> Adjudication:
        return Adjudication(
            f.take("challenge_within", read_duration),
            f.take("rule_within", read_duration),
            f.take("votes", _quorum),
            f.take("unruled", one_of("stands", "falls"), "stands"),
            f.take("appeal_within", read_duration, 0),
        )

    def _withdrawal(self, f: Fields) -> int:
        f.take("from_pause", one_of("never"), "never")
        notice: int = f.take("notice", read_duration)
        return notice

    def _consequences(self, fields: Fields) -> tuple[Consequence, ...]:
        def build(f: Fields) -> tuple[Consequence, ...]:
            f.take("when", self.one(lambda when: when.take("ruling", one_of("breach"))))
            return f.take("then", listed(_consequence, 1, 16)) or ()

        groups = fields.take("consequences", self.many(build), ())
        return tuple(item for group in groups or () for item in group or ())


def positive_large(node: Node) -> int:
    """A cap per log and day: up to 2**31."""
    return whole(node, 1)


def _role(node: Node) -> str:
    value = text(node)
    if value not in ROLES:
        raise Refused("T10", "unknown-role", got=f"{node.where} {shown(value)}", expected=", ".join(ROLES))
    return value


_on_unknown = one_of("holds", "silent")


def _one_or_more(node: Node) -> tuple[str, ...]:
    return (name(node),) if node.kind == "text" else listed(name, 1, 64)(node)


def _need(node: Node) -> Need:
    declaration, approval_of = False, ()
    for item in listed(lambda item: item, 1, 8)(node):
        if item.kind == "text":
            one_of("declaration")(item)
            declaration = True
        else:
            errors: list[Refused] = []
            fields = Fields(item, errors)
            approval_of = fields.take("approval_of", listed(_party, 1, 64))
            fields.done()
            _unless(errors, None)
    return Need(declaration, approval_of)


def _consequence(node: Node) -> Consequence:
    if node.kind == "text":
        one_of("publish")(node)
        return Consequence("publish", None)
    if node.kind != "mapping" or len(node.entries) != 1:
        raise Refused("T07", "wrong-type", got=f"{node.where} {node}", expected="publish or {party: act}")
    party, act = next(iter(node.entries.items()))
    return Consequence(one_of("refuse_compute", "refuse_deployment")(act), parse_party(party))


def _registered(node: Node) -> Decimal:
    """``{more_than: 10000 H100e}``, or so many FLOP/s; in FLOP/s."""
    errors: list[Refused] = []
    fields = Fields(node, errors)
    bound = fields.take("more_than", compute_rate)
    fields.done()
    return _unless(errors, bound)  # type: ignore[no-any-return]


def _reciprocity(f: Fields) -> Reciprocity:
    def when(node: Node) -> Reciprocity:
        errors: list[Refused] = []
        fields = Fields(node, errors)
        fields.take("ruling", one_of("breach"))
        found = Reciprocity(fields.take("of", _one_or_more, ("developer",)), fields.take("uncured_for", read_duration))
        fields.done()
        return _unless(errors, found)  # type: ignore[no-any-return]

    found: Reciprocity = f.take("when", when)
    f.take("then", one_of("release_others"))
    f.take("marked", one_of("lapses"), None)
    return found


def _renewal(f: Fields) -> RenewalTerms:
    """Without ``votes``, whoever amends renews."""
    votes: Any = f.take("votes", _quorum, None)
    return RenewalTerms(f.take("for", read_duration), f.take("at_most", lambda node: whole(node, 1, 100)), votes)


def _lapse(f: Fields) -> Lapse:
    return Lapse(
        f.take("after", read_duration), f.take("unless", _quorum, None), f.take("again_after", read_duration, 0)
    )


def _closed_log(f: Fields) -> ClosedLog:
    def cosigned(node: Node) -> ClosedCosignature:
        errors: list[Refused] = []
        fields = Fields(node, errors)
        value = (fields.take("mirror", _party), fields.take("size", whole), fields.take("time", read_day))
        fields.done()
        return _unless(errors, ClosedCosignature(*value))  # type: ignore[no-any-return]

    return ClosedLog(
        f.take("origin", text),
        f.take("size", whole),
        f.take("root", lambda node: parse_digest(text(node))),
        f.take("cosigned", listed(cosigned, 0, 10_000)),
    )


def _free() -> dict[str, Any]:
    return dict.fromkeys(ACTIVITIES, "free")


def _at_once() -> EntryIntoForce:
    return EntryIntoForce(AccededCount("", 1), _free(), _free())
