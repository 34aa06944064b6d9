"""Where a node's things are and who its peers are: ``<home>/config.toml``, read and written.

Decides names and defaults of the configuration. Leaves out the terms' content (``accord``) and what keys are for
(``app.init``). Rules N01 and N02 of ``spec/node.md``.

- The home is the folder given, else the environment's ``DETENTE_HOME``, else ``./.detente``.
- Every member is checked and an unknown one is refused: N02. A misspelled limit must not be no limit.
- Keys: ``<home>/keys/<use>.key``, and ``<home>/keys/<party>/<use>.key`` for further parties of one organisation.

>>> show_config(Config(home=Path("x"), party=Party("dev-a"), accord=Digest("a" * 64))).splitlines()[0]
'party = "dev-a"'
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from detente.adapters.files import store_file
from detente.adapters.keys import read_key
from detente.base.digest import Digest, parse_digest, sha256_hex
from detente.base.errors import Refused, Unavailable, shown
from detente.base.identity import Party, parse_party
from detente.statement.credential import check_place
from detente.statement.kinds import Use
from detente.statement.signing import SoftwareSigner

HOME_VARIABLE = "DETENTE_HOME"
HOME_DEFAULT = Path(".detente")
CONFIG_NAME = "config.toml"
CONFIG_MAX = 262_144
"""Bytes: 16 parties of 200 bytes each need 4 kB."""
TERMS_MAX = 4 * 2**20
_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,255}(?:/[A-Za-z0-9._~/\-]{0,255})?\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one node. All per second unless said; a burst is ten seconds' worth.

    ``address_s`` requests of one address; ``key_s`` statements of one key; ``guard_s`` permit messages of one guard
    key; ``notes_s`` reviewers' notes of one address, ``notes`` kept at all; ``clients`` listening for events; ``client_events`` waiting for a slow one; ``blob_bytes`` of one blob and
    ``blobs_bytes`` of all; ``uploads`` of entries or blobs at once.
    """

    address_s: int = 2_000
    key_s: int = 200
    guard_s: int = 20
    clients: int = 1_000
    client_events: int = 64
    notes_s: int = 1
    notes: int = 100_000
    blob_bytes: int = 64 * 2**20
    blobs_bytes: int = 16 * 2**30
    uploads: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One node's configuration. ``peers`` are the other parties' nodes; ``head`` is the file of the last signed head.

    ``gossip_s`` is how often peers are asked for cosignatures; ``ack_s`` how long a submission waits for its quorum.
    ``origin`` is that of the pages on which reviewers decide, and ``rp_id`` the relying party that their passkeys are for.
    ``webhooks`` are addresses of organisations that are told what waits for their reviewers.
    ``parties`` are further parties whose keys lie in the same home: two roles of one organisation.
    """

    home: Path
    party: Party
    accord: Digest
    terms: str = "terms.yaml"
    host: str = "127.0.0.1"
    port: int = 8700
    url: str = ""
    origin: str = ""
    rp_id: str = ""
    head: str = "head"
    gossip_s: float = 2.0
    ack_s: float = 10.0
    peers: Mapping[Party, str] = field(default_factory=dict)
    webhooks: Mapping[Party, str] = field(default_factory=dict)
    parties: tuple[Party, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def terms_path(self) -> Path:
        """The founding terms, exact bytes."""
        return self.home / self.terms

    @property
    def head_path(self) -> Path:
        """The file of the last signed head: keep it out of backups (``spec/store.md`` §2)."""
        return self.home / self.head

    @property
    def store_path(self) -> Path:
        """The database."""
        return self.home / "node.db"

    @property
    def node_url(self) -> str:
        """Where this node is reached: ``url``, else host and port."""
        return self.url or f"http://{self.host}:{self.port}"

    @property
    def page_origin(self) -> str:
        """Where browsers see the pages: ``origin``, else this machine by its name, which browsers trust without TLS."""
        return self.origin or f"http://localhost:{self.port}"

    @property
    def page_rp_id(self) -> str:
        """The relying party of passkeys: ``rp_id``, else the host of the pages."""
        return self.rp_id or self.page_origin.split("://", 1)[1].split(":", 1)[0]

    def read_terms(self) -> bytes:
        """The founding terms; raises ``Refused`` N01 when they are not those of the accord, ``Unavailable``."""
        try:
            with self.terms_path.open("rb") as file:
                data = file.read(TERMS_MAX + 1)
        except OSError as error:
            raise Unavailable(f"cannot read {self.terms_path}: {error.strerror}; run `detente init`") from None
        if (got := sha256_hex(data)) != self.accord:
            raise Refused(
                "N01",
                "wrong-accord",
                got=f"{self.terms_path} with digest {got}",
                expected=f"the founding terms of accord {self.accord}",
                todo="restore the exact bytes that were agreed; a reformatted copy is another accord",
            )
        return data

    def key_path(self, use: Use, party: Party | None = None) -> Path:
        """The file of a key, of this party or of another one of the same home."""
        folder = self.home / "keys"
        return (folder if party in {None, self.party} else folder / str(party)) / f"{use}.key"

    def signer(self, use: Use, party: Party | None = None) -> SoftwareSigner:
        """The signer of a key; raises as ``adapters.keys.read_key``."""
        return read_key(self.key_path(use, party))

    def has_key(self, use: Use, party: Party | None = None) -> bool:
        """Is there a file for this key?"""
        return self.key_path(use, party).is_file()


def find_home(given: str | os.PathLike[str] | None = None) -> Path:
    """The home folder: as given, else ``DETENTE_HOME``, else ``./.detente``."""
    return Path(given or os.environ.get(HOME_VARIABLE) or HOME_DEFAULT)


def load_config(home: Path) -> Config:
    """Read ``<home>/config.toml``; raises ``Refused`` N02, ``Unavailable`` where there is none."""
    path = home / CONFIG_NAME
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_MAX + 1)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}; run `detente init`") from None
    if len(data) > CONFIG_MAX:
        raise _refused(path, f"more than {CONFIG_MAX} bytes", "a short file")
    try:
        return _parse(home, tomllib.loads(data.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _refused(path, str(error), "TOML 1.0") from None
    except Refused as refused:
        raise _refused(path, refused.got, refused.expected) from None


def store_config(config: Config) -> None:
    """Write ``<home>/config.toml`` durably."""
    store_file(config.home / CONFIG_NAME, show_config(config).encode())


def show_config(config: Config) -> str:
    """The TOML text that ``load_config`` reads; members at their default are left out of ``limits``."""
    lines = [f"{name} = {json.dumps(getattr(config, name))}" for name in ("party", "accord", "terms", "host", "port")]
    if config.url:
        lines.append(f"url = {json.dumps(config.url)}")
    lines += [f"{name} = {json.dumps(getattr(config, name))}" for name in ("origin", "rp_id") if getattr(config, name)]
    lines += [f"head = {json.dumps(config.head)}", f"gossip_s = {config.gossip_s}", f"ack_s = {config.ack_s}"]
    if config.parties:
        lines.append(f"parties = {json.dumps(list(config.parties))}")
    lines += ["", "[peers]", *(f"{party} = {json.dumps(url)}" for party, url in sorted(config.peers.items()))]
    if config.webhooks:
        lines += ["", "[webhooks]", *(f"{party} = {json.dumps(url)}" for party, url in sorted(config.webhooks.items()))]
    changed = [
        f"{each.name} = {value}"
        for each in fields(Limits)
        if (value := getattr(config.limits, each.name)) != each.default
    ]
    if changed:
        lines += ["", "[limits]", *changed]
    return "\n".join([*lines, ""])


def _parse(home: Path, value: dict[str, Any]) -> Config:
    known = {each.name for each in fields(Config)} - {"home"}
    _only(value, known, "config.toml")
    peers, webhooks = (
        {parse_party(party): _url(url, f"{name}.{party}") for party, url in _table(value.get(name, {}), name).items()}
        for name in ("peers", "webhooks")
    )
    origin, rp_id = value.get("origin", ""), value.get("rp_id", "")
    if origin or rp_id:
        _page(origin, rp_id)
    return Config(
        home=home,
        party=parse_party(value.get("party")),
        accord=parse_digest(value.get("accord")),
        terms=_name(value.get("terms", "terms.yaml"), "terms"),
        host=_name(value.get("host", "127.0.0.1"), "host"),
        port=_whole(value.get("port", 8700), "port", 0, 65_535),
        url=_url(value["url"], "url") if value.get("url") else "",
        origin=origin,
        rp_id=rp_id,
        head=_name(value.get("head", "head"), "head"),
        gossip_s=_seconds(value.get("gossip_s", 2.0), "gossip_s"),
        ack_s=_seconds(value.get("ack_s", 10.0), "ack_s"),
        peers=peers,
        webhooks=webhooks,
        parties=tuple(parse_party(party) for party in _list(value.get("parties", []), "parties")),
        limits=_limits(_table(value.get("limits", {}), "limits")),
    )


def _page(origin: object, rp_id: object) -> None:
    """A relying party is of the origin that it is given with; raises ``Refused`` N02."""
    if not isinstance(origin, str) or not isinstance(rp_id, str) or not origin:
        raise _wrong(f"origin = {shown(origin)}, rp_id = {shown(rp_id)}", "an origin, and perhaps a relying party")
    try:
        check_place(rp_id or origin.split("://", 1)[-1].split(":", 1)[0], origin)
    except Refused as refused:
        raise _wrong(refused.got, refused.expected) from None


def _limits(value: dict[str, Any]) -> Limits:
    names = {each.name for each in fields(Limits)}
    _only(value, names, "limits")
    return Limits(**{name: _whole(number, f"limits.{name}", 1, 2**40) for name, number in value.items()})


def _only(value: dict[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(value) - known)
    if unknown:
        raise _wrong(f"{where} with {', '.join(unknown)}", "only " + ", ".join(sorted(known)))


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(f"{name} = {shown(value)}", "a table")
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(f"{name} = {shown(value)}", "a list")
    return value


def _name(value: Any, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 1_024:
        raise _wrong(f"{name} = {shown(value)}", "a text")
    return value


def _url(value: Any, name: str) -> str:
    if not isinstance(value, str) or not _URL.match(value):
        raise _wrong(f"{name} = {shown(value)}", "a URL with http:// or https://")
    return value.rstrip("/")


def _whole(value: Any, name: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise _wrong(f"{name} = {shown(value)}", f"a whole number from {least} to {most}")
    return value


def _seconds(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.01 <= value <= 86_400:
        raise _wrong(f"{name} = {shown(value)}", "seconds from 0.01 to 86,400")
    return float(value)


def _wrong(got: str, expected: str) -> Refused:
    return Refused("N02", "malformed", got=got, expected=expected)


def _refused(path: Path, got: str, expected: str) -> Refused:
    return Refused("N02", "malformed", got=f"{path}: {got}", expected=expected, todo="see docs/guides/run-a-node.md")
