"""The tables of docs/reference/conformance.md are what the suite last saw, of every adapter, in every scenario."""

import pytest

from tests.conformance import page, table
from tests.conformance.families import FAMILIES
from tests.conformance.table import RECORDS, read_record, write_record


def test_the_page_is_the_record_of_the_suite():
    """`make conformance` writes both; nobody edits the table."""
    assert page.PAGE.read_text("utf-8") == page.rendered(), "out of date: make conformance"


def test_no_cell_is_empty_and_none_is_of_an_adapter_that_is_gone():
    """Every adapter went through every scenario that there is."""
    rows = {row.key: family for family in FAMILIES for row in family.adapters}
    assert {path.stem for path in RECORDS.glob("*.json")} == set(rows)
    for key, family in rows.items():
        record = read_record(key)
        assert record["family"] == family.key
        assert set(record["cells"]) == set(family.scenarios), key
        assert all(text.strip() for text in record["cells"].values()), key


def test_every_adapter_has_a_guide_of_its_own():
    """A row leads to the page that says how it is installed."""
    guides = page.PAGE.parents[1] / "guides"
    assert [row.page for family in FAMILIES for row in family.adapters if not (guides / row.page).is_file()] == []


def test_what_was_not_seen_whole_makes_no_record():
    """A scenario that was not run is no blank: the record is not written."""
    family = FAMILIES[0]
    cells = dict.fromkeys(family.scenarios, "exact")
    del cells["killed"]
    assert not write_record(family, "nothing", {}, cells)
    assert not (RECORDS / "nothing.json").exists()


@pytest.mark.parametrize(("version", "kept"), [("1", "exact"), ("2", None)])
def test_what_was_seen_before_counts_with_the_same_versions_only(monkeypatch, tmp_path, version, kept):
    """A new scenario does not need all the others again; another version of anything does."""
    monkeypatch.setattr(table, "RECORDS", tmp_path)
    family = FAMILIES[0]
    assert write_record(family, "it", {"x": "1"}, dict.fromkeys(family.scenarios, "exact"))
    assert write_record(family, "it", {"x": version}, {"killed": "other"}) is (kept is not None)
    cells = read_record("it")["cells"]
    assert (cells["killed"], cells["step"]) == ("other" if kept else "exact", "exact")
