"""What several files of these tests are set up with; a file that needs another cluster has its own."""

from collections.abc import Iterator

import pytest

from tests.integration.slurm_rig import Site, site


@pytest.fixture(scope="module")
def open_site() -> Iterator[Site]:
    """A Slurm cluster under an accord, for one file."""
    with site() as made:
        yield made


@pytest.fixture
def place(open_site) -> Iterator[Site]:
    """That cluster; afterwards it is without jobs, and lifted."""
    yield open_site
    open_site.clear()
