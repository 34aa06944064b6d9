"""Ask, before a release, whether a version may be deployed, and say the answer to people, programs and code scanners.

Decides which version is meant and how an answer reads as SARIF. Leaves out whether it is allowed (``guard.decide``, by the issuers) and
exit codes (``cli.gate``).

Source of the format: OASIS, Static Analysis Results Interchange Format (SARIF) 2.1.0, 27 March 2020.

>>> report = sarif(Answer(verdict="hold", act=Digest("0" * 64), reasons=("no node answers",)), Digest("a" * 64), release="1")
>>> report["runs"][0]["results"][0]["ruleId"]
'detente/unanswered'
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from detente.adapters.listing import digest_file, digest_folder
from detente.app.asking import Question, ask, use
from detente.base.digest import Digest, parse_digest
from detente.base.errors import DetenteError, Misuse, Refused
from detente.guard.answer import Answer, digest_act

SARIF_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RULES: Final = {
    "detente/denied": "The accord forbids to deploy this version now.",
    "detente/held": "A decision that the accord asks for is missing.",
    "detente/unanswered": "Nobody of the accord has answered.",
}


def version_of(given: str) -> Digest:
    """A version by its digest, or by the file or folder that it is; raises ``Misuse`` for neither."""
    try:
        return parse_digest(given)
    except Refused:
        path = Path(given)
    try:
        if path.is_file():
            return digest_file(path)[1]
        if path.is_dir():
            return digest_folder(path)
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None
    raise Misuse(f"got {given!r}; expected 64 hexadecimal digits, or a file or folder whose digest is meant")


def ask_deployment(
    version: Digest, *, developer: str | None, home: str | None, within_s: float, observing: bool = False
) -> Answer:
    """The answer, spent: each run of a gate asks for itself. ``observing`` records it instead, and spends nothing."""
    return ask_release(
        "gate", None, version, developer=developer, home=home, within_s=within_s, observing=observing
    )  # fmt: skip


def ask_release(
    asker: str,
    about: object,
    version: Digest,
    *,
    developer: str | None,
    home: str | Path | None,
    within_s: float,
    observing: bool = False,
) -> Answer:
    """May ``version`` be released by one act? The answer, spent. ``about`` is what else the act depends on, a JSON value without floats.

    ``observing`` records what would have been answered instead, and spends nothing.
    """
    act = digest_act(asker, {"version": version, "developer": developer, "about": about})
    question = Question(activity="deployment", act=act, version=version, on_behalf_of=developer)
    if observing:
        from detente.app.observed_asking import observe

        return observe(question, asker=asker, about=about_of(version), home=home, within_s=within_s)
    answer = ask(question, home=home, within_s=within_s)
    if answer.allowed:
        try:
            use(answer, act=act, home=home)
        except (DetenteError, OSError) as error:
            return Answer(verdict="hold", act=act, reasons=(str(error),))
    return answer


def about_of(version: Digest) -> str:
    """The act of a gate, for people."""
    return f"the deployment of version {version}"


def rule_of(answer: Answer) -> str:
    """Which of ``RULES`` an answer that does not allow falls under."""
    if not answer.answered:
        return "detente/unanswered"
    return "detente/denied" if answer.verdict == "deny" else "detente/held"


def sarif(answer: Answer, version: Digest, *, release: str, observing: bool = False) -> dict[str, Any]:
    """The answer as a log of one run: no result where it is allowed, else one, with every reason. ``release``: of this package.

    What was only observed is a note, and says that nothing was enforced.
    """
    results = []
    if not answer.allowed:
        rule = rule_of(answer)
        results.append(
            {
                "ruleId": rule,
                "ruleIndex": list(RULES).index(rule),
                "level": "note" if observing else "error",
                "kind": "fail",
                "message": {"text": f"{'Not enforced. ' * observing}{RULES[rule]} Version {version}: {answer.why}"},
                "locations": [
                    {
                        "logicalLocations": [
                            {"name": str(version), "kind": "module", "fullyQualifiedName": f"version/{version}"}
                        ]
                    }
                ],
                "partialFingerprints": {"versionAndRule/v1": f"{version}:{rule}"},
                "properties": {"heldBy": list(answer.held_by), "reasons": list(answer.reasons)},
            }
        )
    driver = {
        "name": "detente",
        "version": release,
        "rules": [
            {"id": rule, "shortDescription": {"text": text}, "defaultConfiguration": {"level": "error"}}
            for rule, text in RULES.items()
        ],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": answer.answered}],
        "results": results,
    }
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
