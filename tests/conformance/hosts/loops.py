"""Self-improvement programs as hosts, each from its authors' own working tree: one generation is one act."""

import os
import re
import subprocess
from functools import partial
from pathlib import Path

from tests.conformance.asking_rig import Asker, Scene
from tests.conformance.hosts.git import Commit, Git
from tests.integration.asking_rig import Repository
from tests.integration.loops_rig import AUTORESEARCH_POLICY, PROGRAMS, program


def tree_of(name: str) -> tuple[str, dict[str, str]]:
    """Why there is no working tree of the program, or the commit that stands in it."""
    found = Path(os.environ.get(PROGRAMS) or "nowhere") / name
    if not found.is_dir():
        return f"no working tree of {name} below the folder of {PROGRAMS}", {}
    told = subprocess.run(["git", "-C", found, "rev-parse", "--short=12", "HEAD"], capture_output=True, check=True)
    return "", {name: told.stdout.decode().strip()}


class Autoresearch(Commit):
    """The agent of its ``program.md``, by script: it tunes ``train.py`` and commits; git's own hook holds the commit.

    The training between a commit and keeping it, five minutes of a GPU, is left out.
    """

    branch = "autoresearch/run"

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        made = Repository(scene.place / "repo")
        subprocess.run(["git", "clone", "--quiet", str(program("autoresearch")), str(made.path)], check=True)
        made.git("checkout", "--quiet", "-b", self.branch)
        (made.path / "detente-hook.toml").write_text(AUTORESEARCH_POLICY)
        made.git("add", "detente-hook.toml")
        made.commit("what is held here")
        Git.__init__(self, scene, made, made, observe=observe)

    def change(self, what: str) -> str:
        text, found = re.subn(r"^DEPTH = .*", f"DEPTH = 8  # {what}", self._source().read_text(), flags=re.MULTILINE)
        assert found == 1
        return text

    def _source(self) -> Path:
        return self.work.path / "train.py"

    def _again(self) -> str:
        """What did not help goes back unasked; the same change is then asked for anew."""
        first = self.held.at(self.branch)
        assert not self.act("a").done
        self.scene.approve_all()
        assert self.act("a").done
        self.work.git("reset", "--quiet", "--hard", "HEAD~1")
        assert self.held.at(self.branch) == first
        assert not self.act("a").done
        return "going back is free; then held"


ADAPTERS = (
    Asker(
        key="autoresearch",
        name="autoresearch, `detente hook git`",
        page="hold-autoresearch.md",
        open=Autoresearch,
        other=partial(tree_of, "autoresearch"),
    ),
)
