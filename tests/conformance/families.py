"""The families of the table, in its order. A family stands here when it has an adapter."""

from tests.conformance import asking, scheduling, training
from tests.conformance.table import Family

FAMILIES: tuple[Family, ...] = (training.FAMILY, scheduling.FAMILY, asking.FAMILY)
