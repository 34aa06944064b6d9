"""A pipeline asks whether a version may be deployed, and reads the answer from an exit code, JSON or SARIF."""

import json
import os

import pytest

from detente.adapters.listing import digest_folder
from detente.app.gating import version_of
from detente.base.errors import Misuse
from tests.integration.asking_rig import detente, pause, solo
from tests.integration.node_rig import found

VERSION = "a" * 64
HELD, UNANSWERED = 36, 3


@pytest.fixture
def home(tmp_path):
    return solo(tmp_path / "home")


def gate(home, *arguments, version=VERSION):
    done = detente("gate", str(version), *arguments, home=home)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_an_allowed_version_exits_with_0(home, tmp_path):
    """The digest of a file is that of its bytes; the log of a run that allowed has no result."""
    model = tmp_path / "model"
    model.write_bytes(b"abc")
    code, out, _ = gate(home, "--sarif", str(tmp_path / "gate.sarif"), version=model)
    assert code == 0
    assert out.startswith("allowed: version ba7816bf")
    log = json.loads((tmp_path / "gate.sarif").read_text())
    assert (log["version"], log["runs"][0]["results"]) == ("2.1.0", [])
    assert log["runs"][0]["invocations"] == [{"executionSuccessful": True}]


def test_nobody_who_answers_is_not_an_allow(tmp_path):
    """No home, or a coalition out of reach: exit 3, said in all three forms."""
    code, out, err = gate(tmp_path / "nowhere", "--json", "--sarif", str(tmp_path / "gate.sarif"))
    assert code == UNANSWERED
    answer = json.loads(out)
    assert (answer["verdict"], answer["answered"], answer["exit"]) == ("hold", False, UNANSWERED)
    (result,) = json.loads((tmp_path / "gate.sarif").read_text())["runs"][0]["results"]
    assert (result["ruleId"], result["level"], result["kind"]) == ("detente/unanswered", "error", "fail")
    code, _, err = gate(found(tmp_path / "parties").home("dev-a"))
    assert code == UNANSWERED
    assert "no node of this accord answers" in err


def test_a_run_that_comes_to_no_word_leaves_no_older_one(tmp_path):
    """A pipeline uploads the log whatever became of the step: one that allowed another version is not of this run."""
    log = tmp_path / "gate.sarif"
    log.write_text('{"runs": [{"results": []}]}')
    code, _, err = gate(tmp_path, "--sarif", str(log), version=tmp_path / "no such model")
    assert (code, log.exists()) == (2, False), err
    code, _, err = gate(tmp_path, "--sarif", str(tmp_path), version=VERSION)
    assert code == UNANSWERED
    assert "cannot write" in err


def linked(place, to):
    (place / "link").symlink_to(to)


@pytest.mark.parametrize(
    "make",
    [
        lambda place: linked(place, place.parent),
        lambda place: linked(place, "nothing"),
        lambda place: os.mkfifo(place / "pipe"),
    ],
    ids=["folder", "nothing", "pipe"],
)
def test_a_folder_with_what_its_digest_does_not_have_is_no_version(tmp_path, make):
    """What is published then could be anything: a link to a folder is followed by whoever copies, and is in no listing."""
    place = tmp_path / "model"
    (place / "deep").mkdir(parents=True)
    (place / "weights").write_bytes(b"abc")
    (place / "same").symlink_to("weights")
    assert version_of(str(place)) == digest_folder(place)
    make(place / "deep")
    with pytest.raises(Misuse, match="all of them in its digest"):
        version_of(str(place))


def test_a_folder_of_nothing_is_no_version(tmp_path):
    """All of them have one digest: who approves one would have approved whatever is put there next. One that is not there is none either."""
    (tmp_path / "model" / "deep").mkdir(parents=True)
    with pytest.raises(Misuse, match="without a file"):
        digest_folder(tmp_path / "model")
    with pytest.raises(FileNotFoundError):
        digest_folder(tmp_path / "nothing")


HOLDS_RELEASES = ("    on: version.train", "    on: version.deploy")
STOPS_RELEASES = ("activities: [training, self_improvement]", "activities: [training, self_improvement, deployment]")


def test_a_pause_of_releases_denies(tmp_path):
    """Exit 1, with the reason; before the pause the same version was allowed."""
    home = solo(tmp_path / "home", STOPS_RELEASES)
    assert gate(home)[0] == 0
    pause(home)
    code, out, err = gate(home, "--sarif", str(tmp_path / "gate.sarif"))
    assert (code, out) == (1, "")
    assert err.startswith(f"denied: version {VERSION}")
    (result,) = json.loads((tmp_path / "gate.sarif").read_text())["runs"][0]["results"]
    assert result["ruleId"] == "detente/denied"
    assert "call" in result["properties"]["heldBy"]


def test_a_version_that_nobody_stated_waits_at_a_hold_point(tmp_path):
    """Exit 36: a decision is missing, and it is said which."""
    home = solo(tmp_path / "home", HOLDS_RELEASES)
    code, out, _ = gate(home, "--json")
    assert code == HELD
    answer = json.loads(out)
    assert (answer["verdict"], answer["answered"]) == ("hold", True)
    assert "was not proposed or stated" in answer["reasons"][0]


def test_what_is_no_version_is_a_misuse(home):
    """Neither a digest nor a file: exit 2, and nobody is asked."""
    assert gate(home, version="v1.2")[0] == 2


def test_a_home_can_be_made_whose_pause_stops_releases(tmp_path):
    """`init --solo --deployments`: denied in a pause, which the shipped terms alone would not do."""
    for more, code in ((["--deployments"], 1), ([], 0)):
        made = tmp_path / f"home-{len(more)}"
        assert detente("init", "--solo", *more, home=made).returncode == 0
        pause(made)
        assert gate(made)[0] == code
    assert detente("init", "--party", "dev-a", "--deployments", home=tmp_path / "other").returncode == 2


def test_a_gate_that_observes_exits_with_0_and_says_what_it_would_have_said(tmp_path):
    """In a pause of releases, and where nobody answers: the pipeline goes on, the log is a note, the record has a line."""
    home = solo(tmp_path / "home", STOPS_RELEASES)
    pause(home)
    code, out, err = gate(home, "--observe", "--json", "--sarif", str(tmp_path / "gate.sarif"))
    answer = json.loads(out)
    assert (code, answer["verdict"], answer["enforced"]) == (0, "deny", False)
    assert f"not enforced: would have denied the deployment of version {VERSION}" in err
    (result,) = json.loads((tmp_path / "gate.sarif").read_text())["runs"][0]["results"]
    assert (result["level"], result["message"]["text"][:13]) == ("note", "Not enforced.")
    (line,) = [json.loads(line) for line in (home / "observe.jsonl").read_text().splitlines()]
    assert (line["enforced"], line["event"], line["would_have"]) == (False, "asked", "denied")
    code, _, err = gate(tmp_path / "nowhere", "--observe")
    assert code == 0
    assert "not enforced: would have held" in err
