"""Room ``lineage``: order never matters, and whatever is hidden or retold lowers no upper bound."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from detente.base.quantity import Interval, exactly
from detente.lineage.depth import Depths, ai_proposed_depth, self_depth
from detente.lineage.graph import UNKNOWN, Graph, VersionNode, version_node
from detente.lineage.since import greatest_since, since_approval
from detente.statement.change import TOUCHES, ProposedBy
from detente.statement.proposal import Proposal
from detente.statement.run import Run
from tests.strategies import bodies

NAMES = [f"{number:064x}" for number in range(8)]
versions = st.sampled_from(NAMES)
proposers = st.one_of(
    st.just(ProposedBy("human")),
    st.just(ProposedBy("undeclared")),
    st.builds(ProposedBy, st.just("model"), st.none() | versions | st.just("outside-model")),
)
touches = st.frozensets(st.sampled_from(TOUCHES), max_size=3)
flops = st.none() | st.integers(0, 9).map(Decimal)
times = st.just(UNKNOWN) | st.tuples(st.integers(0, 99), st.integers(0, 9)).map(
    lambda pair: Interval(Decimal(pair[0]), Decimal(pair[0] + pair[1]))
)
claims = st.builds(
    VersionNode,
    versions,
    st.frozensets(versions, max_size=3),
    proposers,
    touches,
    flops,
    perhaps=st.just(frozenset()) | st.frozensets(versions, max_size=2),
    steps=st.just(1) | st.sampled_from([1, 3, None]),
    time=times,
    changed_lines=st.none() | st.integers(0, 50),
)
histories = st.lists(claims, max_size=12)
approvals = st.dictionaries(versions, st.booleans(), max_size=4)


@st.composite
def acyclic(draw):
    """A history in which every version is claimed once and comes from, and is proposed by, earlier ones."""
    nodes = []
    for number, name in enumerate(NAMES[: draw(st.integers(1, 8))]):
        earlier = NAMES[:number]
        parents = draw(st.frozensets(st.sampled_from(earlier), min_size=1, max_size=3)) if earlier else frozenset()
        models = st.builds(ProposedBy, st.just("model"), st.sampled_from(earlier)) if earlier else st.nothing()
        proposer = draw(models | st.just(ProposedBy("human"))) if earlier else ProposedBy("human")
        nodes.append(VersionNode(name, parents, proposer, draw(touches), draw(st.integers(0, 9).map(Decimal))))
    return nodes


def _graph(nodes):
    graph = Graph()
    for node in nodes:
        graph.add(node)
    return graph


def _answers(graph, approved):
    depths = Depths(graph, significant=approved.get)
    return [(graph.cumulative_flop(name), depths.ai_proposed_depth(name), depths.self_depth(name)) for name in NAMES]


def _since(graph, approved, now=None):
    """Every quantity since the last significant approval, for each version and for all together."""
    depths = Depths(graph, significant=approved.get)
    found = [since_approval(graph, depths, name, now=now) for name in NAMES]
    found.append(greatest_since(graph, depths, [name for name in NAMES if name in graph], now=now))
    return [amount for each in found for amount in (each.time_s, each.flop, each.changed_lines)]


def _high(value):
    return float("inf") if value is None else value


@settings(max_examples=250)
@given(histories, approvals, st.randoms(use_true_random=False))
def test_the_order_of_claims_changes_no_answer(history, approved, random):
    """Any order, with repetitions, and asking in between: the same intervals and the same chains."""
    straight = _graph(history)
    shuffled = [*history, *history[:3]]
    random.shuffle(shuffled)
    graph, depths = Graph(), None
    for node in shuffled:
        graph.add(node)
        depths = depths or Depths(graph, significant=approved.get)
        depths.ai_proposed_depth(node.version)
        depths.self_depth(NAMES[0])
        graph.cumulative_flop(NAMES[1])
    assert _answers(graph, approved) == _answers(straight, approved)
    if depths:
        assert [(depths.ai_proposed_depth(name), depths.self_depth(name)) for name in NAMES] == [
            answer[1:] for answer in _answers(straight, approved)
        ]


@settings(max_examples=250)
@given(histories, approvals, claims)
def test_telling_a_known_version_again_only_widens(history, approved, claim):
    """A further claim about stated versions (a squashed history, other parents, a human author) raises no lower end
    and lowers no upper end of any depth or FLOP.
    """
    graph = _graph(history)
    if claim.version not in graph:
        return
    before = _answers(graph, approved)
    graph.add(claim)
    for (flop, ai, own), (flop_after, ai_after, own_after) in zip(before, _answers(graph, approved), strict=True):
        assert flop_after.low <= flop.low
        assert _high(flop_after.high) >= _high(flop.high)
        for depth, after in ((ai, ai_after), (own, own_after)):
            assert after.low <= depth.low
            assert _high(after.high) >= _high(depth.high)


@settings(max_examples=250)
@given(histories, approvals, st.integers(0, 11))
def test_withholding_a_claim_lowers_no_upper_end_below_the_truth(history, approved, at):
    """Leaving out every claim about one version never makes another version's upper ends smaller."""
    if at >= len(history):
        return
    hidden = history[at].version
    told = _answers(_graph(history), approved)
    kept = _answers(_graph([node for node in history if node.version != hidden]), approved)
    for (flop, ai, own), (flop_kept, ai_kept, own_kept) in zip(told, kept, strict=True):
        assert _high(flop_kept.high) >= _high(flop.high)
        assert _high(ai_kept.high) >= _high(ai.high)
        assert _high(own_kept.high) >= _high(own.high)


