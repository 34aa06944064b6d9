"""Make a home: keys, a card for those who write the terms, and the configuration.

Decides which keys a party gets and what it shows of them. Leaves out how keys are kept (``adapters.keys``) and what
terms say (``accord``). Rules N03 and N04 of ``spec/node.md``.

- Keys that are there are kept; missing ones are made. A home that is configured for another accord is not touched: N03.
- The card holds public keys with proofs of possession, and the same as a block for the ``keys`` section of terms.
- With terms, they must name this party with keys of this home: N04.
- ``solo``: the shipped terms of one organisation, filled with fresh keys for its two roles, and both accede. The safety
  side gets the key of one reviewer, enrolled in the terms.

>>> card = PartyCard(Party("dev-a"), ())
>>> card.as_json()["party"]
'dev-a'
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detente.accord.key_reading import ProvenKey, spell_keys
from detente.accord.reading import read_terms
from detente.accord.terms import PartyKeys, Terms, parse_terms
from detente.adapters.clock import SystemClock
from detente.adapters.files import store_file
from detente.adapters.keys import make_key
from detente.app.config import CONFIG_NAME, Config, load_config, store_config
from detente.app.node import open_node
from detente.app.reviewing import REVIEWER
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse, Refused
from detente.base.identity import Party, PublicKey, show_key
from detente.statement.accession import Accession
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.keys import prove_possession
from detente.statement.kinds import Use
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import Header, make_payload

ALL_USES: tuple[Use, ...] = ("root", "statement", "guard", "log", "mirror", "witness", "permit", "reviewer")
SOLO_USES: tuple[Use, ...] = ALL_USES[:-1]
"""Keys of the side that develops: its reviewers would be the authors of what it proposes."""
SECOND_USES: tuple[Use, ...] = ("root", "statement", "guard", "reviewer")
"""Keys of a further party of the same home: it speaks and reviews, but keeps no log of its own."""
NAMED_USES: Mapping[Use, str] = {"log": "log", "mirror": "mirror", "witness": "witness"}
SOLO = "solo.yaml"
ROOT_ADVICE = (
    "the root key signs only terms, key changes, accession and withdrawal: move {path} to a medium that is offline, "
    "and keep a second copy elsewhere"
)


@dataclass(frozen=True, slots=True)
class PartyCard:
    """What a party gives to whoever writes the terms. Public."""

    party: Party
    keys: tuple[ProvenKey, ...]

    @property
    def terms_block(self) -> str:
        """These keys as they stand in the ``keys`` section of terms."""
        return spell_keys({self.party: 1}, {self.party: self.keys})

    def as_json(self) -> dict[str, Any]:
        return {
            "party": self.party,
            "keys": [
                {
                    "use": each.use,
                    "key": show_key(each.key),
                    "proof": base64.b64encode(each.proof).decode(),
                    **({} if each.name is None else {"name": each.name}),
                }
                for each in self.keys
            ],
        }


@dataclass(frozen=True, slots=True)
class Made:
    """What ``init`` made: the cards, the root keys' files, and the accord if there is one."""

    home: Path
    cards: tuple[PartyCard, ...]
    roots: tuple[Path, ...]
    accord: Digest | None
    terms: Path | None

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do with the root keys."""
        return tuple(ROOT_ADVICE.format(path=path) for path in self.roots)


def make_party(
    home: Path, party: Party, *, domain: str | None = None, terms: bytes | None = None, **settings: Any
) -> Made:
    """Make a party's keys and, with terms, its configuration; ``settings`` are members of ``Config``.

    Raises ``Refused`` N03, N04, C01, C02, T…, ``Unavailable``.
    """
    _check_free(home, None if terms is None else sha256_hex(terms))
    card = _card(home / "keys", party, ALL_USES, domain or f"{party}.example")
    root = home / "keys" / "root.key"
    if terms is None:
        return Made(home, (card,), (root,), None, None)
    parsed = parse_terms(terms)
    _check_named(parsed, card)
    config = Config(home=home, party=party, accord=parsed.digest, **settings)
    _keep_out_of_git(home)
    store_file(config.terms_path, terms, mode=0o644)
    if not (home / CONFIG_NAME).exists():
        store_config(config)
    return Made(home, (card,), (root,), parsed.digest, config.terms_path)


_PAUSED = b"pause: {activities: [training, self_improvement]"


async def make_solo(home: Path, *, deployments: bool = False, **settings: Any) -> Made:
    """One organisation on one machine: fill the shipped terms with fresh keys, and let both roles accede.

    ``deployments``: a pause stops releases and what is served, too; the shipped terms stop training and self-improvement.
    """
    if (home / CONFIG_NAME).exists():
        raise _taken(home, load_config(home).accord)
    template = shipped_accord(SOLO)
    if deployments:
        assert _PAUSED in template, "the shipped terms say what a pause stops in this line"
        template = template.replace(_PAUSED, _PAUSED[:-1] + b", deployment]")
    shape = read_terms(template, template=True)
    first, *others = _in_order(shape)
    cards = [_card(home / "keys", first, SOLO_USES, f"{first}.example")]
    cards += [_card(home / "keys" / party, party, SECOND_USES, f"{party}.example") for party in others]
    keys = spell_keys({card.party: 1 for card in cards}, {card.party: card.keys for card in cards})
    data = template.rstrip(b"\n") + b"\n\n" + keys.encode()
    terms = parse_terms(data)
    config = Config(home=home, party=first, accord=terms.digest, parties=tuple(others), **settings)
    _keep_out_of_git(home)
    store_file(config.terms_path, data, mode=0o644)
    store_config(config)
    node = open_node(home)
    try:
        for party in (first, *others):
            await node.submit(_accession(config, terms, party))
    finally:
        await node.close()
    return Made(
        home,
        tuple(cards),
        tuple(config.key_path("root", card.party) for card in cards),
        terms.digest,
        config.terms_path,
    )


def accords_folder() -> Path:
    """Where the terms lie that come with the package: inside it once installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "accords", package.parents[1] / "accords"):
        if folder.is_dir():
            return folder
    raise Misuse("the terms that come with this package are not there: install it again")


