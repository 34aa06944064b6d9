"""The OpenAPI 3.1 description of the node's interface, made by hand and compared with the routes by a test.

Decides nothing: it says what ``api`` does. Bytes that are signed are described as what they are, not taken apart: their
formats stand in ``spec/``.

>>> sorted(OPENAPI["paths"]["/v1/permits"])
['post']
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, get_args

from detente.base.errors import RefusalKind
from detente.log.witness import REQUEST_MAX
from detente.measure.review.note import FIGURE_MAX, READING, REASON_MAX
from detente.server.bounds import INTENT_MAX, NOTES_MAX, UPLOAD_MAX
from detente.statement.approval import APPROVAL_DECISIONS, SIGNIFICANT
from detente.statement.envelope import MAX_ENVELOPE_BYTES

Json = dict[str, Any]


def _version() -> str:
    try:
        return version("detente")
    except PackageNotFoundError:
        return "unknown"


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json_of(schema: Json, description: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _bytes_of(kind: str, description: str) -> Json:
    return {"description": description, "content": {kind: {"schema": {"type": "string"}}}}


def _path(name: str, description: str, pattern: str = "^[0-9a-f]{64}$") -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "pattern": pattern},
    }


def _query(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _body(kind: str, description: str, most: int) -> Json:
    schema = {"type": "string", "maxLength": most, "description": description}
    return {"required": True, "content": {kind: {"schema": schema}}}


def _operation(
    summary: str,
    ok: dict[str, Json],
    *,
    parameters: list[Json] | None = None,
    body: Json | None = None,
    c2sp: bool = False,
) -> Json:
    error: Json = {"$ref": "#/components/responses/Error"}
    if c2sp:
        error = _bytes_of(
            "text/plain", "one line: why, with its number; JSON where a bound was passed before anything was read"
        )
        error["content"]["application/json"] = {"schema": {"type": "object"}}
    operation: Json = {"summary": summary, "responses": {**ok, "default": error}}
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = body
    return operation


_ENVELOPE = _body("application/json", "a DSSE envelope", MAX_ENVELOPE_BYTES)
_LOG = _path("log", "SHA-256 of the log's origin")
_NOTE = {"200": _bytes_of("text/plain", "a signed note")}
_OBJECT: Json = {"type": "object"}
_LINES = {"200": _bytes_of("text/plain", "cosignature lines, or nothing from a mirror's add-checkpoint")}
_HEAD_BODY = _body("text/plain", "C2SP add-checkpoint", REQUEST_MAX)

_REVIEWER_SIGNED: Json = {
    "name": "detente-signed",
    "in": "header",
    "required": False,
    "description": "a key in force as that reviewer's, a space, the time in seconds, a space, and in base64 its signature: see "
    "spec/review.md",
    "schema": {"type": "string"},
}

_ORGANISATION = {**_query("organisation", "the reviewer's organisation", {"type": "string"}), "required": True}
_REVIEWER = {**_query("reviewer", "the reviewer's pseudonym", {"type": "string"}), "required": True}

PATHS: Json = {
    "/healthz": {"get": _operation("Who this node is and how it fares", {"200": _json_of(_OBJECT, "a summary")})},
    "/openapi.json": {"get": _operation("This description", {"200": _json_of(_OBJECT, "OpenAPI 3.1")})},
    "/v1/statements": {
        "post": _operation(
            "File a signed statement in this party's log",
            {
                "200": _json_of(_ref("Receipt"), "logged, under a head with a quorum"),
                "202": _json_of(_ref("Receipt"), "logged; no quorum yet"),
            },
            parameters=[
                _query("wait", "wait for a quorum, or only for the log", {"enum": ["witnessed", "logged"]}),
            ],
            body=_ENVELOPE,
        )
    },
    "/v1/statements/{statement}": {
        "get": _operation(
            "A statement by its id",
            {"200": _json_of(_ref("Filed"), "the statement")},
            parameters=[_path("statement", "SHA-256 of the PAE")],
        )
    },
    "/v1/heard": {
        "post": _operation(
            "Tell a statement that stands in no log yet: it binds at once if it restricts",
            {"200": _json_of(_OBJECT, "its id")},
            body=_ENVELOPE,
        )
    },
    "/v1/permits/heads": {
        "post": _operation(
            "Round 1 of a permit",
            {"200": _json_of(_ref("Envelope"), "a sealed offer")},
            body=_body("application/json", "a sealed permit request", MAX_ENVELOPE_BYTES),
        )
    },
    "/v1/permits": {
        "post": _operation(
            "Round 2 of a permit",
            {"200": _json_of(_ref("PermitReply"), "signed, missing heads, or a fresh offer")},
            body=_body("application/json", "a sealed permit ask", MAX_ENVELOPE_BYTES),
        )
    },
    "/v1/decide": {
        "post": _operation(
            "What this node would decide now; signs nothing",
            {"200": _json_of(_ref("Decision"), "a decision with reasons")},
            body=_body("application/json", "an intent", INTENT_MAX),
        )
    },
    "/v1/status": {
        "get": _operation(
            "What is so now",
            {"200": _json_of(_OBJECT, "the status")},
            parameters=[_query("why", "add reasons with citations", {"enum": ["0", "1"]})],
        )
    },
    "/v1/proposals": {
        "get": _operation(
            "Proposals waiting at hold points, longest first, and what lately passed",
            {"200": _json_of(_OBJECT, "proposals, what is missing, how long each has waited")},
        )
    },
    "/v1/proposals/{proposal}": {
        "get": _operation(
            "One proposal: proposer, chain and depths, measured effect, what it needs and lacks, decisions",
            {"200": _json_of(_OBJECT, "the value of its page")},
            parameters=[_path("proposal", "its statement id")],
        )
    },
    "/v1/proposals/{proposal}/change": {
        "get": _operation(
            "The change itself: a diff as files, hunks and lines, those that matter first; a text as it stands",
            {"200": _json_of(_OBJECT, "the change, or why it is not shown")},
            parameters=[_path("proposal", "its statement id")],
        )
    },
    "/v1/parties/{party}": {
        "get": _operation(
            "One party: bound or not, what binds it, its runs, versions, duties, findings and consequences",
            {"200": _json_of(_OBJECT, "the value of its page")},
            parameters=[_path("party", "its name in the terms", "^[a-z0-9]")],
        )
    },
    "/v1/runs/{run}": {
        "get": _operation(
            "One run: its declaration, how it stands, stops and starts, versions, findings, what binds it",
            {"200": _json_of(_OBJECT, "the value of its page")},
            parameters=[_path("run", "its statement id")],
        )
    },
    "/v1/versions/{version}": {
        "get": _operation(
            "One version: lineage around it, depths, cumulative FLOP, measurements, audits, whether it may be released",
            {"200": _json_of(_OBJECT, "the value of its page")},
            parameters=[_path("version", "its digest")],
        )
    },
    "/v1/findings/{finding}": {
        "get": _operation(
            "One finding: how its case stands, challenges, rulings, consequences",
            {"200": _json_of(_OBJECT, "the value of its page")},
            parameters=[_path("finding", "its statement id")],
        )
    },
    "/v1/entries": {
        "get": _operation(
            "Every log with its newest entries, or one log's entries, the newest first",
            {"200": _json_of(_OBJECT, "the value of the page")},
            parameters=[
                _query("log", "SHA-256 of the log's origin", {"type": "string", "pattern": "^[0-9a-f]{64}$"}),
                _query("before", "entries below this index", {"type": "integer", "minimum": 0}),
            ],
        )
    },
    "/v1/entries/{statement}": {
        "get": _operation(
            "A statement at its first place, with its proof; or as it was heard",
            {"200": _json_of(_OBJECT, "the value of its page")},
            parameters=[_path("statement", "its id")],
        )
    },
    "/v1/entries/{log}/{index}": {
        "get": _operation(
            "One entry: what it says, its proof made and verified anew, who saw it when, whether it counts",
            {"200": _json_of(_OBJECT, "the value of its page")},
            parameters=[_LOG, _path("index", "its index from 0", "^[0-9]{1,18}$")],
        )
    },
    "/v1/accord": {
        "get": _operation(
            "The terms in words, the chain of their texts, and what each amendment changed",
            {"200": _json_of(_OBJECT, "the value of the page")},
        )
    },
    "/v1/pause": {
        "get": _operation(
            "What is latched, the roll-call of halts, how far a lift has come, how a pause is called",
            {"200": _json_of(_OBJECT, "the value of the page")},
        )
    },
    "/v1/overview": {
        "get": _operation(
            "What stands first: phase, who is bound, who has stopped, indicators against triggers, what is overdue",
            {"200": _json_of(_OBJECT, "the value of the page `/`")},
        )
    },
    "/v1/gossip": {
        "get": _operation(
            "Heads and cosignatures seen since a number of this node",
            {"200": _json_of(_OBJECT, "notes in base64, and the number to ask with next")},
            parameters=[_query("since", "the number", {"type": "integer", "minimum": 0})],
        )
    },
    "/v1/blobs/{digest}": {
        "get": _operation(
            "Evidence by its digest; what the terms keep for auditors, for whoever signs as one in detente-signed",
            {"200": _bytes_of("application/octet-stream", "the bytes")},
            parameters=[_path("digest", "SHA-256 of the bytes")],
        ),
        "put": _operation(
            "Store evidence under its digest",
            {"201": _json_of(_OBJECT, "stored")},
            parameters=[
                _path("digest", "SHA-256 of the bytes"),
                {
                    "name": "detente-signed",
                    "in": "header",
                    "required": False,
                    "description": "an enrolled statement or guard key, a space, and in base64 its signature over "
                    "`detente-blob/v1`, a newline, the digest, a newline; not needed for a text that the node looks for",
                    "schema": {"type": "string"},
                },
            ],
            body=_body(
                "application/octet-stream", "the bytes; a setting of the node may allow fewer or more", 64 * 2**20
            ),
        ),
    },
    "/v1/credentials/options": {
        "get": _operation(
            "What a browser is asked for to register a passkey of a reviewer: nothing is kept, and root keys enrol it",
            {
                "200": _json_of(
                    _OBJECT, "public_key for navigator.credentials.create, proof for navigator.credentials.get after it"
                )
            },
            parameters=[_ORGANISATION, _REVIEWER],
        )
    },
    "/v1/decisions/options": {
        "get": _operation(
            "What a browser is asked to assert for a decision on a proposal",
            {"200": _json_of(_ref("DecisionOptions"), "nonce, challenge, and which passkeys may assert it")},
            parameters=[
                {
                    **_query(
                        "proposal",
                        "the statement id of the proposal or run",
                        {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                    ),
                    "required": True,
                },
                {**_query("decision", "what is decided", {"enum": list(APPROVAL_DECISIONS)}), "required": True},
                _ORGANISATION,
                _REVIEWER,
                {
                    **_query("significant", "did the reviewer really look", {"enum": list(SIGNIFICANT)}),
                    "required": True,
                },
                _query("note", "the digest of the decision's note", {"type": "string", "pattern": "^[0-9a-f]{64}$"}),
            ],
        )
    },
    "/v1/decisions": {
        "post": _operation(
            "File a decision that a reviewer's passkey asserted",
            {
                "200": _json_of(
                    _OBJECT,
                    "filed, under a head with a quorum: its statement, place, and the label of the authenticator",
                ),
                "202": _json_of(_OBJECT, "filed; no quorum yet"),
            },
            body={"required": True, "content": {"application/json": {"schema": _ref("PostedDecision")}}},
        )
    },
    "/v1/notes": {
        "post": _operation(
            "Keep a decision's note (reason, reading figures) in erasable storage, before the decision is signed",
            {"201": _json_of(_OBJECT, "its salted digest, for `note` of the approval")},
            body={
                "required": True,
                "content": {"application/json": {"schema": _ref("Note")}},
            },
        )
    },
    "/v1/notes/{digest}": {
        "delete": _operation(
            "Erase a note; for the reviewer whose decision names it, who signs in detente-signed",
            {"200": _json_of(_OBJECT, "erased")},
            parameters=[
                _path("digest", "the note's digest"),
                {**_query("organisation", "the reviewer's organisation", {"type": "string"}), "required": True},
                {**_query("reviewer", "the reviewer's pseudonym", {"type": "string"}), "required": True},
                _REVIEWER_SIGNED,
            ],
        )
    },
    "/v1/waiting": {
        "get": _operation(
            "The proposals that wait at a hold point, for one organisation's reviewers or for anybody, the longest first",
            {"200": _json_of(_OBJECT, "ids, proposers, hold points, since when")},
            parameters=[_query("for", "the organisation", {"type": "string"})],
        )
    },
    "/v1/screening": {
        "get": _operation(
            "What seeded changes have shown so far, of all reviewers together",
            {"200": _json_of(_OBJECT, "the catch rate with its interval, and what so few can show")},
        )
    },
    "/v1/changes/{digest}": {
        "get": _operation(
            "Who put a change, what was decided on it, and whether it was revealed as a seeded one",
            {"200": _json_of(_OBJECT, "proposals with decisions")},
            parameters=[_path("digest", "the change's digest")],
        )
    },
    "/v1/reviewers/options": {
        "get": _operation(
            "What a browser is asked to assert so that a reviewer is shown their own figures, or erases a note",
            {"200": _json_of(_OBJECT, "the time, the challenge, and which passkeys may assert it")},
            parameters=[
                _ORGANISATION,
                _REVIEWER,
                _query("note", "the digest of the note to erase", {"type": "string", "pattern": "^[0-9a-f]{64}$"}),
            ],
        )
    },
    "/v1/reviewers/{organisation}/{reviewer}": {
        "get": _operation(
            "A reviewer's own decisions, notes and figures; for that reviewer, who signs in detente-signed",
            {"200": _json_of(_OBJECT, "what is recorded, and what it shows")},
            parameters=[
                _path("organisation", "the reviewer's organisation", "^[a-z0-9-]{1,63}$"),
                _path("reviewer", "the reviewer's pseudonym", "^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$"),
                _REVIEWER_SIGNED,
            ],
        )
    },
    "/v1/events": {
        "get": _operation(
            "Server-sent events: `notice` (a sealed stop notice), `lifted` (one holds no more), `head` (a log moved)",
            {"200": _bytes_of("text/event-stream", "events; a comment every 15 s")},
            parameters=[_query("only", "names of events, with commas between", {"type": "string"})],
        )
    },
    "/mirror/add-checkpoint": {
        "post": _operation("C2SP tlog-mirror add-checkpoint", _LINES, body=_HEAD_BODY, c2sp=True),
    },
    "/mirror/add-entries": {
        "post": _operation(
            "C2SP tlog-mirror add-entries; gzip is understood",
            {
                "200": _bytes_of("text/plain", "the mirror's cosignature line"),
                "202": _bytes_of("text/x.tlog.mirror-info", "stored so far"),
                "409": _bytes_of("text/x.tlog.mirror-info", "what the mirror has"),
            },
            body=_body("application/octet-stream", "header and packages", UPLOAD_MAX),
            c2sp=True,
        )
    },
    "/mirror/cosigned": {
        "post": _operation(
            "Tell cosigned checkpoints",
            {"200": _json_of(_OBJECT, "how many were read")},
            body=_body("application/octet-stream", "notes after their lengths as uint32", NOTES_MAX),
        )
    },
    "/witness/add-checkpoint": {
        "post": _operation("C2SP tlog-witness add-checkpoint", _LINES, body=_HEAD_BODY, c2sp=True),
    },
    "/witness/{log}/checkpoint": {"get": _operation("The head last cosigned as a witness", _NOTE, parameters=[_LOG])},
    "/log/{log}/checkpoint": {
        "get": _operation(
            "The greatest head with a quorum; before there is one, the greatest stored", _NOTE, parameters=[_LOG]
        ),
    },
    "/log/{log}/latest": {"get": _operation("The greatest head seen", _NOTE, parameters=[_LOG])},
    "/log/{log}/cosignatures": {
        "get": _operation(
            "Every cosignature kept, by head, the greatest first, 256 heads at most",
            {"200": _json_of(_OBJECT, "notes in base64")},
            parameters=[_LOG, _query("size", "heads of at least this size", {"type": "integer", "minimum": 0})],
        )
    },
    "/log/{log}/equivocation": {
        "get": _operation("The proof that this log contradicted itself", _NOTE, parameters=[_LOG])
    },
    "/log/{log}/tile/{tile}": {
        "get": _operation(
            "C2SP tiles and entry bundles: `<level>/<index>[.p/<width>]`, `entries/<index>[.p/<width>]`",
            {"200": _bytes_of("application/octet-stream", "the tile; it never changes")},
            parameters=[_LOG, _path("tile", "see C2SP tlog-tiles", "^(entries|[0-9]{1,2})/")],
        )
    },
}

_REFUSAL: Json = {
    "type": "object",
    "required": ["rule", "kind", "got", "expected", "todo"],
    "properties": {
        "rule": {"type": "string", "description": "the number of the rule in spec/"},
        "kind": {"enum": list(get_args(RefusalKind))},
        "got": {"type": "string"},
        "expected": {"type": "string"},
        "todo": {"type": "string"},
    },
}

OPENAPI: Json = {
    "openapi": "3.1.0",
    "info": {
        "title": "Détente node",
        "version": _version(),
        "description": "Requests are authenticated by what they carry: signed statements, signed requests, digests.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "paths": PATHS,
    "components": {
        "schemas": {
            "Refusal": _REFUSAL,
            "Unavailable": {
                "type": "object",
                "required": ["unavailable"],
                "properties": {"unavailable": {"type": "string"}},
            },
            "Envelope": {
                "type": "object",
                "required": ["payloadType", "payload", "signatures"],
                "properties": {
                    "payloadType": {"type": "string"},
                    "payload": {"type": "string", "contentEncoding": "base64"},
                    "signatures": {"type": "array", "minItems": 1, "maxItems": 16, "items": _OBJECT},
                },
            },
            "Note": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "properties": {
                    "reason": {"type": "string", "minLength": 1, "maxLength": REASON_MAX},
                    "reading": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": list(READING),
                        "properties": {
                            name: {"type": "integer", "minimum": 0, "maximum": FIGURE_MAX} for name in READING
                        },
                    },
                },
            },
            "DecisionOptions": {
                "type": "object",
                "required": ["nonce", "challenge", "rp_id", "allow", "binding_digest", "log", "public_key"],
                "properties": {
                    "nonce": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                    "challenge": {"type": "string", "description": "base64url"},
                    "rp_id": {"type": "string"},
                    "allow": {
                        "type": "array",
                        "items": {"type": "string", "description": "a credential id in base64url"},
                    },
                    "binding_digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                    "log": {"type": ["string", "null"]},
                    "public_key": {"type": "object", "description": "for navigator.credentials.get"},
                },
            },
            "PostedDecision": {
                "type": "object",
                "additionalProperties": False,
                "required": ["proposal", "decision", "organisation", "reviewer", "nonce", "significant", "assertion"],
                "properties": {
                    "proposal": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                    "decision": {"enum": list(APPROVAL_DECISIONS)},
                    "organisation": {"type": "string"},
                    "reviewer": {"type": "string"},
                    "nonce": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                    "significant": {"enum": list(SIGNIFICANT)},
                    "note": {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
                    "assertion": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["credential_id", "authenticator_data", "client_data", "signature"],
                        "properties": {
                            name: {"type": "string", "description": "base64url"}
                            for name in ("credential_id", "authenticator_data", "client_data", "signature")
                        },
                    },
                },
            },
            "Receipt": {
                "type": "object",
                "required": ["statement", "origin", "index", "witnessed", "proof"],
                "properties": {
                    "statement": {"type": "string"},
                    "origin": {"type": "string"},
                    "index": {"type": "integer"},
                    "witnessed": {"type": "boolean"},
                    "proof": {"type": "string", "description": "a C2SP tlog-proof"},
                },
            },
            "Filed": {
                "type": "object",
                "required": ["statement", "envelope", "places", "witnessed_at"],
                "properties": {
                    "statement": {"type": "string"},
                    "envelope": {"type": "string", "contentEncoding": "base64"},
                    "places": {"type": "array", "items": _OBJECT},
                    "witnessed_at": {"type": ["string", "null"]},
                },
            },
            "PermitReply": {"oneOf": [{"required": [name]} for name in ("signed", "missing", "reoffer")]},
            "Decision": {
                "type": "object",
                "required": ["allowed", "rate", "life_s", "held_by", "reasons"],
                "properties": {
                    "allowed": {"type": "boolean"},
                    "rate": {"type": "string"},
                    "life_s": {"type": "integer"},
                    "held_by": {"type": "array", "items": {"type": "string"}},
                    "reasons": {"type": "array", "items": _OBJECT},
                },
            },
        },
        "responses": {
            "Error": _json_of(
                {"oneOf": [_ref("Refusal"), _ref("Unavailable")]}, "a refusal with its number, or trouble"
            )
        },
    },
}
