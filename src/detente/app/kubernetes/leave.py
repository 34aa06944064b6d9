r"""Leave for one admission: which activity it is, what is asked, and the answer before the API server gives up.

Decides, from a policy, the activity of a request, and answers each within a deadline of its own. Leaves out what starts work
(``workloads``), the form of requests (``reviewing``) and HTTP (``hooks.kubernetes``). ``spec/kubernetes.md`` §4 and §5, K22 to K25.

- What no rule of the policy names is training: a policy narrows nothing by silence.
- Whatever goes wrong is a refusal with its reason. An answer is used once, for exactly the object that was sent.
- So many questions at once and no more; one that finds no place in its time is refused.
- Observing, everything that reads is admitted: what would have been answered is recorded, and is a warning to the user.

>>> parse_policy(b'[[rule]]\nnamespaces = ["serving-*"]\nactivity = "deployment"\n')[0].activity
'deployment'
"""

from __future__ import annotations

import asyncio
import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

from detente.app.asking import Question, ask, held, use
from detente.app.kubernetes.reviewing import Review, encode_reply, parse_review
from detente.app.kubernetes.workloads import member, starts_nothing
from detente.app.observed_asking import observe, record, spoken
from detente.base.digest import Digest, parse_digest, sha256_hex
from detente.base.errors import DetenteError, Refused, shown
from detente.base.quantity import parse_decimal
from detente.base.strict_json import encode_json
from detente.guard.answer import Answer, digest_act

ASKER: Final = "kubernetes"
POLICY_FILE: Final = "kubernetes-policy.toml"
POLICY_MAX: Final = 65_536
RULES_MAX: Final = 64
ANSWER_S: Final = 8.0
"""Below ``timeoutSeconds`` of the configuration that ``manifests`` writes, which is 2 s more."""
AT_ONCE: Final = 16
"""Questions at once: each is two rounds to every issuer, and a burst of pods must not be a burst of those."""
VERSION_NOTE: Final = "detente/version"
FLOP_NOTE: Final = "detente/planned-flop"
_ACTIVITIES: Final = ("training", "self_improvement", "deployment")
_MEMBERS: Final = frozenset({"name", "namespaces", "resources", "activity", "refuse"})
_NOTES: Final = (("metadata", "annotations"), ("spec", "template", "metadata", "annotations"))

