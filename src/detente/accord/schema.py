"""The shape of terms as a JSON Schema (2020-12), for editors: completion, hover, and most errors while one types.

Decides what an editor is told. The reader (``reading``) stays the judge: a schema sees no line, no key, no sum over sections, and
YAML as an editor types it (``3`` a number, ``yes`` a text). Whatever the reader takes, the schema takes too; what it refuses for a
member that is unknown, missing or of another shape, the schema refuses. Words that a member may hold come from the tables that the
reader uses. Normative text: ``spec/terms.md``.

>>> sorted(terms_schema()["required"])
['accord', 'lift', 'mirrors', 'parties', 'pause', 'permits', 'version']
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias, get_args

from detente.accord.authenticators import DEVICES, LISTED_MAX
from detente.accord.conditions import SIGNS
from detente.accord.confidentiality import CLASSES, KNOWN, can_be
from detente.accord.sources import NOT_EXPRESSED, Wording
from detente.accord.terms import Activity, OnUnknown, Policy, Role
from detente.accord.tree_reading import RUN, Context, words_in
from detente.statement.change import TOUCHES
from detente.statement.run import ACTIVITIES as RUN_ACTIVITIES

Schema: TypeAlias = dict[str, Any]
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ROLES: Final = get_args(Role)
DECIMAL: Final = r"-?(0|[1-9]\d{0,39})(\.\d{1,20})?(e[+-]?\d{1,2})?"
"""As in ``base.quantity``."""


def terms_schema() -> Schema:
    """The whole schema."""
    return {"$schema": DIALECT, "title": "Terms of an accord", **_terms(), "$defs": _definitions()}


# Shapes


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _said(text: str, schema: Schema) -> Schema:
    return {"description": text, **schema}


def _object(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """A mapping with these members and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _map(value: Schema, *, names: Schema | None = None, least: int = 0) -> Schema:
    return {
        "type": "object",
        **({"propertyNames": names} if names else {}),
        **({"minProperties": least} if least else {}),
        "additionalProperties": value,
    }


def _list(item: Schema, least: int = 0, most: int = 10_000) -> Schema:
    return {"type": "array", "items": item, "minItems": least, "maxItems": most}


def _words(*words: str) -> Schema:
    return {"enum": list(words)}


def _text(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}


def _whole(least: int = 0, most: int = 2**31) -> Schema:
    """A number, or one in quotes."""
    return {"type": ["integer", "string"], "minimum": least, "maximum": most, "pattern": "^(0|[1-9][0-9]{0,9})$"}


# Members


def _terms() -> Schema:
    return _object(
        {
            "accord": _said("The name of the accord.", _ref("name")),
            "version": _said("A whole number from 1, rising along the chain of amendments.", _whole(1)),
            "parties": _said("Who may sign: name, country and roles.", _map(_ref("party_terms"), names=_ref("party"))),
            "mirrors": _said("Who stores every entry, cosigns and issues permits; `self` for one organisation.", _ref("mirrors")),
            "pause": _said("What a pause stops, by when, and after how long it lapses.", _ref("pause")),
            "lift": _said("Who lifts a pause together, and on what condition.", _ref("lift")),
            "permits": _said("How long a permit lives in calm and in alert.", _ref("permits")),
        },
        {
            "review_by": _said("When the parties look at the text again.", _ref("day")),
            "expires": _said("The sunset.", _ref("day")),
            "renewal": _said("By whose votes the sunset is put off.", _ref("renewal")),
            "keys": _said("Each party's keys with their proofs of possession; absent in a template.", _map(_ref("party_keys"))),
            "entry_into_force": _said("When the accord binds; what is free before and after.", _ref("entry_into_force")),
            "limits": _said("Bounds on a run.", _list(_ref("limit"))),
            "hold_points": _said("Changes that wait for humans.", _list(_ref("hold_point"))),
            "checkpoints": _said("Capabilities with which one goes on only when certified.", _list(_ref("checkpoint"))),
            "indicators": _said("What is measured: by whom, how often, and what silence means.", _map(_ref("indicator"), names=_ref("name"))),
            "duties": _said("What each party must have done by when.", _list(_ref("duty"))),
            "triggers": _said("What starts a pause, a slowdown or limits.", _list(_ref("trigger"))),
            "slowdown": _said("The rate cap of a slowdown.", _ref("slowdown")),
            "consequences": _said("What follows a ruling of breach.", _list(_ref("consequences"))),
            "adjudication": _said("How long a finding may be challenged and a ruling take, and who rules.", _ref("adjudication")),
            "reciprocity": _said("When the others are released because a breach is not cured.", _ref("reciprocity")),
            "screening": _said("Who mixes known-bad changes into the queue, and how many must be caught.", _ref("screening")),
            "withdrawal": _said("With what notice a party leaves; absent: not before the sunset.", _ref("withdrawal")),
            "amendment": _said("Who amends together; absent: every party.", _object({"votes": _ref("votes")})),
            "confidential": _said("Fields that are kept for auditors, or behind a commitment.", _confidential()),
            "authenticators": _said("Whose word on an authenticator is believed: roots of makers, models for tests.", _authenticators()),
            "sources": _said("Where each clause comes from; no decision reads it.", _ref("sources")),
        },
    )  # fmt: skip