def shipped_accord(name: str) -> bytes:
    """Terms that come with the package; raises ``Misuse`` for a name that does not."""
    path = accords_folder() / name
    if not path.is_file():
        raise Misuse(f"no terms called {name} come with this package")
    return path.read_bytes()


def _keep_out_of_git(home: Path) -> None:
    """A home is made inside repositories, and holds keys: nobody should commit it by `git add .`."""
    path = home / ".gitignore"
    if not path.exists():
        store_file(path, b"# Keys and logs of detente: not for a repository.\n*\n", mode=0o644)


def _in_order(shape: Terms) -> Sequence[Party]:
    """The party that keeps the log first: the one that develops."""
    return sorted(shape.parties, key=lambda party: ("developer" not in shape.parties[party].roles, party))


def _card(folder: Path, party: Party, uses: Sequence[Use], domain: str) -> PartyCard:
    proven = []
    for use in uses:
        path = folder / f"{use}.key"
        signer = _read_or_make(path)
        name = f"{domain}/{NAMED_USES[use]}" if use in NAMED_USES else REVIEWER if use == "reviewer" else None
        proven.append(ProvenKey(use, signer.public_key, prove_possession(party, use, signer, name), name))
    return PartyCard(party, tuple(proven))


def _read_or_make(path: Path) -> SoftwareSigner:
    from detente.adapters.keys import read_key

    return read_key(path) if path.exists() else make_key(path)


def _accession(config: Config, terms: Terms, party: Party) -> bytes:
    header = Header(
        accord=terms.digest,
        terms=terms.version,
        party=party,
        nonce=secrets.token_hex(16),
        made_at=SystemClock().now(),
    )
    payload = make_payload("accession", header, (), Accession(terms.digest, ()))
    return encode_envelope(sign_payload(payload, config.signer("root", party)))


def _check_free(home: Path, accord: Digest | None) -> None:
    if (home / CONFIG_NAME).exists():
        known = load_config(home).accord
        if accord is not None and known != accord:
            raise _taken(home, known)


def _taken(home: Path, accord: Digest) -> Refused:
    return Refused(
        "N03",
        "conflict",
        got=f"{home}, which is configured for accord {accord}",
        expected="a home without a configuration",
        todo="choose another one with --home",
    )


def _check_named(terms: Terms, card: PartyCard) -> None:
    """Refuse (N04) terms that do not name this party with keys of this home."""
    keys = terms.keys.get(card.party)
    if keys is None:
        raise Refused(
            "N04", "unknown-party", got=f"terms without keys of {card.party}", expected=", ".join(sorted(terms.keys))
        )
    ours = {each.key for each in card.keys}
    strange = [show_key(key) for key in _all_keys(keys) if key not in ours]
    if strange:
        raise Refused(
            "N04",
            "unknown-party",
            got=f"terms that give {card.party} the key {strange[0]}",
            expected="only keys whose files are in this home",
            todo="put this home's card into the terms, or use the home that made those keys",
        )


def _all_keys(keys: PartyKeys) -> list[PublicKey]:
    named = [each.key for each in (keys.log, keys.mirror, keys.witness) if each is not None]
    permit = [keys.permit] if keys.permit is not None else []
    return [*keys.statement, *keys.guard, *named, *permit]