@settings(max_examples=250)
@given(histories, approvals, st.data())
def test_an_undeclared_proposer_lowers_no_upper_end(history, approved, data):
    """Hiding who proposed a change never makes a depth's upper end smaller."""
    if not history:
        return
    at = data.draw(st.integers(0, len(history) - 1))
    hidden = replace(history[at], proposed_by=ProposedBy("undeclared"))
    told = _answers(_graph(history), approved)
    kept = _answers(_graph([*history[:at], hidden, *history[at + 1 :]]), approved)
    for (_, ai, own), (_, ai_kept, own_kept) in zip(told, kept, strict=True):
        assert _high(ai_kept.high) >= _high(ai.high)
        assert _high(own_kept.high) >= _high(own.high)


@settings(max_examples=250)
@given(histories, approvals)
def test_self_depth_lies_within_ai_proposed_depth(history, approved):
    """Whoever improves itself is a model: neither end of the self depth exceeds that of the AI-proposed depth."""
    for _, ai, own in _answers(_graph(history), approved):
        assert own.low <= ai.low
        assert _high(own.high) <= _high(ai.high)
        assert own.low <= _high(own.high)


@given(acyclic())
def test_on_a_complete_history_the_ends_agree_with_a_plain_reading(history):
    """Nothing missing and nothing approved: an independent recursion over the definition lies within the interval."""
    graph = _graph(history)
    nodes = {node.version: node for node in history}
    counted = {"training", "architecture", "evaluation"}

    def literal(name):
        node = nodes[name]
        if node.proposed_by.kind != "model" or not node.touches & counted:
            return 0
        return 1 + max(map(literal, node.parents), default=0)

    def ancestors(name):
        return {name}.union(*map(ancestors, nodes[name].parents))

    def literal_self(name):
        node = nodes[name]
        if node.proposed_by.kind != "model" or not node.touches & counted:
            return 0
        if not any(node.proposed_by.id in ancestors(parent) for parent in node.parents):
            return 0
        return 1 + max(map(literal_self, node.parents), default=0)

    def spent(name):
        return nodes[name].own_flop + sum(map(spent, nodes[name].parents))

    for name in nodes:
        ai = ai_proposed_depth(graph, name, significant=lambda _: False)
        own = self_depth(graph, name, significant=lambda _: False)
        flop = graph.cumulative_flop(name)
        assert ai.low == literal(name) <= ai.high
        assert own.low == literal_self(name) <= own.high
        assert flop.high == spent(name)
        assert flop.low <= sum(nodes[other].own_flop for other in ancestors(name)) <= flop.high
        assert len(ai.chain) <= ai.high
        assert graph.cumulative_flop_from([name], exactly(Decimal(1))).high == flop.high + 1