Activity = Literal["training", "self_improvement", "deployment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Requests that fit, and what they are: an activity, or ``refuse``."""

    name: str
    namespaces: tuple[str, ...] = ("*",)
    resources: tuple[str, ...] = ("*",)
    activity: Activity = "training"
    refuse: bool = False

    def fits(self, review: Review) -> bool:
        return any(fnmatchcase(review.namespace, each) for each in self.namespaces) and any(
            fnmatchcase(review.resource, each) for each in self.resources
        )


ELSE: Final = Rule(name="what no rule names")


def parse_policy(data: bytes) -> tuple[Rule, ...]:
    """Read a policy; raises ``Refused`` K23. An empty one has no rules: everything is training."""
    if len(data) > POLICY_MAX:
        raise _wrong(f"{len(data)} bytes", f"at most {POLICY_MAX}")
    try:
        value = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _wrong(str(error), "TOML 1.0") from None
    rules = value.get("rule", [])
    if set(value) - {"rule"} or not isinstance(rules, list) or len(rules) > RULES_MAX:
        raise _wrong(f"members {', '.join(sorted(value))}", f"at most {RULES_MAX} [[rule]]")
    return tuple(_rule(each, f"rule {number}") for number, each in enumerate(rules, 1))


class Admission:
    """Answers requests; one for a server's life. ``within_s`` is the deadline of each answer."""

    def __init__(
        self,
        *,
        home: Path,
        policy: tuple[Rule, ...] = (),
        within_s: float = ANSWER_S,
        at_once: int = AT_ONCE,
        observe: bool = False,
    ) -> None:
        self._home = home
        self._policy = policy
        self._observe = observe
        self.within_s = within_s
        self._places = asyncio.Semaphore(at_once)

    async def answer(self, data: bytes) -> bytes:
        """The reply to one request's body; raises ``Refused`` K20, K21 where there is no uid to answer to."""
        review = parse_review(data)
        if starts_nothing(review):
            return encode_reply(review.uid, allowed=True)
        try:
            async with asyncio.timeout(self.within_s):
                warning = await self._ask(review)
        except TimeoutError:
            return self._refuse(review, str(_late(self.within_s)))
        except DetenteError as error:
            return self._refuse(review, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing starts because of it
            return self._refuse(review, f"the gate failed: {error!r}")
        return encode_reply(review.uid, allowed=True, warning=warning)

    def _refuse(self, review: Review, why: str) -> bytes:
        if not self._observe:
            return encode_reply(review.uid, allowed=False, message=f"détente: {why}")
        about = _spelled(review)
        answer = record(held(act_of(review), why), asker=ASKER, about=about, home=self._home)
        return encode_reply(review.uid, allowed=True, warning=f"détente: {spoken(answer, about)}")

    async def _ask(self, review: Review) -> str:
        await self._places.acquire()
        # A thread that hangs in a disk keeps its place until it is done, so that there are never more of them.
        asked = asyncio.ensure_future(asyncio.to_thread(self._observed if self._observe else self._asked, review))
        asked.add_done_callback(self._done)
        return await asyncio.shield(asked)

    def _done(self, asked: asyncio.Future[str]) -> None:
        self._places.release()
        if not asked.cancelled():
            asked.exception()  # Of one that came too late nobody hears; it has been refused.

    def _observed(self, review: Review) -> str:
        """What the user is told of a request that goes on in any case."""
        about, question = _spelled(review), question_of(review, self._policy)
        answer = observe(question, asker=ASKER, about=about, home=self._home, within_s=0.8 * self.within_s)
        return "" if answer.allowed else f"détente: {spoken(answer, about)}"

    def _asked(self, review: Review) -> str:
        """Nothing, where it is admitted."""
        question = question_of(review, self._policy)
        answer = ask(question, home=self._home, within_s=0.8 * self.within_s)
        if not answer.allowed:
            raise not_admitted(review, question, answer)
        use(answer, act=question.act, home=self._home)
        return ""


def question_of(review: Review, policy: tuple[Rule, ...]) -> Question:
    """What is asked for a request; raises ``Refused`` K22 where the policy refuses, K25 where its annotations do not read."""
    rule = next((each for each in policy if each.fits(review)), ELSE)
    if rule.refuse:
        raise Refused("K22", "held", got=f"{_spelled(review)}: {rule.name}", expected="what the policy does not refuse")
    act = act_of(review)
    if rule.activity == "deployment":
        return Question(activity="deployment", act=act, version=_version(review))
    flop = _noted(review, FLOP_NOTE)
    run = f"kubernetes-{rule.activity.replace('_', '-')}"
    if flop is None:
        return Question(activity=rule.activity, act=act, run=run)
    try:
        planned = parse_decimal(flop)
    except Refused as refused:
        raise _unread(review, f"{FLOP_NOTE} {shown(flop)}", refused.expected) from None
    if planned < 0:
        raise _unread(review, f"{FLOP_NOTE} {shown(flop)}", "a number of FLOP that is not negative")
    # A run says once what it plans: another plan, or another place, is another run.
    mine = sha256_hex(encode_json([review.namespace, _owner(review), flop]))[:16]
    return Question(activity=rule.activity, act=act, run=f"{run}-{mine}", planned_flop=flop)


def act_of(review: Review) -> Digest:
    """What an answer is bound to: the request, and the object as it was sent."""
    return digest_act(
        "kubernetes",
        {
            "uid": review.uid,
            "resource": review.resource,
            "operation": review.operation,
            "namespace": review.namespace,
            "name": review.name,
            "object": sha256_hex(encode_json(review.new)),
        },
    )


def not_admitted(review: Review, question: Question, answer: Answer) -> Refused:
    """What the user of the API server reads."""
    return Refused(
        "K22",
        "held",
        got=f"{_spelled(review)}, which is {question.activity}: {answer.verdict}: {answer.why}",
        expected="leave of the accord",
        todo="`detente status --why` shows what holds it and who can change that",
    )


def _owner(review: Review) -> str:
    """Whose plan it is: the object that made this one, as it says, else its own name."""
    owners = member(review.new, ("metadata", "ownerReferences"))
    first = owners[0] if isinstance(owners, list) and owners else None
    named = first.get("name") if isinstance(first, dict) else None
    return named if isinstance(named, str) else review.name


def _version(review: Review) -> Digest:
    said = _noted(review, VERSION_NOTE)
    try:
        return parse_digest(said or "")
    except Refused:
        got = f"{VERSION_NOTE} {shown(said)}" if said else f"no annotation {VERSION_NOTE}"
        raise _unread(review, got, "the SHA-256 of the version that it deploys") from None


def _noted(review: Review, name: str) -> str | None:
    for path in _NOTES:
        notes = member(review.new, path)
        if isinstance(notes, dict) and name in notes:
            said = notes[name]
            if not isinstance(said, str) or not 0 < len(said) <= 100:
                raise _unread(review, f"{name} {shown(said)}", "a short text")
            return said
    return None


def _spelled(review: Review) -> str:
    place = f"{review.namespace}/{review.name}" if review.namespace else review.name
    return f"{review.operation} {review.resource} {shown(place)}"


def _rule(value: Any, where: str) -> Rule:
    if not isinstance(value, dict) or set(value) - _MEMBERS:
        got = sorted(set(value) - _MEMBERS) if isinstance(value, dict) else [shown(value)]
        raise _wrong(f"{where} with {', '.join(got)}", "only " + ", ".join(sorted(_MEMBERS)))
    refuse, activity, name = value.get("refuse", False), value.get("activity"), value.get("name", where)
    if type(refuse) is not bool or refuse == (activity is not None) or (not refuse and activity not in _ACTIVITIES):
        raise _wrong(
            f"{where} with activity {shown(activity)}", "one of " + ", ".join(_ACTIVITIES) + ", or refuse = true"
        )
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        raise _wrong(f"{where} with name {shown(name)}", "a short text")
    return Rule(
        name=name,
        namespaces=_patterns(value, "namespaces", where),
        resources=_patterns(value, "resources", where),
        activity=activity or "training",
        refuse=refuse,
    )


def _patterns(value: dict[str, Any], name: str, where: str) -> tuple[str, ...]:
    texts = value.get(name, ["*"])
    if not isinstance(texts, list) or not 0 < len(texts) <= RULES_MAX:
        raise _wrong(f"{where}: {name} = {shown(texts)}", f"a list of 1 to {RULES_MAX} patterns")
    if odd := [
        text for text in texts if not isinstance(text, str) or not re.fullmatch(r"[a-z0-9*?./\[\]-]{1,253}", text)
    ]:
        raise _wrong(f"{where}: {name} with {shown(odd[0])}", "patterns of names of Kubernetes")
    return tuple(texts)


def _late(within_s: float) -> Refused:
    return Refused(
        "K24", "busy", got=f"no answer within {within_s:g} s", expected="an answer of the accord", todo="try again"
    )


def _unread(review: Review, got: str, expected: str) -> Refused:
    return Refused("K25", "malformed", got=f"{_spelled(review)} with {got}", expected=expected)


def _wrong(got: str, expected: str) -> Refused:
    return Refused("K23", "malformed", got=got[:300], expected=expected, todo="see docs/guides/hold-kubernetes.md")
