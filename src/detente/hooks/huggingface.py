"""Uploads to the Hugging Face Hub with a write token that only this process reads, and only once there is leave.

Decides what is published (the bytes that were listed, and nothing else), which version that is, and when it is asked about. Leaves out asking
(``app.gating``). ``spec/serving.md`` §4, rules J34, J35 and J37.

- The version is the digest of the folder's listing (``spec/guard-runtime.md`` §4), as ``detente gate FOLDER`` has it.
- It is asked twice: before a byte leaves, and again before the commit that publishes, since an upload may take hours.
- What is small is held in memory from its first reading on. What is large goes by its SHA-256 in the Hub's LFS protocol, and is read again
  before the commit. What differs from the listing is not published. Xet is not used: there the Hub's package may name a SHA-256 that it took of a
  file before it reads the bytes that it sends.
- Observing, what would have been answered is recorded once, before a byte leaves, and the upload goes on.
- The token lies in the home with the address that it is for: no variable of the environment says where it is sent.

The package ``huggingface_hub`` is whoever's uses it; nothing of it is imported before.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from detente.adapters.keys import read_private, store_private
from detente.adapters.listing import digest_file, list_folder
from detente.app.config import find_home
from detente.app.gating import ask_release
from detente.app.observed_asking import spoken
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import DetenteError, Misuse, Refused, Unavailable, shown
from detente.guard.answer import Answer

HUB: Final = "https://huggingface.co"
TOKEN: Final = "hub.token"  # noqa: S105 - the name of its file
TOKEN_MAX: Final = 1_024
ASK_S: Final = 20.0
SMALL_MAX: Final = 16 << 20
"""Bytes up to which a file is held in memory; the Hub takes larger ones by LFS alone (its limit for others is 10 MB)."""
HELD_MAX: Final = 256 << 20
"""Bytes held in memory altogether; beyond, small files too are read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where it is published. ``path`` is a folder in the repository, empty for its root."""

    repo: str
    repo_type: str = "model"
    revision: str = "main"
    path: str = ""
    message: str = "upload"

    def as_json(self) -> dict[str, str]:
        return {
            "repo": self.repo,
            "repo_type": self.repo_type,
            "revision": self.revision,
            "path": self.path,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was published: the version, the commit, and how many files."""

    version: Digest
    commit: str
    url: str
    files: int


def held_upload(
    target: Target,
    folder: str | Path,
    *,
    home: str | Path | None = None,
    developer: str | None = None,
    within_s: float = ASK_S,
    observed: Callable[[str], None] | None = None,
) -> Published:
    """Publish ``folder``, if there is leave to deploy its digest. Raises ``Refused`` J34, J35, J37, C01, ``Unavailable``, ``Misuse``.

    1. The folder is listed: its digest is the version. It has nothing to do with the home.
    2. There is leave: J35.
    3. What is small is what was listed: J34. What is large goes to the Hub's store, where no commit names it yet.
    4. What was large and sent is what was listed, and still is: J34.
    5. There is leave, still: J35. Then the commit.

    ``observed`` makes 2 and 5 a record of what would have been answered, which it is told in one line.
    """
    place = Path(folder)
    token, endpoint = read_token(home)
    hub = _hub()
    api = hub.HfApi(endpoint=endpoint, token=token)
    keep_apart(place, find_home(home))
    files = listed_files(place)  # 1
    version = sha256_hex(b"".join(f"{digest} {size} {name}\n".encode() for name, (size, digest) in files.items()))

    def ask(*, observing: bool = False) -> Answer:
        return ask_release(
            "hf-upload",
            {**target.as_json(), "endpoint": endpoint},
            version,
            developer=developer,
            home=home,
            within_s=within_s,
            observing=observing,
        )

    def leave() -> None:
        if observed is None:
            allowed(ask(), target, version)

    if observed is not None:
        observed(spoken(ask(observing=True), _about(target, version)))
    leave()  # 2
    try:
        with _without_xet(hub.constants):
            return _sent(api, hub.CommitOperationAdd, target, place, files, version, leave)
    except DetenteError:
        raise
    except Exception as error:  # noqa: BLE001 - the Hub's package raises of many kinds, and none may show the token
        said = f"{type(error).__name__}: {error}".replace(token, "…").split("\n")[0]
        raise Unavailable(f"the Hub did not take it: {said[:500]}") from None


def _sent(
    api: Any,
    addition: Any,
    target: Target,
    place: Path,
    files: Mapping[str, tuple[int, Digest]],
    version: Digest,
    leave: Callable[[], None],
) -> Published:
    operations, large = [], []
    kept = 0
    for name, (size, digest) in files.items():
        source: bytes | str = str(place / name)
        if size <= SMALL_MAX and kept + size <= HELD_MAX:
            kept += size
            source = (place / name).read_bytes()
            if sha256_hex(source) != digest:  # 3
                raise _edited(name, digest)
        made = addition(path_in_repo=f"{target.path}/{name}".lstrip("/"), path_or_fileobj=source)
        operations.append(made)
        if isinstance(source, str):
            large.append((name, made))
    where = {"repo_id": target.repo, "repo_type": target.repo_type, "revision": target.revision}
    api.preupload_lfs_files(additions=operations, free_memory=False, **where)
    for name, made in large:  # 4
        sent = made.upload_info.sha256  # Of the bytes that went, by the Hub's own package.
        if digest_file(place / name)[1] != files[name][1] or sent is None or sent.hex() != files[name][1]:
            raise _edited(name, files[name][1])
        if getattr(made, "_upload_mode", None) != "lfs":
            raise Unavailable(f"the Hub does not take {name} by its SHA-256, and it is too large to be held in memory")
    leave()  # 5
    commit = api.create_commit(operations=operations, commit_message=target.message, **where)
    return Published(version=version, commit=str(commit.oid), url=str(commit.commit_url), files=len(operations))


