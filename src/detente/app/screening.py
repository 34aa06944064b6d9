"""Commit to seeded changes, put one as any other proposal, and reveal those that were decided on.

Decides how seeds lie in files, whose key says what, and when a seed is revealed. Leaves out how they are made (``app.seeding``) and what follows
(``accord.screened``). ``spec/review.md`` §5.

- ``secret/`` stays with whoever chose the seeds: salt, and what is wrong where. ``put/`` goes to whoever files for the developer: the patch and its summary.
- A seed is filed as its party's others are: after the pattern of an earlier proposal (proposer, parts, FLOP, parent), by the key that signed that, and with its bytes
  stored only where theirs are. So nothing in the log or at the node tells it from them.
- A seed is revealed once somebody whose word counts has decided, and only then; what was revealed is not revealed again.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from detente.adapters.clock import SystemClock
from detente.adapters.files import store_file
from detente.app.door import Door
from detente.app.petition import Speaker
from detente.app.seeding import PATCH_MAX, MadeSeed
from detente.base.digest import Digest, parse_digest, sha256_hex
from detente.base.errors import Misuse, Refused, Unavailable
from detente.base.identity import Party
from detente.base.strict_json import parse_json
from detente.statement.commitment import SALT_SIZE
from detente.statement.envelope import parse_envelope, signers_of
from detente.statement.kinds import Use
from detente.statement.proposal import Proposal
from detente.statement.screening import Reveal, Screening, commit_change

FILE_MAX: Final = 2 * PATCH_MAX
COMMITS_AT_ONCE: Final = 256
_SIGNING: Final[tuple[Use, ...]] = ("guard", "statement")


@dataclass(frozen=True, slots=True)
class Seed:
    """One seed as whoever chose it keeps it. ``commitment`` and ``revealed`` are statement ids, once there are such."""

    file: Path
    change: Digest
    salt: bytes
    flaw: str
    path: str
    line: int
    commitment: Digest | None
    revealed: Digest | None


def store_seeds(folder: Path, made: Sequence[MadeSeed]) -> None:
    """Write each seed as ``secret/NNN.json`` and ``put/NNN.json``; raises ``Misuse`` where some lie there already."""
    if any(folder.glob("secret/*.json")):
        raise Misuse(f"{folder} holds seeds already: name another folder")
    for number, seed in enumerate(made):
        put = {"patch": seed.patch.decode(), "summary": seed.summary}
        secret = {
            "change": sha256_hex(seed.patch),
            "salt": base64.b64encode(secrets.token_bytes(SALT_SIZE)).decode(),
            "flaw": seed.flaw,
            "path": seed.path,
            "line": seed.line,
            "commit": seed.commit,
        }
        store_file(folder / "put" / f"{number:03d}.json", json.dumps(put, indent=1).encode())
        store_file(folder / "secret" / f"{number:03d}.json", json.dumps(secret, indent=1).encode())


def load_seeds(folder: Path) -> list[Seed]:
    """The seeds of a folder; raises ``Misuse`` where there are none or one does not read."""
    found = [_seed(path) for path in sorted(folder.glob("secret/*.json"))]
    if not found:
        raise Misuse(f"{folder} holds no seeds: `detente hold screen make {folder} --repository PATH` makes some")
    return found


def _seed(path: Path) -> Seed:
    value = _read(path)
    try:
        salt = base64.b64decode(value["salt"], validate=True)
        commitment, revealed = (
            None if (v := value.get(name)) is None else parse_digest(v) for name in ("commitment", "revealed")
        )
        return Seed(
            path,
            parse_digest(value["change"]),
            salt,
            str(value["flaw"]),
            str(value["path"]),
            int(value["line"]),
            commitment,
            revealed,
        )
    except (KeyError, TypeError, ValueError, Refused) as error:
        raise Misuse(f"{path} is no seed: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            value = parse_json(file.read(FILE_MAX + 1), limit=FILE_MAX)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from None
    except Refused as refused:
        raise Misuse(f"{path}: {refused}") from None
    if not isinstance(value, dict):
        raise Misuse(f"{path} is no JSON object")
    return value


def _remember(seed: Seed, name: str, statement: Digest) -> None:
    """Keep what was filed beside the seed, before anything else happens."""
    store_file(seed.file, json.dumps({**_read(seed.file), name: statement}, indent=1).encode())


async def commit_seeds(door: Door, folder: Path, party: str | None) -> tuple[Digest, ...]:
    """File commitments to every seed of the folder that has none; returns the statements."""
    speaker = door.speaker(party)
    waiting = [seed for seed in load_seeds(folder) if seed.commitment is None]
    filed: list[Digest] = []
    for first in range(0, len(waiting), COMMITS_AT_ONCE):
        some = waiting[first : first + COMMITS_AT_ONCE]
        # Sorted: the order in which they will be put must not show.
        commits = sorted(commit_change(accord=speaker.accord, salt=seed.salt, change=seed.change) for seed in some)
        made, envelope = speaker.state("screening", Screening(commits=tuple(commits)))
        await door.submit(envelope)
        for seed in some:
            _remember(seed, "commitment", made)
        filed.append(made)
    return tuple(filed)


async def put_change(door: Door, file: Path, *, party: str | None, like: Digest) -> Digest:
    """File the change of ``put/NNN.json`` after the pattern of an earlier proposal of the party; returns the proposal's id."""
    value = _read(file)
    patch, summary = value.get("patch"), value.get("summary")
    if not isinstance(patch, str) or not isinstance(summary, str) or value.keys() - {"patch", "summary"}:
        raise Misuse(f"{file} is no change to put: it holds a patch and a summary, and nothing else")
    envelope = await door.envelope(like)
    pattern = await door.statement(like)
    if not isinstance(pattern.body, Proposal):
        raise Misuse(f"{like[:12]}… is a {pattern.kind}, not a proposal")
    speaker = _as_before(door, pattern.header.party if party is None else Party(party), envelope)
    if pattern.header.party != speaker.party:
        raise Misuse(f"{like[:12]}… is {pattern.header.party}'s: a seed is filed as others of {speaker.party} are")
    body = replace(pattern.body, change=sha256_hex(patch.encode()), summary=summary)
    if await door.has_blob(pattern.body.change):
        await door.store_blob(patch.encode(), speaker.signer)
    made, filed = speaker.state("proposal", body)
    await door.submit(filed)
    return made


