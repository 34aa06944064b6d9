"""``make k8s-check``: with a stub in place of kubectl, as far as its own refusals go. It has not been run on a cluster."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def check(folder: Path, *words: str, stub: str | None = None) -> subprocess.CompletedProcess:
    """The script with a PATH that has this kubectl alone."""
    folder.mkdir(exist_ok=True)
    if stub is not None:
        (folder / "kubectl").write_text(f"#!/bin/sh\n{stub}\n")
        (folder / "kubectl").chmod(0o755)
    command = [
        sys.executable,
        "-m",
        "tests.integration.k8s_check",
        *words,
        "--settle",
        "0",
        "--transcript",
        str(folder / "transcript"),
    ]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": f"{folder}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


MEANT = ("--context", "kind", "--image", "i")


def test_without_kubectl_a_context_or_their_names_nothing_begins(tmp_path):
    """Four ways of not being meant; no transcript is written by any."""
    for words, stub, said in (
        (("--context", "", "--image", ""), None, "say K8S_CONTEXT"),
        (MEANT, None, "got no kubectl"),
        (MEANT, "echo none >&2; exit 1", "no current context"),
        (MEANT, "echo production", "got the context 'production'"),
    ):
        done = check(tmp_path / "bin", *words, stub=stub)
        assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "bin" / "transcript").exists()


def test_a_step_that_is_not_seen_ends_it_with_a_transcript(tmp_path):
    """A cluster that refuses everything: exit 1, what was typed and what came, and the namespace is taken away."""
    stub = 'case "$*" in "config current-context") echo kind;; *delete*) echo "$*" >> "$0.deleted";; *) echo no >&2; exit 1;; esac'
    done = check(tmp_path / "bin", *MEANT, stub=stub)
    assert (done.returncode, "NOT SEEN" in done.stdout) == (1, True), done.stderr
    text = (tmp_path / "bin" / "transcript").read_text()
    assert "$ kubectl version -o json\nno\nexit 1" in text
    assert "delete namespace detente-check" in (tmp_path / "bin" / "kubectl.deleted").read_text()


def test_an_acceptance_where_a_refusal_was_promised_is_not_seen(tmp_path):
    """A cluster that takes everything fails the check: nothing was held."""
    stub = 'case "$*" in "config current-context") echo kind;; esac; exit 0'
    home = tmp_path / "home"
    home.mkdir()
    done = check(tmp_path / "bin", *MEANT, "--home", str(home), stub=stub)
    assert done.returncode == 1
    assert "expected a refusal with 'closed by a pause', got exit 0" in (tmp_path / "bin" / "transcript").read_text()