def keep_apart(place: Path, home: Path) -> None:
    """Raises ``Misuse`` where publishing ``place`` would publish of ``home``: the token and the keys lie there."""
    real, private = place.resolve(), home.resolve()
    if private.is_relative_to(real) or real.is_relative_to(private):
        raise Misuse(f"got {place}, which holds the home {home} or lies in it; expected a folder without keys")


def listed_files(place: Path) -> dict[str, tuple[int, Digest]]:
    """Size and digest of each file by its name, in the order of the listing; raises ``Misuse`` for a link, or for nothing.

    A link could lead to what nobody meant to publish, the token for one.
    """
    if not place.is_dir() or place.is_symlink():
        raise Misuse(f"got {place}; expected a folder to publish")
    for each in place.rglob("*"):
        if each.is_symlink() or not (each.is_file() or each.is_dir()):
            raise Misuse(f"got {each.relative_to(place)}, a link or no regular file; expected files alone")
    files = {}
    try:
        listing = list_folder(place)
    except OSError as error:
        raise Unavailable(f"cannot read {place}: {error.strerror}") from None
    for line in listing.decode("utf-8").splitlines():
        digest, size, name = line.split(" ", 2)
        files[name] = (int(size), Digest(digest))
    if not files:
        raise Misuse(f"got {place} without a file; expected something to publish")
    return files


def allowed(answer: Answer, target: Target, version: Digest) -> None:
    """Return where the answer allows; raises ``Refused`` J35, ``Unavailable`` where nobody answered."""
    if answer.allowed:
        return
    what = _about(target, version)
    if not answer.answered:
        raise Unavailable(f"no answer, so held: {what}: {answer.why}"[:1_000])
    raise Refused(
        "J35",
        "held",
        got=f"{what}: {answer.verdict}: {answer.why}"[:1_000],
        expected="leave of the accord to publish it",
        todo="a person can see why with `detente status --why`; upload it again once that has changed",
    )


def read_token(home: str | Path | None) -> tuple[str, str]:
    """The token and the address that it is for, from ``keys/hub.token`` of the home; raises ``Refused`` C01, J37, ``Unavailable``.

    No message shows what stands in the file.
    """
    path = find_home(home) / "keys" / TOKEN
    data = read_private(path, TOKEN_MAX, todo="store it with `detente hook hf-upload --store-token`")
    lines = data.decode("ascii", "replace").splitlines()
    if len(lines) != 2 or not _is_token(lines[0]) or not _is_address(lines[1]):
        raise Refused(
            "J37",
            "malformed",
            got=f"{path} of {len(data)} bytes",
            expected="two lines: the token, and the address of the Hub that it is for",
            todo="remove it, and store it again with `detente hook hf-upload --store-token`",
        )
    return lines[0], lines[1]


def store_token(token: str, *, endpoint: str = HUB, home: str | Path | None = None) -> Path:
    """Keep a token for one Hub, readable by this user alone; raises ``Misuse``, ``Refused`` C03 where there is one."""
    token = token.strip()
    if not _is_token(token):
        raise Misuse("got no token; expected one line of 8 to 512 letters, digits, - and _")
    if not _is_address(endpoint):
        raise Misuse(f"got {shown(endpoint)}; expected the Hub's address: https://…, or http on this machine")
    path = find_home(home) / "keys" / TOKEN
    store_private(path, f"{token}\n{endpoint.rstrip('/')}\n".encode("ascii"))
    return path


def _is_token(text: str) -> bool:
    return 8 <= len(text) <= 512 and text.isascii() and text.replace("_", "").replace("-", "").isalnum()


def _is_address(text: str) -> bool:
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > 256:
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"})
    return safe and bool(parts.hostname) and "@" not in parts.netloc and not parts.query


def _about(target: Target, version: Digest) -> str:
    """The act, for people."""
    return f"an upload to {target.repo[:200]}, digest {version}"


def _edited(name: str, digest: Digest) -> Refused:
    return Refused(
        "J34",
        "corrupt",
        got=f"{shown(name)} with other bytes than when it was asked about",
        expected=f"SHA-256 {digest}",
        todo="publish a folder that nobody writes to, and ask again for what it holds now",
    )


@contextlib.contextmanager
def _without_xet(constants: Any) -> Iterator[None]:
    """The Hub's package sends what is large by LFS for as long as this lasts, in this whole process."""
    before = getattr(constants, "HF_HUB_DISABLE_XET", False)
    constants.HF_HUB_DISABLE_XET = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


def _hub() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise Unavailable("uploads need the Hub's own package: pip install 'detente[huggingface]'") from None
