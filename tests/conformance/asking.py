"""What asks before a single act: each adapter's driver stands in ``hosts``, and this is what they are put through."""

from tests.conformance.hosts import commands, frameworks, git, loops, mcp, promotion, serving
from tests.conformance.table import Family, rows

ADAPTERS = (
    *git.ADAPTERS,
    *commands.ADAPTERS,
    *mcp.ADAPTERS,
    *frameworks.ADAPTERS,
    *serving.ADAPTERS,
    *promotion.ADAPTERS,
    *loops.ADAPTERS,
)

FAMILY = Family(
    "asking",
    "Acts that are asked for",
    """Each adapter's real host, or where it cannot run here what its row names, over a real home and its node; between the two a proxy that can be dead, hang, talk nonsense, or change an answer and sign it with the issuer's
own key. What counts is what happened in the world: a ref that moved, a file that a tool wrote, a step of a pipeline that was begun.

*done*: it happened, once. *held*: it did not, within the host's own deadline, and did when the reason had gone. *unmoved*: nothing changed. An approval is a person's, for exactly
those arguments.
""",
    {
        "allowed": "leave is given",
        "paused": "paused, then lifted",
        "queue": "ten acts in a pause",
        "again": "the approved act a second time",
        "edited": "approved, then other arguments",
        "permits": "an answer with a bit changed, edited, replayed, expired, of another epoch, or that lied",
        "crash": "the hook is killed",
        "hang": "the hook hangs",
        "missing": "the hook's program is gone",
        "garbage": "the hook prints garbage",
        "partition": "no issuer can be reached, or it hangs, or answers garbage",
        "clock": "the wall clock jumps by a day, forth and back",
        "observe": "observed, not enforced",
    },
    rows(*ADAPTERS),
)
