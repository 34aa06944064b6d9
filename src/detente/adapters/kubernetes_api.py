"""The API of a Kubernetes cluster, as far as suspending needs it: list, read, merge-patch, and a dry run of a creation.

Decides how a request is made and what an answer must be. Leaves out what is patched (``app.kubernetes.suspending``). Evictions and
deletions are not among its calls. ``spec/kubernetes.md`` §7, K34.

- The token of a service account is read anew for each request: a cluster renews it in its file.
- A token goes over TLS to the authority that was named, or to a loopback address, and nowhere else.

Source of paths and verbs: Kubernetes, *API concepts* (collections, ``limit`` and ``continue``, ``dryRun=All``, merge patches).
"""

from __future__ import annotations

import contextlib
import os
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from detente.base.errors import Misuse, Refused, Unavailable, shown
from detente.base.strict_json import encode_json, parse_foreign_json

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its service account's ``token`` and ``ca.crt``."""
REPLY_MAX: Final = 64 << 20
PAGE: Final = 500
PAGES_MAX: Final = 200
"""100,000 objects of one kind."""
TOKEN_MAX: Final = 65_536
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

Object = dict[str, Any]


class ClusterApi:
    """One cluster, reached as one account. Close it when done."""

    def __init__(self, url: str, *, ca: Path | None = None, token: Path | None = None, timeout_s: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or (parts.scheme == "http" and parts.hostname not in _LOOPBACK):
            raise Misuse(f"got {url}; expected https, or http at a loopback address, such as that of `kubectl proxy`")
        self._token = token
        try:
            verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=str(ca)) if ca is not None else True
        except (OSError, ssl.SSLError) as error:
            raise Misuse(f"cannot use the authority {ca}: {error}") from None
        self._http = httpx.Client(base_url=url, verify=verify, timeout=timeout_s, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def list(self, path: str) -> list[Object] | None:
        """All objects of a collection; ``None`` where the cluster does not have this kind."""
        found: list[Object] = []
        after = ""
        for _ in range(PAGES_MAX):
            reply = self._send("GET", path, params={"limit": str(PAGE), **({"continue": after} if after else {})})
            if reply.status_code == 404:
                return None
            value = self._read(reply, path)
            items = value.get("items")
            if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
                raise _malformed(path, "no list of items")
            found += items
            metadata = value.get("metadata")
            after = str(metadata.get("continue") or "") if isinstance(metadata, dict) else ""
            if not after:
                return found
        raise Refused("K34", "malformed", got=f"{path}: over {PAGE * PAGES_MAX} objects", expected="fewer")

    def get(self, path: str) -> Object | None:
        """One object; ``None`` where there is none."""
        reply = self._send("GET", path)
        return None if reply.status_code == 404 else self._read(reply, path)

    def patch(self, path: str, change: Object) -> bool:
        """Merge ``change`` into an object; false where there is none. Raises ``Unavailable`` with the cluster's reason."""
        reply = self._send(
            "PATCH", path, content=encode_json(change), headers={"content-type": "application/merge-patch+json"}
        )
        if reply.status_code == 404:
            return False
        self._read(reply, path)
        return True

    def refusal(self, path: str, value: Object) -> str:
        """What the cluster says against creating this; empty where it would. A dry run: nothing is stored.

        Raises ``Unavailable`` for an answer that is no word of its own.
        """
        reply = self._send(
            "POST",
            path,
            params={"dryRun": "All"},
            content=encode_json(value),
            headers={"content-type": "application/json"},
        )
        if reply.is_success:
            return ""
        answer: Any = None
        with contextlib.suppress(Refused):
            answer = parse_foreign_json(reply.content, limit=REPLY_MAX)
        said = answer.get("message") if isinstance(answer, dict) else None
        if not isinstance(said, str) or not said:
            raise Unavailable(f"POST {path}: {reply.status_code}")
        return said

    def _send(self, method: str, path: str, **how: Any) -> httpx.Response:
        headers = how.pop("headers", {})
        if self._token is not None:
            try:
                with self._token.open("rb") as file:
                    headers["authorization"] = f"Bearer {file.read(TOKEN_MAX).decode('ascii').strip()}"
            except (OSError, UnicodeDecodeError) as error:
                raise Unavailable(f"cannot read the account's token {self._token}: {error}") from None
        try:
            return self._http.request(method, path, headers=headers, **how)
        except httpx.HTTPError as error:
            raise Unavailable(f"{method} {path}: the cluster does not answer: {error!r}"[:300]) from None

    def _read(self, reply: httpx.Response, path: str) -> Object:
        try:
            value = parse_foreign_json(reply.content, limit=REPLY_MAX)
        except Refused as refused:
            if reply.is_success:
                raise _malformed(path, refused.got) from None
            value = {}
        if not reply.is_success:
            said = value.get("message") if isinstance(value, dict) else None
            raise Unavailable(
                f"{reply.request.method} {path}: {reply.status_code} {shown(said) if said else ''}".strip()
            )
        if not isinstance(value, dict):
            raise _malformed(path, shown(value))
        return value


def cluster_here() -> ClusterApi:
    """The cluster of the pod that this runs in; raises ``Misuse`` outside of one."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise Misuse(
            "this is no pod of a cluster: say which with --server, and with --ca and --token or `kubectl proxy`"
        )
    place = f"[{host}]" if ":" in host else host
    return ClusterApi(f"https://{place}:{port}", ca=ACCOUNT / "ca.crt", token=ACCOUNT / "token")


def _malformed(path: str, got: str) -> Refused:
    return Refused("K34", "malformed", got=f"{path}: {got}"[:300], expected="an answer of Kubernetes's interface")
