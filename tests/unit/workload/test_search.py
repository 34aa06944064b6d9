"""The self-improvement loop: its best model proposes, records say who, and its state resumes exactly."""

import json
import signal

import pytest

from detente.base.digest import sha256_hex
from detente.base.errors import Misuse, Refused

np = pytest.importorskip("numpy", reason="the workloads need the extra `drill`")

from detente.hooks.workload import job, searcher  # noqa: E402 (after the skip)
from detente.hooks.workload.container import encode_container, parse_container, weights_digest  # noqa: E402
from detente.hooks.workload.control import Request  # noqa: E402
from detente.hooks.workload.corpus import Corpus  # noqa: E402
from detente.hooks.workload.model import Shape  # noqa: E402
from detente.hooks.workload.policy import mutate  # noqa: E402
from detente.hooks.workload.recipe import Recipe, difference, parse_recipe, replace, touched  # noqa: E402
from detente.hooks.workload.search import Search  # noqa: E402
from detente.measure.changes.unified import parse_unified  # noqa: E402

TEXT = Corpus(bytes((i * i // 7 + i) % 90 + 32 for i in range(6_000)))
FOUNDER = Recipe(shape=Shape(context=6, embedding=4, hidden=10, depth=1), batch=8, steps=12, warmup=2)


def run(search: Search, generations: int) -> Search:
    """Train and decide until ``generations`` are done."""
    while search.number < generations:
        search.keep_or_drop(search.train(search.propose()))
    return search


def reloaded(search: Search) -> Search:
    """The search after a trip through the bytes of a checkpoint."""
    return Search.load_state(*parse_container(encode_container(*search.save_state())), corpus=TEXT)


def test_the_best_model_proposes_its_own_successor():
    """From generation 1 on, proposer and parent are the version that was best, and the sample is its text."""
    search = run(Search(FOUNDER, TEXT, seed=4), 1)
    founder = search.best
    proposal = search.propose()
    assert proposal.proposer == proposal.parent == founder.digest
    assert len(proposal.sampled) == 24
    assert proposal.sampling_flop == 24 * FOUNDER.shape.forward_flop(batch=1)
    assert proposal.recipe == mutate(founder.recipe, sampled=proposal.sampled, seed=5)
    expected = sha256_hex(f"{weights_digest({'weights': founder.weights})} {founder.recipe.digest}".encode())
    assert founder.digest == expected


def test_a_proposal_is_shown_as_what_it_would_change_and_nothing_of_it_is_left_out():
    """A reviewer reads a diff of one file; before and after it are the proposal with the previous recipe and with the new one."""
    proposal = run(Search(FOUNDER, TEXT, seed=4), 1).propose()
    (change,) = parse_unified(proposal.as_diff()).files
    lines = [line for hunk in change.hunks for line in hunk.lines]
    before, after = (
        json.loads("\n".join(line.text for line in lines if line.kind != other)) for other in ("added", "removed")
    )
    said = proposal.as_json()
    previous = said.pop("previous")
    assert (before, after) == (said | {"recipe": previous}, said)
    assert before != after


def test_another_model_proposes_another_successor():
    """The proposal depends on the proposer's weights: change them, and with the same random state it differs."""
    search = run(Search(FOUNDER, TEXT, seed=4), 1)
    other = reloaded(search)
    other.best.weights[...] += np.float32(0.3) * np.sin(np.arange(other.best.weights.size, dtype=np.float32))
    assert search.propose().sampled != other.propose().sampled


def test_two_searches_with_one_seed_are_one():
    """Everything follows from founder, corpus and seed."""
    first, second = (run(Search(FOUNDER, TEXT, seed=4), 4) for _ in range(2))
    assert encode_container(*first.save_state()) == encode_container(*second.save_state())
    assert run(Search(FOUNDER, TEXT, seed=5), 4).records != first.records


def test_a_proposal_stays_until_it_is_decided():
    """Asking again does not draw again: an approval must not race with a new proposal."""
    search = run(Search(FOUNDER, TEXT, seed=4), 1)
    assert search.propose() == search.propose() == reloaded(search).propose()


class Stop(Exception):
    """Raised from within training at a step boundary."""


@pytest.mark.parametrize("stops", [[3], [12, 13], [1, 17, 30, 36]])
def test_a_search_resumes_exactly_within_a_generation(stops: list[int]):
    """Stopped at any steps, twice in one generation or at its end, it ends as the one that was not stopped."""
    whole = run(Search(FOUNDER, TEXT, seed=4), 4)
    search = Search(FOUNDER, TEXT, seed=4)
    left = list(stops)

    def on_step(step: int) -> None:
        if step in left:
            left.remove(step)
            raise Stop

    while search.number < 4:
        try:
            search.keep_or_drop(search.train(search.propose(), on_step=on_step))
        except Stop:
            search = reloaded(search)
    assert left == []
    assert encode_container(*search.save_state()) == encode_container(*whole.save_state())


def test_only_a_better_successor_is_kept():
    """Lower loss is kept and becomes the next proposer; anything else leaves the best where it was."""
    search = Search(FOUNDER, TEXT, seed=4)
    verdicts = set()
    while search.number < 12:
        before = search.best
        record = search.keep_or_drop(search.train(search.propose()))
        if before is not None:
            assert record.kept == (record.score < record.parent_score)
            assert record.parents == (before.digest,)
            assert search.best.digest == (record.version if record.kept else before.digest)
            verdicts.add(record.kept)
    assert verdicts == {True, False}
    assert [record["kept"] for record in search.records].count(True) >= 2


def test_flop_cover_training_sampling_and_both_evaluations():
    """The sum of all generations' own FLOP is the search's, and the founder's can be counted by hand."""
    search = run(Search(FOUNDER, TEXT, seed=4), 5)
    assert sum(int(record["own_flop"]) for record in search.records) == search.flop
    layers = 6 * 4 * 10 + 10 * 256
    assert int(search.records[0]["own_flop"]) == 12 * 6 * 8 * layers + 2 * 600 * layers


def test_a_proposal_that_was_not_the_pending_one_is_not_trained():
    """W20: what was approved is what is trained; another recipe under the same number is refused."""
    search = run(Search(FOUNDER, TEXT, seed=4), 1)
    proposal = search.propose()
    before = encode_container(*search.save_state())
    with pytest.raises(Refused) as caught:
        search.train(replace(proposal, recipe=replace(proposal.recipe, dropout=0.5)))
    assert caught.value.rule == "W20"
    assert encode_container(*search.save_state()) == before


def test_a_refused_proposal_is_recorded_and_never_becomes_a_parent():
    """A reviewer's no leaves the best model as it was, and the next proposal is another one."""
    search = run(Search(FOUNDER, TEXT, seed=4), 1)
    best, proposal = search.best, search.propose()
    search.refuse(proposal)
    assert search.records[-1]["refused"] is True
    assert search.best is best
    assert search.propose().digest != proposal.digest
    with pytest.raises(Refused) as caught:
        search.train(proposal)
    assert caught.value.rule == "W20"


def test_keeping_needs_a_trained_generation():
    """A caller that decides twice is told so."""
    search = Search(FOUNDER, TEXT, seed=4)
    record = search.train(search.propose())
    search.keep_or_drop(record)
    with pytest.raises(Misuse):
        search.keep_or_drop(record)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda meta, _: meta.update(kind="bytes-lm"),
        lambda meta, _: meta.update(corpus="0" * 64),
        lambda meta, _: meta.pop("random"),
        lambda meta, _: meta.update(pending={}),
        lambda _, arrays: arrays.pop("weights.best"),
        lambda _, arrays: arrays.pop("trainer.adam.first"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(spoil):
    """W16: another kind or corpus, or part of the state missing."""
    search = run(Search(FOUNDER, TEXT, seed=4), 1)

    def stop(_step: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        search.train(search.propose(), on_step=stop)
    meta, arrays = search.save_state()
    spoil(meta, arrays)
    with pytest.raises(Refused) as caught:
        Search.load_state(meta, arrays, corpus=TEXT)
    assert caught.value.rule == "W16"
    assert search.number == 1


def test_every_sample_spells_a_different_and_sound_recipe():
    """Whatever bytes a model writes, the proposal parses, differs, and names what it touches."""
    aspects = set()
    draw = np.random.default_rng(0)
    recipe = Recipe(steps=50)
    for number in range(400):
        new = mutate(recipe, sampled=draw.bytes(24), seed=number)
        assert parse_recipe(new.as_json()) == new
        assert difference(replace(recipe, seed=number), new)
        aspects |= set(touched(recipe, new))
        recipe = new
    assert aspects == {"architecture", "evaluation", "training"}


def test_a_sample_of_nothing_still_changes_something():
    """A model that always writes the same byte is read as a change too, at the bounds of the learning rate too."""
    recipe = Recipe(learning_rate=0.0002)
    for byte in range(256):
        assert difference(recipe, mutate(recipe, sampled=bytes([byte]) * 24, seed=0))


def test_the_seed_alone_touches_nothing():
    """Another data order is not a change of architecture, training or evaluation."""
    assert touched(FOUNDER, replace(FOUNDER, seed=9)) == ()


def test_a_pause_while_waiting_for_an_approval_is_heard(tmp_path):
    """The wait at a hold point polls for a pause: the proposal is published, and the job unwinds."""
    before = signal.getsignal(signal.SIGUSR1)
    try:
        made = job.Job(tmp_path)
        made.control.interrupt()
        proposal = Search(FOUNDER, TEXT, seed=4).propose()
        with pytest.raises(job.PauseNow) as caught:
            searcher.hold_by_files(made, proposal)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert caught.value.request == Request("")
    assert (tmp_path / "proposals" / f"{proposal.digest}.json").exists()
