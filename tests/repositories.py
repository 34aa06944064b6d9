"""Make git repositories for tests: real git, no configuration but what is said here, dates that do not move."""

import os
import subprocess
from pathlib import Path

ADA = ("Ada Lovelace", "ada@example.org")
START_S = 1_750_000_000


class Built:
    """A repository that a test builds commit by commit; each is an hour younger than the one before."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        self.now = START_S
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main", *options)

    def git(self, *arguments: str, stdin: bytes | None = None, **extra: str) -> str:
        """What git says; fails the test where git fails."""
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        fixed = {"HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C", "TZ": "UTC"}
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=kept | fixed | extra, input=stdin, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def commit(
        self,
        message: str = "change",
        files: dict[str, str | bytes] | None = None,
        *,
        author: tuple[str, str] = ADA,
        committer: tuple[str, str] | None = None,
        at_s: int | None = None,
    ) -> str:
        """Write ``files``, commit everything, return the commit's id."""
        for name, content in (files or {}).items():
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A")
        self.record(message, author=author, committer=committer, at_s=at_s)
        return self.git("rev-parse", "HEAD")

    def record(
        self,
        message: str,
        *more: str,
        author: tuple[str, str] = ADA,
        committer: tuple[str, str] | None = None,
        at_s: int | None = None,
    ) -> None:
        """Commit what is staged."""
        self.now = at_s if at_s is not None else self.now + 3600
        who = committer or author
        self.git(
            "commit", "-q", "--allow-empty", "--no-verify", "--cleanup=verbatim", "-F", "-", *more,
            stdin=message.encode("utf-8", "surrogateescape"),
            GIT_AUTHOR_NAME=author[0], GIT_AUTHOR_EMAIL=author[1], GIT_AUTHOR_DATE=f"{self.now} +0000",
            GIT_COMMITTER_NAME=who[0], GIT_COMMITTER_EMAIL=who[1], GIT_COMMITTER_DATE=f"{self.now} +0000",
        )  # fmt: skip

    def note(self, commit: str, text: str | bytes, ref: str = "refs/notes/ai") -> None:
        """Annotate ``commit``."""
        blob = self.git("hash-object", "-w", "--stdin", stdin=text if isinstance(text, bytes) else text.encode())
        who = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "n"), ("EMAIL", "n@example.org"))
        }
        self.git("notes", f"--ref={ref}", "add", "-f", "-C", blob, commit, **who)
