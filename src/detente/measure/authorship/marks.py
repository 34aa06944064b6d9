"""The table of commit marks: what coding agents leave in commits, and what each mark claims.

Decides nothing: it is data, one row per mark, grouped by agent. ``matching`` applies it. A new agent is a new row here, a new
number in ``RULES`` so that cached scans are done again, and a test.

Sources: the agents' documentation and public history up to August 2026; the kernel's ``coding-assistants.rst`` for ``Assisted-by``.

>>> MARKS["claude-session"].claims
'session'
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from detente.measure.indicator import EvidenceClass

RULES: Final = 2
"""Raised with every change to what a commit yields (this table, matching, path rules, facts): scans of another number are stale."""

Where = Literal[
    "person-email",  # address of the author or committer
    "coauthor-email",  # address in a Co-authored-by line
    "any-email",  # either of the two
    "any-login",  # either of the two, compared by the login of a GitHub no-reply address
    "any-name",  # the whole name of the author, committer or a co-author
    "author-suffix",  # end of the author's name
    "committer-suffix",  # end of the committer's name, the author's not ending so
    "trailer",  # a line `Key: value`
    "line",  # a line of the message contains it
    "subject-prefix",  # the first line begins with it
    "branch",  # the branch's name begins with it
]
Claims = Literal[
    "authored",  # the agent is named as author or co-author of the change
    "session",  # links to a recorded session of the agent
    "oversight",  # counts human interventions in a session of the agent
    "suggestion",  # probably an accepted review suggestion
    "assisted",  # a human declares help
    "committed-only",  # the agent made the commit, not the change
    "ambiguous",  # does not count alone
    "branch",  # only the branch's name says so
]
AUTHORSHIP: Final = frozenset({"authored", "session", "oversight"})
"""Claims that credit the commit's lines to the agent. ``oversight`` counts steps of a session, so there was one."""
INVOLVEMENT: Final = AUTHORSHIP | {"suggestion", "assisted"}
"""Claims that make a commit AI-marked; the rest is recorded and counts for nothing alone."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark. ``name`` is what the name beside an address must match, ``value`` what a trailer must say."""

    id: str
    agent: str
    where: Where
    pattern: str
    claims: Claims = "authored"
    name: re.Pattern[str] | None = None
    value: str | None = None

    @property
    def evidence_class(self) -> EvidenceClass:
        if self.claims == "session":
            return "session-attested"
        if self.claims == "branch":
            return "branch"
        return "mention" if self.claims in {"committed-only", "ambiguous"} else "trailer"


def _noreply(agent: str, *rows: tuple[str, str]) -> tuple[Mark, ...]:
    return tuple(Mark(name, agent, "any-email", f"{login}@users.noreply.github.com") for name, login in rows)


_CLAUDE = re.compile(r"Claude\b", re.IGNORECASE)
_CODEX = re.compile(r"Codex\b", re.IGNORECASE)
_AIDER = re.compile(r"aider( \(.+\))?\Z", re.IGNORECASE)

