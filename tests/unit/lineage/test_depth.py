"""Room ``lineage``: the depths and cumulative FLOP on small histories, each built around one way to hide."""

from decimal import Decimal
from itertools import pairwise

import pytest

from detente.base.quantity import exactly
from detente.lineage.depth import Depths, ai_proposed_depth, self_depth
from detente.lineage.graph import Graph, VersionNode
from detente.statement.change import ProposedBy

ROOT, *REST = [f"{number:064x}" for number in range(40)]
TRAINING = frozenset({"training"})


def _node(version, parents, proposed_by, touches=TRAINING, flop=1):
    own = None if flop is None else Decimal(flop)
    return VersionNode(version, frozenset(parents), proposed_by, frozenset(touches), own)


def _human(version, *parents, **more):
    return _node(version, parents, ProposedBy("human"), **more)


def _model(version, *parents, by=None, **more):
    return _node(version, parents, ProposedBy("model", by), **more)


def _graph(*nodes):
    graph = Graph()
    for node in nodes:
        graph.add(node)
    return graph


def _never(version):
    return False


def _chain(length):
    """A root by a human, then each version proposed by the one before."""
    names = [ROOT, *REST][: length + 1]
    return [_human(ROOT), *(_model(b, a, by=a) for a, b in pairwise(names))], names[-1]


def _ends(depth):
    return depth.low, depth.high


def test_each_unapproved_version_adds_one():
    """Five successors, each proposed by its parent: both depths are exactly five and name the chain."""
    nodes, last = _chain(5)
    graph = _graph(*nodes)
    for measure in (ai_proposed_depth, self_depth):
        depth = measure(graph, last, significant=_never)
        assert _ends(depth) == (5, 5)
        assert depth.chain == tuple(REST[:5])
        assert (depth.at_least(5), depth.at_least(6)) == (True, False)


def test_a_significant_approval_starts_the_count_again_and_an_unrecorded_one_leaves_it_open():
    """Approval of the third of five leaves two; not knowing about it leaves between two and five."""
    nodes, last = _chain(5)
    graph = _graph(*nodes)
    approved = ai_proposed_depth(graph, last, significant=lambda version: version == REST[2])
    unknown = ai_proposed_depth(graph, last, significant=lambda version: None if version == REST[2] else False)
    assert _ends(approved) == (2, 2)
    assert _ends(unknown) == (2, 5)
    assert unknown.at_least(3) is None


def test_a_lift_answers_the_versions_up_to_it():
    """Counting restarts at a version that a lift answered, also when the lift comes after the question."""
    nodes, last = _chain(5)
    graph = _graph(*nodes)
    assert _ends(ai_proposed_depth(graph, last, significant=_never, answered=frozenset({REST[3]}))) == (1, 1)
    depths = Depths(graph, significant=_never)
    assert _ends(depths.self_depth(last)) == (5, 5)
    depths.answer([REST[3]])
    assert _ends(depths.self_depth(last)) == (1, 1)


def test_a_changed_mind_about_an_approval_is_heard():
    """After ``forget``, an approval that arrived late counts for everything below."""
    nodes, last = _chain(4)
    approved = {}
    depths = Depths(_graph(*nodes), significant=lambda version: approved.get(version, False))
    assert _ends(depths.ai_proposed_depth(last)) == (4, 4)
    approved[REST[1]] = True
    depths.forget(REST[1])
    assert _ends(depths.ai_proposed_depth(last)) == (2, 2)


def test_an_undeclared_proposer_counts_above_and_not_below():
    """It may have been a model."""
    graph = _graph(_human(ROOT), _node(REST[0], [ROOT], ProposedBy("undeclared")))
    assert _ends(ai_proposed_depth(graph, REST[0], significant=_never)) == (0, 1)
    assert _ends(self_depth(graph, REST[0], significant=_never)) == (0, 1)