@settings(max_examples=60)
@given(bodies["version"], bodies["run"], bodies["proposal"])
def test_run_and_proposal_are_heard_in_any_order(version, run, proposal):
    """What a run and a proposal say about a version's origin counts, whichever is known first."""

    def told(steps):
        graph = Graph()
        for step in steps:
            step(graph)
        claims = graph.claims(version.version)
        depth = ai_proposed_depth(graph, version.version, significant=lambda _: None)
        return claims, graph.cumulative_flop(version.version), depth

    steps = [
        lambda graph: graph.add(version_node(version)),
        lambda graph: graph.add_run(version.version, run),
        lambda graph: graph.add_proposal(version.version, proposal),
    ]
    assert told(steps) == told(steps[::-1])
    claims, flop, _ = told(steps)
    assert claims.parents >= {*version.parents, *run.parents}
    if claims.parents:
        assert flop.high is None  # nobody stated those parents
    assert isinstance(run, Run)
    assert isinstance(proposal, Proposal)


NOW = exactly(Decimal(200))


@settings(max_examples=250)
@given(histories, approvals, claims, st.booleans())
def test_a_late_claim_about_a_known_version_lowers_no_upper_end_since_the_last_approval(
    history, approved, claim, running
):
    """Told again with other parents, times, amounts or proposers: time, FLOP and lines only widen."""
    graph, now = _graph(history), NOW if running else None
    if claim.version not in graph:
        return
    before = _since(graph, approved, now)
    graph.add(claim)
    for old, new in zip(before, _since(graph, approved, now), strict=True):
        assert _high(new.high) >= _high(old.high)
        assert new.low <= old.low


@settings(max_examples=250)
@given(histories, approvals, st.integers(0, 11))
def test_withholding_a_version_lowers_no_upper_end_since_the_last_approval_of_another(history, approved, at):
    """Leaving out every claim about one version never makes what was spent on another look smaller."""
    if at >= len(history):
        return
    hidden = history[at].version
    told, kept = _graph(history), _graph([node for node in history if node.version != hidden])
    before, after = (Depths(graph, significant=approved.get) for graph in (told, kept))
    for name in NAMES:
        if name == hidden:
            continue
        old, new = since_approval(told, before, name), since_approval(kept, after, name)
        for amount, left in zip(
            (old.time_s, old.flop, old.changed_lines), (new.time_s, new.flop, new.changed_lines), strict=True
        ):
            assert _high(left.high) >= _high(amount.high)


@settings(max_examples=250)
@given(histories, approvals)
def test_what_was_spent_is_an_interval_and_the_greatest_is_the_greatest_of_all(history, approved):
    """Lower ends lie below upper ends; asking only the ends of chains misses no upper end of any version."""
    graph = _graph(history)
    depths = Depths(graph, significant=approved.get)
    stated = [name for name in NAMES if name in graph]
    greatest = greatest_since(graph, depths, stated)
    each = [since_approval(graph, depths, name) for name in stated]
    for attribute in ("flop", "changed_lines"):
        amounts = [getattr(since, attribute) for since in each]
        assert all(amount.low <= _high(amount.high) for amount in amounts)
        assert _high(getattr(greatest, attribute).high) == max((_high(a.high) for a in amounts), default=0)
    assert all(since.time_s.low <= _high(since.time_s.high) for since in each)


@settings(max_examples=250)
@given(acyclic(), approvals, st.integers(1, 6), st.integers(1, 5))
def test_a_squashed_history_lowers_no_upper_end(history, approved, first, length):
    """Versions in a row told as one, which may hold that many changes or an unknown number, count as many or more."""
    chain = [
        replace(node, parents=frozenset({NAMES[number - 1]}) if number else frozenset(), steps=1)
        for number, node in enumerate(history)
    ]
    squashed = [node.version for node in chain[first : first + length]]
    if len(squashed) < 2 or any(approved.get(name) for name in squashed):
        return
    last = chain[first + len(squashed) - 1]
    if any(node.proposed_by.kind == "human" for node in chain[first : first + len(squashed)]):
        return
    whole = _answers(_graph(chain), approved)
    for steps in (len(squashed), None):
        one = replace(
            last,
            parents=chain[first].parents,
            touches=frozenset(),
            proposed_by=ProposedBy("undeclared"),
            steps=steps,
            own_flop=None,
        )
        told = [*chain[:first], one, *chain[first + len(squashed) :]]
        kept = _answers(_graph(told), approved)
        for name, (_, ai, own), (_, ai_kept, own_kept) in zip(NAMES, whole, kept, strict=True):
            if name in squashed[:-1]:
                continue
            assert _high(ai_kept.high) >= _high(ai.high)
            assert _high(own_kept.high) >= _high(own.high)
