"""The table of docs/reference/conformance.md is what the suite last saw, of every adapter, in every scenario."""

import json

import pytest

from tests.conformance import page
from tests.conformance.adapters import ADAPTERS, SCENARIOS


def test_the_page_is_the_record_of_the_suite():
    """`make conformance` writes both; nobody edits the table."""
    assert page.PAGE.read_text("utf-8") == page.rendered(json.loads(page.RECORD.read_text("utf-8"))), (
        "out of date: make conformance"
    )


def test_no_cell_is_empty_and_none_is_of_an_adapter_that_is_gone():
    """Every adapter went through every scenario that there is."""
    cells = json.loads(page.RECORD.read_text("utf-8"))["cells"]
    assert {name: set(row) for name, row in cells.items()} == {each.name: set(SCENARIOS) for each in ADAPTERS}
    assert all(text.strip() for row in cells.values() for text in row.values())


def test_a_record_without_a_cell_makes_no_page():
    """A scenario that was not run is an error, not a blank."""
    cells = {each.name: dict.fromkeys(SCENARIOS, "exact") for each in ADAPTERS}
    del cells[ADAPTERS[0].name]["killed"]
    with pytest.raises(KeyError, match="killed"):
        page.rendered({"versions": {}, "cells": cells})
