"""L-BFGS: functions whose least value is known."""

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

from copytaster.lbfgs import minimise


def quadratic(matrix, middle):
    def function(point):
        slope = matrix @ (point - middle)
        return float((point - middle) @ slope) / 2, slope

    return function


@pytest.mark.parametrize("size", [1, 2, 50])
def test_finds_the_middle_of_a_bowl(size):
    random = np.random.default_rng(size)
    root = random.normal(size=(size, size)) / np.sqrt(size)
    middle = random.normal(size=size)
    found = minimise(quadratic(root @ root.T + 0.1 * np.eye(size), middle), np.zeros(size), 500, 1e-16)
    assert found == pytest.approx(middle, abs=1e-5)


def test_agrees_with_scipy_where_curvature_turns():
    start = np.array([-1.2, 1.0, 0.7])
    ours = minimise(lambda x: (float(rosen(x)), rosen_der(x)), start, 500, 1e-14)
    assert ours == pytest.approx(minimize(rosen, start, jac=rosen_der, method="L-BFGS-B").x, abs=1e-3)


def test_never_ends_higher_and_stops_when_told():
    values = []

    def function(point):
        values.append(float(np.logaddexp(point, -point).sum()))
        return values[-1], np.tanh(point)

    end = np.array([20.0, -7.0, 3.0])
    found = minimise(function, end, 5, 0)
    assert function(found)[0] == min(values) < values[0]
    assert np.array_equal(minimise(function, end, 0, 0), end)
    assert np.array_equal(minimise(function, np.zeros(3), 9, 0), np.zeros(3))