def _confidential() -> Schema:
    able = {name: _words(*(each for each in CLASSES if can_be(name, each))) for name in KNOWN}
    return _object({}, able)


def _authenticators() -> Schema:
    model = _text("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    return _object(
        {},
        {
            "attestation_roots": _list(_text("^[0-9a-f]{64}$"), 1, LISTED_MAX),
            "test_devices": _list(model, 1, LISTED_MAX),
        },
    )


def _definitions() -> dict[str, Schema]:
    return {**_scalars(), **_rules(), **_governance(), **_keys(), **_sources(), **_conditions()}


def _scalars() -> dict[str, Schema]:
    moment = _object({"after_entry": _ref("duration")})
    return {
        "text": {"type": ["string", "number", "boolean"], "minLength": 1, "maxLength": 1024},
        "name": {"type": ["string", "integer"], "pattern": r"^[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?$"},
        "party": {"type": ["string", "integer"], "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"},
        "names": _list(_ref("name"), 1, 64),
        "count": _whole(1, 10_000),
        "flag": {"enum": ["yes", "no", "true", "false", True, False]},
        "duration": _text(r"^\d{1,9} ?(s|min|h|d)$"),
        "day": _text(r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?$"),
        "moment": {"if": {"type": "object"}, "then": moment, "else": _ref("day")},
        "quantity": {"type": ["string", "number"], "pattern": f"^{DECIMAL} ?(%|[A-Za-z][A-Za-z0-9_/]{{0,15}})?$"},
        "share": _text(f"^{DECIMAL} ?%$"),
        "url": _text("^https?://"),
        "unknown": _words(*get_args(OnUnknown)),
        "roles": _list(_words(*ROLES), 1, 16),
        "votes": _map(_ref("count"), names=_words(*ROLES, "any"), least=1),
        "activities": _object({}, {activity: _words(*get_args(Policy)) for activity in get_args(Activity)} | {"marked": _words("lapsed")}),
    }  # fmt: skip


def _rules() -> dict[str, Schema]:
    span = {"from": _ref("moment"), "until": _ref("moment"), "unknown": _ref("unknown")}
    need = _list(
        {"if": {"type": "object"}, "then": _object({"approval_of": _parties(1, 64)}), "else": _words("declaration")}, 1, 8
    )  # fmt: skip
    limit = _object(
        {"id": _ref("name"), "when": _when("limit")},
        {"on": _words("run.start"), "then": _words("refuse"), "need": need, "while": _ref("name"), **span},
    )
    certified = _object({"certifications": _ref("names"), "by": _ref("names")}, {"count": _ref("count")})
    checkpoint = _object(
        {
            "id": _ref("name"),
            "on": _words("run.start", "version.train", "version.deploy"),
            "when": {"type": "object"},
            "need": certified,
        },
        span,
    )
    on_run = {"properties": {"on": {"const": "run.start"}}, "required": ["on"]}
    lapse = _object({"after": _ref("duration")}, {"unless": _ref("votes"), "again_after": _ref("duration")})
    trigger = _object(
        {
            "id": _ref("name"),
            "when": _when("trigger"),
            "then": _words("pause", "slowdown", "limits"),
            "scope": _words("party", "all"),
        },
        {"alone_on_purpose": _parties(), "veto_on_purpose": _parties(), "lapses": lapse, **span},
    )
    indicator = _object(
        {},
        {
            "supplied_by": _one_or_more(),
            "every": _ref("duration"),
            "about": _words("party", "world"),
            "unit": _text("^[!-~]+( [!-~]+)*$"),
            "unknown": _ref("unknown"),
            "overdue": _ref("unknown"),
        },
    )
    return {
        "limit": limit | {"oneOf": [{"required": ["then"]}, {"required": ["need"]}]},
        "hold_point": _hold_point(span),
        "checkpoint": checkpoint
        | {
            "if": on_run,
            "then": {"properties": {"when": _when("run_checkpoint")}},
            "else": {"properties": {"when": _when("change_checkpoint")}},
        },
        "trigger": trigger,
        "indicator": indicator,
        "duty": _duty(),
    }


def _hold_point(span: dict[str, Schema]) -> Schema:
    humans = _object(
        {"humans": _ref("count")},
        {
            "organisations": _ref("count"),
            "author_excluded": _ref("flag"),
            "device": _words(*DEVICES),
            "same_host": _words("accept", "refuse"),
            "by": _ref("names"),
            "significant": _ref("flag"),
            "confirmed": _ref("flag"),
            "screened": _ref("flag"),
        },
    )
    escalation = _object({"to": _ref("names"), "after": _ref("duration"), "within": _ref("duration")})
    return _object(
        {"id": _ref("name"), "on": _words("version.train", "version.deploy"), "when": _when("hold"), "need": humans},
        {"approved_for": _ref("duration"), "decide_within": _ref("duration"), "escalation": escalation, **span},
    )


def _one_or_more() -> Schema:
    return {"if": {"type": "array"}, "then": _ref("names"), "else": _ref("name")}


def _duty() -> Schema:
    names = _one_or_more()
    duty = _object(
        {"id": _ref("name"), "of": names},
        {
            "by": _ref("moment"),
            "on_request": _object(
                {"by": names, "within": _ref("duration")},
                {"most": _object({"number": _ref("count"), "every": _ref("duration")})},
            ),
            "register": _object({"more_than": {"type": "string"}}),
            "found_by": names,
            "every": _ref("duration"),
            "until": _ref("moment"),
        },
    )
    by_then = {"required": ["by"], "not": {"required": ["on_request"]}}
    asked = {"required": ["on_request", "found_by"], "not": {"anyOf": [{"required": ["by"]}, {"required": ["every"]}]}}
    return duty | {
        "oneOf": [{"required": ["register"]}, {"required": ["found_by"]}],
        "anyOf": [by_then, asked],
    }


def _parties(least: int = 0, most: int = 10_000) -> Schema:
    return _list(_ref("party"), least, most)


def _governance() -> dict[str, Schema]:
    cosigned = _object({"mirror": _ref("party"), "size": _whole(), "time": _ref("day")})
    closed = _object({"origin": _ref("text"), "size": _whole(), "root": _text("^[0-9a-f]{64}$"), "cosigned": _list(cosigned)})  # fmt: skip
    mirrors = _object(
        {"may_fail": _whole(0, 15), "witness": _whole(1, 16), "issue": _whole(1, 16), "settle": _ref("duration")},
        {
            "parties": _parties(1, 16),
            "day": _object({"entries": _whole(1), "bytes": _whole(1)}),
            "closes": _list(closed),
        },
    )
    act = {**_map(_words("refuse_compute", "refuse_deployment"), names=_ref("party"), least=1), "maxProperties": 1}
    return {
        "party_terms": _object({"country": _text("^[A-Z]{2}$"), "roles": _ref("roles")}),
        "mirrors": {"if": {"type": "object"}, "then": mirrors, "else": _words("self")},
        "entry_into_force": _object(
            {"when": _when("force")}, {"before": _ref("activities"), "after_expiry": _ref("activities")}
        ),
        "pause": _object(
            {"activities": _list(_words(*get_args(Activity)), 1, 8), "halt_within": _ref("duration")},
            {"longest": _ref("duration")},
        ),
        "lift": _object(
            {"votes": _ref("votes")},
            {"when": _when("lift"), "veto_on_purpose": _parties(), "alone_on_purpose": _parties()},
        ),
        "slowdown": _object({"rate": _ref("share")}, {"of": _words("registered_compute")}),
        "permits": _object({"life": _object({"calm": _ref("duration"), "alert": _ref("duration")})}),
        "consequences": _object(
            {
                "when": _object({"ruling": _words("breach")}),
                "then": _list({"if": {"type": "object"}, "then": act, "else": _words("publish")}, 1, 16),
            }
        ),
        "adjudication": _object(
            {"challenge_within": _ref("duration"), "rule_within": _ref("duration"), "votes": _ref("votes")},
            {"unruled": _words("stands", "falls"), "appeal_within": _ref("duration")},
        ),
        "reciprocity": _object(
            {
                "when": _object({"ruling": _words("breach"), "uncured_for": _ref("duration")}, {"of": _one_or_more()}),
                "then": _words("release_others"),
            },
            {"marked": _words("lapses")},
        ),
        "screening": _object(
            {
                "by": _ref("names"),
                "rate": _ref("share"),
                "decisions": _object({"count": _ref("count"), "per": _ref("duration")}),
                "window": _ref("duration"),
            },
            {
                "minimum": _object(
                    {"caught": _ref("share"), "confidence": _ref("share")}, {"unshown": _words("holds", "silent")}
                )
            },
        ),
        "renewal": _object({"for": _ref("duration"), "at_most": _whole(1, 100)}, {"votes": _ref("votes")}),
        "withdrawal": _object({"notice": _ref("duration")}, {"from_pause": _words("never")}),
    }


def _keys() -> dict[str, Schema]:
    key = {"key": _text("^ed25519:[0-9a-f]{64}$"), "proof": _text("^[A-Za-z0-9+/]{86}==$")}
    named = _object({"name": _ref("text"), **key})
    return {
        "key": _object(key),
        "party_keys": _object(
            {
                "root": _object({"threshold": _ref("count"), "keys": _list(_ref("key"), 1, 32)}),
                "statement": _list(_ref("key"), 1, 32),
            },
            {
                "guard": _list(_ref("key"), 1, 32),
                "log": _object({"origin": _ref("text"), **key}),
                "mirror": named,
                "witness": named,
                "permit": _ref("key"),
                "reviewer": _list(named, 1, 64),
            },
        ),
    }


def _sources() -> dict[str, Schema]:
    shared = {"url": _ref("url"), "rules": _ref("names")}
    whole = {"required": ["of", "clause", "wording"]}
    ours = {"required": ["our_choice"], "not": {"required": ["of"]}}
    note = _object(
        {},
        {
            "of": _said("The document and its version.", _ref("text")),
            "clause": _said("Its article.", _ref("text")),
            "wording": _words(*get_args(Wording)),
            "says": _ref("text"),
            "leaves_open": _ref("text"),
            "our_choice": _ref("text"),
            **shared,
        },
    )
    lacking = _object({"of": _ref("text"), "clause": _ref("text"), "why": _ref("text")}, shared)
    return {
        "note": note | {"anyOf": [whole, ours]},
        "sources": {
            "type": "object",
            "properties": {NOT_EXPRESSED: _list(lacking)},
            "additionalProperties": {
                "if": {"type": "array"},
                "then": {"type": "array", "items": _ref("note")},
                "else": _ref("note"),
            },
        },
    }


def _when(context: Context) -> Schema:
    return _ref(f"{context}_condition")


def _conditions() -> dict[str, Schema]:
    return {f"{context}_condition": _condition(context) for context in get_args(Context)}


def _condition(context: Context) -> Schema:
    """A tree: one member, or ``at_least`` with ``of``; what its atoms may be depends on the place."""
    parts = _list(_when(context), 1, 1_000)
    able = words_in(context)
    what: Schema = _ref("name")
    if context == "limit":
        what = _words(*RUN)
    elif context != "run_checkpoint":
        what = {**_ref("name"), "not": _words(*RUN)}
    compare = {"type": "array", "prefixItems": [what, _ref("quantity")], "minItems": 2, "maxItems": 2}
    compared = {word: compare for word in SIGNS if word in able}
    atoms = {word: schema for word, schema in _atoms().items() if word in able}
    members: Schema = {"all": parts, "any": parts, "not": _when(context), **compared, **atoms}
    counted = {"properties": {"at_least": _ref("count"), "of": parts}, "required": ["at_least"]}
    single: Schema = {"maxProperties": 1}
    if "at_least" not in able:
        single["properties"] = {"at_least": False}
    elif "at_least" in compared:
        single["properties"] = {"at_least": compared.pop("at_least")}
        members.pop("at_least")
    return {
        "type": "object",
        "properties": {**members, "at_least": True, "of": True},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 2,
        "if": {"required": ["of"]},
        "then": counted,
        "else": single,
    }


def _atoms() -> dict[str, Schema]:
    of = _object({"of": _ref("names"), "at_least": _ref("count")})
    acceded = _object(
        {},
        {
            "role": _ref("name"),
            "parties": _list(_ref("name"), 1, 1_000),
            "countries": _ref("count"),
            "share_of": _words("registered_compute"),
            "at_least": {"type": ["string", "integer"]},
        },
    )
    return {
        "votes": of,
        "open_finding": _object({"by": _ref("names")}, {"at_least": _ref("count")}),
        "none_open": _words("finding"),
        "ruling": _words("breach"),
        "overdue": _ref("name"),
        "acceded": acceded
        | {
            "if": {"anyOf": [{"required": ["parties"]}, {"required": ["countries"]}]},
            "then": {"maxProperties": 1},
            "else": {"required": ["at_least"], "maxProperties": 2},
        },
        "change.touches": _list(_words(*TOUCHES), 1, 5),
        "change.proposer": _words("model", "human"),
        "run.activity": _words(*RUN_ACTIVITIES),
    }
