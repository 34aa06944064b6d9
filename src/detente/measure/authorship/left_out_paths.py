"""Which files do not count as code that somebody wrote: lock files, vendored and generated files, notebooks, tables of data.

Decides by path alone, so that the same rule holds for a bare or partial clone; binary files are git's decision. What is left out
is counted with its reason. A file that no rule names counts. ``spec/measure-authorship.md`` §4.

>>> left_out("web/package-lock.json"), left_out("third_party/zlib/inflate.c"), left_out("src/train.py")
('lock', 'vendored', None)
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

Reason = Literal["lock", "vendored", "generated", "notebook", "data"]
REASONS: Final[dict[str, str]] = {
    "lock": "lock files: a tool writes them",
    "vendored": "vendored files: somebody else's work, copied in",
    "generated": "generated files: a program writes them",
    "notebook": "notebooks: code and recorded output cannot be told apart by line",
    "data": "tables of data: not code",
    "binary": "binary files, or over 64 MiB: git counts no lines",
    "unread": "files whose content is absent or damaged",
    "cut": "files at the edge of a shallow clone: what the commit changed cannot be told",
    "dropped": "files beyond the first 200,000 of one commit",
}
"""Every reason for which a file's lines do not count, as a sentence for people."""

_LOCK = frozenset(
    "package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock bun.lockb deno.lock cargo.lock poetry.lock pdm.lock uv.lock "
    "pipfile.lock pixi.lock conda-lock.yml requirements.lock gemfile.lock composer.lock go.sum go.work.sum flake.lock mix.lock pubspec.lock "
    "podfile.lock package.resolved packages.lock.json gradle.lockfile paket.lock module.bazel.lock .terraform.lock.hcl".split()
)
_VENDORED = re.compile(
    r"(?:^|/)(?:vendor|vendors|vendored|third[_-]?party|3rdparty|externals|extern|node_modules|bower_components|"
    r"site-packages|\.yarn/(?:releases|plugins)|pods|carthage|_vendor)/"
)
_GENERATED = re.compile(
    r"(?:^|/)(?:__generated__|generated|__snapshots__|\.next|__pycache__)/"
    r"|\.min\.(?:js|css|mjs)$|\.(?:js|css|mjs)\.map$|\.bundle\.js$|(?:^|[-._/])bundle\.min\.js$"
    r"|_pb2(?:_grpc)?\.pyi?$|\.pb\.(?:go|cc|h|rb|swift)$|_grpc\.pb\.go$|\.pb\.gw\.go$|\.g\.(?:cs|dart)$|\.freezed\.dart$"
    r"|\.generated\.[a-z0-9]+$|[._-]gen\.(?:go|ts|rs)$|zz_generated[^/]*\.go$|\.designer\.cs$|\.snap(?:\.new)?$|\.expected\.snap$"
    r"|(?:^|/)(?:gradlew|gradlew\.bat|mvnw|mvnw\.cmd)$"
)
_DATA = re.compile(r"\.(?:csv|tsv|jsonl|ndjson|svg|geojson|po|pot|xlf)$")


@lru_cache(maxsize=1 << 14)
def left_out(path: str) -> Reason | None:
    """Why a file of this path does not count; ``None`` where it does."""
    folded = path.casefold()
    if folded.rpartition("/")[2] in _LOCK:
        return "lock"
    if _VENDORED.search(folded):
        return "vendored"
    if _GENERATED.search(folded):
        return "generated"
    if folded.endswith(".ipynb"):
        return "notebook"
    return "data" if _DATA.search(folded) else None


def area_of(path: str) -> str:
    """The top folder that a path lies in, ``.`` for files of the root.

    >>> area_of("src/a/b.py"), area_of("README.md")
    ('src', '.')
    """
    head, slash, _ = path.partition("/")
    return head if slash else "."
