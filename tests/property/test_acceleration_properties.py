"""What holds for every series."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detente.measure.acceleration.models import fit_models, two_sided_t


@st.composite
def noisy_series(draw):
    """Seven to twenty points on distinct days, with heights that no model fits perfectly."""
    days = sorted(draw(st.sets(st.integers(0, 2_000), min_size=7, max_size=20)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    bend = draw(st.floats(-3, 3))
    years = np.array(days) / 365.25
    return years, years * draw(st.floats(-3, 3)) + bend * years**2 + generator.normal(0, 0.5, len(days))


@given(noisy_series(), st.floats(-50, 50), st.floats(-10, 10), st.floats(0.1, 10))
def test_gains_do_not_depend_on_epoch_or_unit(series, years, height, factor):
    """Other first day, other unit of the value, other unit of the height: the comparison stays the same."""
    x, y = series
    first, second = fit_models(x, y[None]), fit_models(x + years, (y * factor + height)[None])
    np.testing.assert_allclose(first.quadratic_gain, second.quadratic_gain, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(first.break_gain, second.break_gain, rtol=1e-5, atol=1e-5)
    assert (
        (first.accelerate(4.0) == second.accelerate(4.0)).all()
        or abs(first.quadratic_gain[0] - 4) < 1e-4
        or abs(first.break_gain[0] - 4) < 1e-4
    )


@given(noisy_series())
def test_what_accelerates_upside_down_does_not_accelerate(series):
    """A series and its mirror image never both accelerate."""
    x, y = series
    assert not (fit_models(x, y[None]).accelerate(4.0)[0] and fit_models(x, -y[None]).accelerate(4.0)[0])


@given(noisy_series())
def test_more_parameters_never_fit_worse(series):
    """The line is a parabola without bend, and a broken line without break."""
    rss = fit_models(series[0], series[1][None]).rss[:, 0]
    assert rss[1] <= rss[0] * (1 + 1e-9)
    assert rss[2] <= rss[0] * (1 + 1e-9)


@given(st.floats(0, 50), st.floats(0, 50), st.integers(1, 200))
def test_a_larger_t_is_never_likelier(first, second, freedom):
    """A probability, and it falls."""
    low, high = sorted((first, second))
    assert 0 <= two_sided_t(high, freedom) <= two_sided_t(low, freedom) + 1e-12 <= 1 + 1e-12
