"""Nested state without pickle: what goes in comes out to the last bit, and a hostile tree builds nothing."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.base.errors import Refused
from detente.base.strict_json import encode_json, parse_json
from detente.hooks.state_tree import DEPTH_MAX, flatten, rebuild

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=20)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
KEYS = st.text("abc.0", max_size=4) | st.integers(-(2**53) + 1, 2**53 - 1)
STATES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=20,
)


def same(one: object, two: object) -> bool:
    """Equal with equal types, floats to the bit."""
    if type(one) is not type(two):
        return False
    if isinstance(one, float):
        return one.hex() == two.hex()
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return one == two


@given(STATES)
def test_state_comes_back_as_it_was(state: object):
    """Through strict JSON too, which knows no floats."""
    nodes, arrays = flatten(state)
    assert same(rebuild(parse_json(encode_json(nodes), limit=1 << 20), arrays), state)


def test_arrays_and_counters_come_back_as_they_were():
    """Schedulers keep their milestones in counters, NumPy's generator its words in an array."""
    words = np.arange(6, dtype=np.uint32).reshape(2, 3)
    back = rebuild(*flatten({"words": words, "empty": np.zeros((0, 2)), "milestones": Counter([3, 3, 5])}))
    assert back["words"].dtype == np.uint32
    assert (back["words"] == words).all()
    assert back["empty"].shape == (0, 2)
    assert (type(back["milestones"]), back["milestones"][3], back["milestones"][4]) == (Counter, 2, 0)


def test_special_floats_keep_their_sign():
    """Minus zero, the infinities, and that a value is not a number."""
    back = rebuild(*flatten([-0.0, math.inf, -math.inf, math.nan]))
    assert [math.copysign(1, back[0]), *back[1:3]] == [-1.0, math.inf, -math.inf]
    assert math.isnan(back[3])


@pytest.mark.parametrize(
    "value",
    [{1, 2}, print, object(), 1j, {(1, 2): 3}, {2**60: 1}, np.array(["a"]), np.array([object()])],
    ids=["set", "function", "object", "complex", "key-of-two", "large-key", "array-of-text", "array-of-objects"],
)
def test_what_has_no_form_is_refused_with_its_place(value: object):
    """V02: before the first step, and by name."""
    with pytest.raises(Refused) as caught:
        flatten({"outer": [0, value]})
    assert (caught.value.rule, caught.value.kind) == ("V02", "wrong-type")
    assert "outer[1]" in caught.value.got


def test_state_that_is_too_deep_is_refused():
    """V02: a list in itself would never end."""
    loop: list = []
    loop.append(loop)
    with pytest.raises(Refused) as caught:
        flatten(loop)
    assert caught.value.rule == "V02"


BOMB = [["list", i + 1, i + 1] for i in range(40)] + [["none"]]


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        None,
        {"a": 1},
        [["none"], ["none"]],
        [["list", 0]],
        [["list", 1, 1], ["none"]],
        [["list", True], ["none"]],
        [["list", -1], ["none"]],
        [["list", 2], ["none"]],
        [["dict", ["a", 1], ["a", 2]], ["none"], ["none"]],
        [["dict", [None, 1]], ["none"]],
        [["dict", "ab"]],
        [["int", 3]],
        [["int", "x"]],
        [["int", "9" * 5_000]],
        [["float", 0.5]],
        [["float", "0x1p99999"]],
        [["call", "os.system"]],
        ["none"],
        [["bytes", "nowhere"]],
        [["array", "a", "|O", [1]]],
        [["array", "a", "<f4", [3]]],
        [["array", "a", "<f4", [-1]]],
        [["array", "a", "<f4", [True]]],
        BOMB,
        [["list", i + 1] for i in range(DEPTH_MAX + 5)] + [["none"]],
    ],
    ids=lambda nodes: repr(nodes)[:40],
)
def test_a_tree_that_is_none_is_refused(nodes: object):
    """V01: no cycle, no bomb, no code, no array of another size."""
    arrays = {"a": np.zeros(8, dtype=np.uint8)}
    with pytest.raises(Refused) as caught:
        rebuild(nodes, arrays)
    assert (caught.value.rule, caught.value.kind) == ("V01", "malformed")
