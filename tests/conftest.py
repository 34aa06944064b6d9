"""What every test shares: how hard Hypothesis searches.

The default, ``ci``, is deterministic, so that a red test stays red until it is mended. ``nightly`` searches anew each
time: ``pytest --hypothesis-profile=nightly``.
"""

from hypothesis import HealthCheck, settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60, database=None)
settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("ci")