def test_touching_nothing_declared_counts_above():
    """A version that declares no touch may have changed anything, even if another claim says it changed data."""
    graph = _graph(_human(ROOT), _model(REST[0], ROOT, by=ROOT, touches=()))
    assert _ends(ai_proposed_depth(graph, REST[0], significant=_never)) == (0, 1)
    graph.add(_model(REST[0], ROOT, by=ROOT, touches={"data"}))
    assert _ends(ai_proposed_depth(graph, REST[0], significant=_never)) == (0, 1)


def test_versions_that_change_only_data_hide_no_chain():
    """Interleaved with changes to training, they add nothing and end nothing in the upper end."""
    nodes = [_human(ROOT)]
    for number in range(10):
        parent = nodes[-1].version
        nodes.append(_model(REST[number], parent, by=parent, touches={"data"} if number % 2 else {"training"}))
    depth = ai_proposed_depth(_graph(*nodes), REST[9], significant=_never)
    assert _ends(depth) == (0, 5)


def test_two_models_improving_each_other_do_not_escape():
    """A proposes B's successor and B's successor proposes A's: from the second exchange on, every one counts."""
    a, b = REST[0], REST[1]
    nodes = [_human(a), _human(b)]
    for number in range(2, 30):
        a, b = b, a  # `a` is whose turn it is to propose, `b` whose successor comes
        nodes.append(_model(REST[number], b, by=a))
        b = REST[number]
    graph = _graph(*nodes)
    last = REST[29]
    ai, own = (measure(graph, last, significant=_never) for measure in (ai_proposed_depth, self_depth))
    assert ai.low == ai.high == 14
    assert own.high >= 13


def test_a_model_of_demonstrably_other_descent_does_not_add_to_the_self_depth():
    """Its whole descent is stated and shares nothing with what it changed; it still counts as a model."""
    graph = _graph(_human(ROOT), _human(REST[0]), _model(REST[1], ROOT, by=REST[0]))
    assert _ends(self_depth(graph, REST[1], significant=_never)) == (0, 0)
    assert _ends(ai_proposed_depth(graph, REST[1], significant=_never)) == (1, 1)


@pytest.mark.parametrize("by", [None, "outside-model", "f" * 64])
def test_a_model_of_unknown_descent_may_be_an_ancestor(by):
    """No id, a name, a digest that nobody stated: the upper end counts it, the lower does not."""
    graph = _graph(_human(ROOT), _model(REST[0], ROOT, by=by))
    assert _ends(self_depth(graph, REST[0], significant=_never)) == (0, 1)


def test_what_an_unknown_model_shaped_may_have_shaped_its_proposer():
    """A known model changes a version that an outside model had proposed: common descent cannot be excluded."""
    graph = _graph(
        _human(ROOT), _human(REST[0]), _model(REST[1], ROOT, by="outside-model"), _model(REST[2], REST[1], by=REST[0])
    )
    assert _ends(self_depth(graph, REST[2], significant=_never)) == (0, 2)


def test_an_old_ancestor_as_proposer_counts_for_certain():
    """A fixed base model that proposes every successor is an ancestor of each."""
    names = [ROOT, *REST]
    nodes = [_human(ROOT), *(_model(b, a, by=ROOT) for a, b in pairwise(names))]
    assert _ends(self_depth(_graph(*nodes), names[-1], significant=_never)) == (39, 39)


def test_a_cycle_of_claimed_parents_ends_and_is_unknown():
    """Versions that claim each other as parents, and all that come from them, have no upper end."""
    graph = _graph(_model(ROOT, REST[0], by=ROOT), _model(REST[0], ROOT, by=ROOT), _model(REST[1], ROOT, by=ROOT))
    for version in (ROOT, REST[0], REST[1]):
        for measure in (ai_proposed_depth, self_depth):
            assert measure(graph, version, significant=_never).high is None
        assert graph.cumulative_flop(version).high is None
    assert _ends(ai_proposed_depth(graph, ROOT, significant=lambda _: True)) == (0, 0)


