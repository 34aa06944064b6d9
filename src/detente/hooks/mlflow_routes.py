r"""Which requests to an MLflow server may promote a model, by method, path and body.

Decides what passes unasked: reads, and the writes of tracking that are listed here. Whatever else writes is held, known or not: aliases,
stages, tags, versions, webhooks, gateways, jobs, and what a later release adds. Leaves out asking (``hooks.mlflow_gate``).
``spec/serving.md`` §3, rules J30 to J33.

Source of the routes: the route table of MLflow 3.17.2, which a test of this repository reads again.

- The path that is judged is the decoded one, and it must be plain: no empty, ``.`` or ``..`` part, no backslash, nothing that is
  percent-encoded twice, no control character. What is no plain path is no known path.
- ``/api/`` and ``/ajax-api/`` reach the same handlers.
- GraphQL may carry a mutation by any method: it passes where the word does not occur in its query.

>>> [held(*each) for each in (("GET", "/api/2.0/mlflow/runs/get"), ("POST", "/api/2.0/mlflow/runs/log-batch"))]
[False, False]
>>> [held("POST", f"/{each}/2.0/mlflow/registered-models/alias") for each in ("api", "ajax-api", "api/")]
[True, True, True]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Refused, shown
from detente.base.strict_json import encode_json, parse_json

BODY_MAX: Final = 1 << 20
"""Bytes of a request that is judged: MLflow's own tags are at most 5,000 characters, its batches at most 1 MB."""
GRAPHQL: Final = "/graphql"
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_PART = "[^/]+"
_PASSED: Final = tuple(
    (method, re.compile(pattern + r"\Z"))
    for methods, pattern in (
        (
            "POST",
            r"/API/2\.0/mlflow/experiments/(?:create|delete|restore|update|search|search-datasets|set-experiment-tag|delete-experiment-tag)",
        ),
        (
            "POST",
            r"/API/2\.0/mlflow/runs/(?:create|delete|restore|update|search|outputs|set-tag|delete-tag)",
        ),
        ("POST", r"/API/2\.0/mlflow/runs/log-(?:metric|batch|inputs|model|parameter)"),
        ("POST", r"/API/2\.0/mlflow/logged-models(?:/search)?"),
        ("PATCH DELETE", rf"/API/2\.0/mlflow/logged-models/{_PART}"),
        ("POST", rf"/API/2\.0/mlflow/logged-models/{_PART}/params"),
        ("PATCH", rf"/API/2\.0/mlflow/logged-models/{_PART}/tags"),
        ("DELETE", rf"/API/2\.0/mlflow/logged-models/{_PART}/tags/{_PART}"),
        ("PUT DELETE", r"/API/2\.0/mlflow-artifacts/artifacts/.+"),
        ("POST", r"/API/2\.0/mlflow-artifacts/mpu/(?:create|complete|abort)/.+"),
        ("POST", r"/API/2\.0/mlflow/artifacts/presigned-(?:download|upload)-url"),
        ("POST", r"/API/2\.0/mlflow/upload-artifact"),
        ("POST", r"/API/2\.0/mlflow/registered-models/get-latest-versions"),
        ("POST", r"/API/2\.0/mlflow/traces(?:/delete-traces|/link-prompts|/link-to-run)?"),
        ("PATCH", rf"/API/2\.0/mlflow/traces/{_PART}(?:/tags)?"),
        ("DELETE", rf"/API/2\.0/mlflow/traces/{_PART}/tags"),
        (
            "POST",
            r"/API/3\.0/mlflow/traces(?:/batchGetInfos|/calculate-filter-correlation|/delete-traces|/metrics|/search)?",
        ),
        ("PATCH DELETE", rf"/API/3\.0/mlflow/traces/{_PART}/tags"),
        ("POST", rf"/API/3\.0/mlflow/traces/{_PART}/assessments"),
        ("PATCH DELETE", rf"/API/3\.0/mlflow/traces/{_PART}/assessments/{_PART}"),
        ("POST", r"/API/3\.0/mlflow/datasets/(?:create|search)"),
        ("DELETE", rf"/API/3\.0/mlflow/datasets/{_PART}"),
        ("POST", rf"/API/3\.0/mlflow/datasets/{_PART}/(?:add-experiments|remove-experiments|records)"),
        ("DELETE", rf"/API/3\.0/mlflow/datasets/{_PART}/records"),
        ("PATCH", rf"/API/3\.0/mlflow/datasets/{_PART}/tags"),
        ("DELETE", rf"/API/3\.0/mlflow/datasets/{_PART}/tags/{_PART}"),
        ("POST", r"/API/3\.0/mlflow/(?:ui-telemetry|issues/search|prompt-optimization/jobs/search)"),
        ("POST", r"/v1/traces"),
    )
    for method in methods.split()
)
_ODD = re.compile(r"[\\%\x00-\x1f\x7f]|//|/\.{1,2}(?:/|\Z)")
_VERSIONED = re.compile(
    r"/API/2\.0/mlflow/(?:model-versions/(?:set-tag|delete-tag|transition-stage|update|delete)|registered-models/alias)\Z"
)
_CREATED = "/API/2.0/mlflow/model-versions/create"
_NAME_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A request that is held: what it says, and which version of a registered model it is about, as far as it says.

    ``alias`` is one whose version the server must be asked for; ``source`` is where a new version comes from.
    """

    method: str
    path: str
    said: Mapping[str, Any]
    name: str = ""
    version: str = ""
    alias: str = ""
    source: str = ""

    @property
    def what(self) -> str:
        """In a few words, for people."""
        route = self.path.split("/mlflow/")[-1]
        about = f" of {shown(self.name)}" if self.name else ""
        return f"{self.method} {route[:100]}{about}" + (f", version {shown(self.version, 24)}" if self.version else "")

    def act(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """Everything that the act depends on: what is asked for, and what the server says of the version."""
        return {"method": self.method, "path": self.path, "said": self.said, "about": dict(about)}


def held(method: str, path: str, graphql: bytes = b"") -> bool:
    """Is this request to be asked about? ``path`` is decoded; ``graphql`` is the body where the path is ``GRAPHQL``."""
    plain = _ODD.search(path) is None
    if path.rstrip("/").endswith(GRAPHQL):
        return not plain or _may_mutate(graphql)
    if method in READS:
        return False
    common = _common(path)
    return not plain or not any(known == method and pattern.match(common) for known, pattern in _PASSED)


def read_promotion(method: str, path: str, query: bytes, body: bytes) -> Promotion:
    """What a held request is about; raises ``Refused`` J31 where it does not read.

    1. The path is plain, so that it is the one the server sees.
    2. The body is one JSON object in UTF-8 without a name twice, or empty: what is judged is what the server reads.
    3. Nothing that names the version stands in the query, where some servers would look first.
    """
    if _ODD.search(path):  # 1
        raise _malformed(f"the path {shown(path)}", "a plain path: no empty or dotted part, nothing encoded twice")
    said: Any = {}
    if body:
        try:
            said = parse_json(body, limit=BODY_MAX)  # 2
        except Refused as refused:
            raise _malformed(str(refused)[:300], "one JSON object") from None
        if not isinstance(said, dict):
            raise _malformed(shown(said), "one JSON object")
    if query:  # 3
        raise _malformed(f"a query {shown(query)}", "everything in the body of a write")
    common = _common(path)
    name, version = _text(said, "name"), _text(said, "version")
    if _VERSIONED.match(common):
        alias = _text(said, "alias") if common.endswith("/alias") and method == "DELETE" else ""
        return Promotion(method=method, path=common, said=said, name=name, version=version, alias=alias)
    source = _text(said, "source") if common == _CREATED else ""
    return Promotion(method=method, path=common, said=said, name=name, source=source)


def version_digest(promotion: Promotion, about: Mapping[str, Any]) -> Digest:
    """The version that is asked about, where its bytes are out of reach: what the registry says that it is.

    Name, number, source, run, logged model and the instant of its creation, which no route changes; of what names no version, the request.
    """
    if about:
        said = {name: str(about.get(name, "")) for name in _IDENTITY}
        return sha256_hex(b"detente-mlflow-version/v1\n" + encode_json(said))
    return sha256_hex(b"detente-mlflow-request/v1\n" + encode_json(promotion.act({})))


_IDENTITY: Final = ("name", "version", "source", "run_id", "model_id", "creation_timestamp")


def _common(path: str) -> str:
    """Both spellings of the interface as one."""
    for prefix in ("/api/", "/ajax-api/"):
        if path.startswith(prefix):
            return "/API/" + path.removeprefix(prefix)
    return path


def _may_mutate(body: bytes) -> bool:
    if not body:
        return False
    try:
        said = parse_json(body, limit=BODY_MAX)
    except Refused:
        return True
    query = said.get("query") if isinstance(said, dict) else None
    return not isinstance(query, str) or re.search(r"\b(?:mutation|subscription)\b", query) is not None


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name, "")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _NAME_MAX:
        raise _malformed(f"{name} {shown(value)}", f"a text of at most {_NAME_MAX} characters")
    return value


def _malformed(got: str, expected: str) -> Refused:
    return Refused("J31", "malformed", got=got, expected=expected, todo="send the request as MLflow's own client does")