_ROWS: tuple[Mark, ...] = (
    Mark("claude-coauthor", "claude", "coauthor-email", "noreply@anthropic.com", name=_CLAUDE),
    Mark("claude-author", "claude", "person-email", "noreply@anthropic.com"),
    Mark("claude-footer", "claude", "line", "🤖 Generated with [Claude Code](https://claude.com/claude-code)"),
    Mark("claude-footer-old", "claude", "line", "Generated with [Claude Code](https://claude.ai/code)"),
    Mark("claude-session", "claude", "trailer", "Claude-Session", "session"),
    Mark("claude-generated-by", "claude", "trailer", "Claude-Generated-By"),
    Mark("claude-steers", "claude", "trailer", "Claude-Steers", "oversight"),
    Mark("claude-permission-prompts", "claude", "trailer", "Claude-Permission-Prompts", "oversight"),
    Mark("claude-escapes", "claude", "trailer", "Claude-Escapes", "oversight"),
    *_noreply(
        "claude",
        ("claude-bot-209825114", "209825114+claude[bot]"),
        ("claude-bot-41898282", "41898282+claude[bot]"),  # the number alone is github-actions
        ("claude-bot-208546643", "208546643+claude-code-action[bot]"),
        ("claude-bot-215619710", "215619710+anthropic-claude[bot]"),
    ),
    # Seen, and by their look Claude's, but confirmed by nobody: recorded, not counted alone.
    Mark("claude-bot-no-number", "claude", "any-email", "claude[bot]@users.noreply.github.com", "ambiguous"),
    Mark("claude-bot-242468646", "claude", "any-email", "242468646+Claude@users.noreply.github.com", "ambiguous"),
    Mark("claude-branch", "claude", "branch", "claude/", "branch"),
    *_noreply(
        "copilot",
        ("copilot-bot-223556219", "223556219+Copilot"),
        ("copilot-bot-175728472", "175728472+Copilot"),
        ("copilot-bot-198982749", "198982749+Copilot"),
        ("copilot-bot-167198135", "167198135+copilot[bot]"),
    ),
    Mark("copilot-swe-agent-name", "copilot", "any-name", "copilot-swe-agent[bot]"),
    Mark("copilot-email", "copilot", "person-email", "copilot@github.com"),
    Mark("copilot-coauthor-email", "copilot", "coauthor-email", "copilot@github.com"),
    Mark("copilot-agent-logs", "copilot", "trailer", "Agent-Logs-Url", "session"),
    Mark(
        "copilot-autofix",
        "copilot",
        "any-email",
        "62310815+github-advanced-security[bot]@users.noreply.github.com",
        "suggestion",
    ),
    Mark("copilot-branch", "copilot", "branch", "copilot/", "branch"),
    Mark("codex-coauthor", "codex", "coauthor-email", "noreply@openai.com", name=_CODEX),
    Mark("codex-coauthor-2", "codex", "coauthor-email", "codex@openai.com"),
    Mark("codex-author", "codex", "person-email", "noreply@openai.com", name=_CODEX),
    Mark("codex-author-2", "codex", "person-email", "codex@openai.com"),
    *_noreply(
        "codex",
        ("codex-bot", "215057067+openai-codex[bot]"),
        ("codex-connector-bot", "199175422+chatgpt-codex-connector[bot]"),
    ),
    Mark("codex-branch", "codex", "branch", "codex/", "branch"),
    Mark("cursor-coauthor", "cursor", "coauthor-email", "cursoragent@cursor.com"),
    Mark("cursor-author", "cursor", "person-email", "cursoragent@cursor.com"),
    *_noreply("cursor", ("cursor-bot", "206951365+cursor[bot]")),
    Mark("cursor-branch", "cursor", "branch", "cursor/", "branch"),
    Mark("devin-name", "devin", "any-name", "Devin AI"),
    Mark("devin-bot-name", "devin", "any-name", "devin-ai-integration[bot]"),
    *_noreply("devin", ("devin-bot", "158243242+devin-ai-integration[bot]")),
    Mark("devin-branch", "devin", "branch", "devin/", "branch"),
    Mark("aider-author-suffix", "aider", "author-suffix", " (aider)"),
    Mark("aider-committer-suffix", "aider", "committer-suffix", " (aider)", "committed-only"),
    Mark("aider-coauthor", "aider", "coauthor-email", "aider@aider.chat", name=_AIDER),
    Mark("aider-coauthor-old", "aider", "coauthor-email", "noreply@aider.chat"),
    Mark("aider-coauthor-old-2", "aider", "coauthor-email", "noreply@aider.dev"),
    # One setting writes it when aider wrote the change, another on every commit.
    Mark("aider-subject", "aider", "subject-prefix", "aider: ", "ambiguous"),
    Mark("aider-branch", "aider", "branch", "aider/", "branch"),
    *_noreply("jules", ("jules-bot", "161369871+google-labs-jules[bot]")),
    Mark(
        "gemini-code-assist-bot",
        "gemini",
        "any-email",
        "176961590+gemini-code-assist[bot]@users.noreply.github.com",
        "suggestion",
    ),
    Mark("gemini-branch", "gemini", "branch", "gemini/", "branch"),
    Mark("amp-coauthor", "amp", "coauthor-email", "amp@ampcode.com"),
    Mark("amp-author", "amp", "person-email", "amp@ampcode.com"),
    Mark("amp-thread", "amp", "trailer", "Amp-Thread-ID", "session"),
    Mark("openhands-coauthor", "openhands", "coauthor-email", "openhands@all-hands.dev"),
    Mark("openhands-author", "openhands", "person-email", "openhands@all-hands.dev"),
    Mark("openhands-coauthor-old-1", "openhands", "coauthor-email", "opendevin@opendevin.ai"),
    Mark("openhands-author-old-1", "openhands", "person-email", "opendevin@opendevin.ai"),
    Mark("openhands-coauthor-old-2", "openhands", "coauthor-email", "opendevin@all-hands.dev"),
    Mark("openhands-author-old-2", "openhands", "person-email", "opendevin@all-hands.dev"),
    Mark("opencode-coauthor", "opencode", "coauthor-email", "noreply@opencode.ai"),
    Mark("opencode-author", "opencode", "person-email", "noreply@opencode.ai"),
    *_noreply("factory-droid", ("factory-droid-bot", "138933559+factory-droid[bot]")),
    Mark("qwen-coauthor", "qwen-coder", "coauthor-email", "qwen-coder@alibabacloud.com"),
    Mark("qwen-author", "qwen-coder", "person-email", "qwen-coder@alibabacloud.com"),
    *_noreply("amazon-q", ("amazon-q-bot", "208079219+amazon-q-developer[bot]")),
    Mark("replit-author", "replit", "trailer", "Replit-Commit-Author", value="Agent"),
    Mark("replit-session", "replit", "trailer", "Replit-Commit-Session-Id", "session"),
    Mark("entire-session", "entire", "trailer", "Entire-Session", "session"),  # a recorder's name, not the model's
    Mark("entire-checkpoint", "entire", "trailer", "Entire-Checkpoint", "session"),
    Mark("cline-branch", "cline", "branch", "cline/", "branch"),
    Mark("coderabbit-coauthor", "coderabbit", "any-login", "coderabbitai[bot]", "suggestion"),
    Mark("assisted-by", "any", "trailer", "Assisted-by", "assisted"),
    Mark("generated-by", "any", "trailer", "Generated-by"),
)
MARKS: Final[dict[str, Mark]] = {mark.id: mark for mark in _ROWS}
"""Every mark by its id."""

AUTOFIX_NAME: Final = "copilot autofix"
"""A co-author of this name under a Copilot address had a suggestion accepted, and wrote nothing else."""
AGENT_WORDS: Final = (
    ("claude", "claude"), ("opus", "claude"), ("sonnet", "claude"), ("copilot", "copilot"), ("codex", "codex"),
    ("gpt", "codex"), ("cursor", "cursor"), ("devin", "devin"), ("aider", "aider"), ("jules", "jules"),
    ("gemini", "gemini"), ("antigravity", "gemini"), ("opencode", "opencode"), ("openhands", "openhands"),
    ("qwen", "qwen-coder"), ("cline", "cline"),
)  # fmt: skip
"""Words by which a free-text value (``Assisted-by: Opus 4.6 via Claude Code``) names its agent; the first that occurs counts."""