def test_a_squashed_history_lowers_nothing():
    """The same version told again as made from the root in one step keeps its upper end; the lower end gives way."""
    nodes, last = _chain(6)
    graph = _graph(*nodes)
    graph.add(_model(last, ROOT, by=ROOT))
    depth = ai_proposed_depth(graph, last, significant=_never)
    assert _ends(depth) == (1, 6)
    assert depth.chain == tuple(REST[:6])


@pytest.mark.parametrize("kind", ["model", "undeclared"])
def test_a_change_without_parents_has_no_upper_end(kind):
    """A model changed something and nobody says what: history is missing. A human's first version is a root."""
    graph = _graph(_node(REST[0], [], ProposedBy(kind)), _human(REST[1]))
    assert ai_proposed_depth(graph, REST[0], significant=_never).high is None
    assert _ends(ai_proposed_depth(graph, REST[1], significant=_never)) == (0, 0)


def test_a_missing_parent_leaves_the_upper_end_open():
    """A parent that nobody stated may hide any number of versions."""
    graph = _graph(_model(REST[1], REST[0], by=REST[0]))
    assert _ends(ai_proposed_depth(graph, REST[1], significant=_never)) == (1, None)
    graph.add(_human(REST[0]))
    assert _ends(ai_proposed_depth(graph, REST[1], significant=_never)) == (1, 1)


def test_a_very_long_chain_needs_no_recursion_and_a_leaf_no_walk():
    """Ten thousand versions are answered, and one more asks for the significance of itself and its parent only."""
    names = [f"{number:064x}" for number in range(10_001)]
    graph = _graph(_human(names[0]), *(_model(b, a, by=a) for a, b in pairwise(names[:-1])))
    asked = []

    def significant(version):
        asked.append(version)
        return False

    depths = Depths(graph, significant=significant)
    assert _ends(depths.self_depth(names[-2])) == (9_999, 9_999)
    asked.clear()
    graph.add(_model(names[-1], names[-2], by=names[-2]))
    assert _ends(depths.self_depth(names[-1])) == (10_000, 10_000)
    assert set(asked) == {names[-1]}


def test_cumulative_flop_sums_along_a_chain_and_over_parents():
    """Ten in a row of one each are exactly ten; a merge of two models spends what went into both."""
    nodes, last = _chain(9)
    graph = _graph(*nodes)
    assert graph.cumulative_flop(last) == exactly(Decimal(10))
    graph = _graph(_human(ROOT, flop=7), _human(REST[0], flop=5), _model(REST[1], ROOT, REST[0], flop=3))
    assert graph.cumulative_flop(REST[1]) == exactly(Decimal(15))


def test_a_common_ancestor_counts_once_below_and_per_path_above():
    """A diamond: the lower end is certain, the upper one conservative."""
    graph = _graph(
        _human(ROOT, flop=100), _model(REST[0], ROOT), _model(REST[1], ROOT), _model(REST[2], REST[0], REST[1])
    )
    flop = graph.cumulative_flop(REST[2])
    assert (flop.low, flop.high) == (Decimal(102), Decimal(203))


def test_unstated_flop_leaves_the_upper_end_unknown():
    """An own cost that is not known, or an ancestor that nobody stated, and a plan built on it."""
    graph = _graph(_human(ROOT, flop=None), _model(REST[0], ROOT, flop=5))
    assert str(graph.cumulative_flop(REST[0])) == "[5, ?]"
    assert str(graph.cumulative_flop_from([REST[0], REST[9]], exactly(Decimal(2)))) == "[7, ?]"


def test_thousands_of_merges_read_as_unknown_and_not_as_an_error():
    """Doubling at each of three thousand diamonds passes every exact number."""
    names = [f"{number:064x}" for number in range(9_003)]
    graph = _graph(_human(names[0], flop=1))
    for at in range(0, 9_000, 3):
        graph.add(_model(names[at + 1], names[at]))
        graph.add(_model(names[at + 2], names[at]))
        graph.add(_model(names[at + 3], names[at + 1], names[at + 2]))
    flop = graph.cumulative_flop(names[9_000])
    assert flop.high is None
    assert flop.low >= 6_000
