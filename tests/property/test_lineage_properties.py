"""Room ``lineage``: order never matters, and whatever is hidden or retold lowers no upper bound."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from detente.base.quantity import exactly
from detente.lineage.depth import Depths, ai_proposed_depth, self_depth
from detente.lineage.graph import Graph, VersionNode, version_node
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
claims = st.builds(VersionNode, versions, st.frozensets(versions, max_size=3), proposers, touches, flops)
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