def _as_before(door: Door, party: Party, envelope: bytes) -> Speaker:
    """Whoever speaks with the key that signed the pattern."""
    config = door.config
    signed = set(signers_of(parse_envelope(envelope)))
    for use in _SIGNING:
        if config.has_key(use, party) and (signer := config.signer(use, party)).public_key in signed:
            return Speaker(
                accord=config.accord,
                terms_version=door.terms.version,
                party=party,
                signer=signer,
                wall=SystemClock().now,
            )
    raise Misuse(
        f"this home has no key that signed {party}'s earlier proposal: another key would tell the seed from the others"
    )


@dataclass(frozen=True, slots=True)
class Revealed:
    """A seed that was decided on, and whether it was caught by the first whose word counts."""

    seed: Seed
    proposal: Digest
    statement: Digest
    caught: int
    decided: int

    def as_json(self) -> dict[str, Any]:
        return {
            "statement": self.statement,
            "proposal": self.proposal,
            "flaw": self.seed.flaw,
            "path": self.seed.path,
            "line": self.seed.line,
            "caught": self.caught,
            "decided": self.decided,
        }


async def reveal_decided(
    door: Door, folder: Path, party: str | None, *, undecided: bool = False
) -> tuple[list[Revealed], int]:
    """Reveal every seed on which somebody whose word counts has decided; returns those, and how many still wait.

    With ``undecided``, the others that were put are revealed too, and are void.
    """
    speaker = door.speaker(party)
    done: list[Revealed] = []
    waiting = 0
    for seed in load_seeds(folder):
        if seed.revealed is not None:
            continue
        found = None if seed.commitment is None else await _put(door, seed, speaker.party)
        if seed.commitment is None or found is None or not (found["decisions"] or undecided):
            waiting += 1
            continue
        proposal = parse_digest(found["proposal"])
        reveal = Reveal(proposal, seed.change, seed.commitment, seed.salt, seed.flaw)
        made, envelope = speaker.state("screening", Screening(reveal=reveal))
        await door.submit(envelope)
        _remember(seed, "revealed", made)
        first = {(each["organisation"], each["reviewer"]): each["decision"] for each in reversed(found["decisions"])}
        caught = sum(decision != "approve" for decision in first.values())
        done.append(Revealed(seed, proposal, made, caught, len(first)))
    return done, waiting


async def _put(door: Door, seed: Seed, chosen_by: Party) -> dict[str, Any] | None:
    """The proposal that puts the seed, with the decisions on it whose word counts; the first that was decided on."""
    said = await door.change(seed.change)
    proposals = [each for each in said["proposals"] if each["party"] != chosen_by]
    for each in proposals:
        each["decisions"] = [d for d in each["decisions"] if d["organisation"] not in {each["party"], chosen_by}]
    return next((each for each in proposals if each["decisions"]), proposals[0] if proposals else None)
