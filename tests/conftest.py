"""Settings of all tests: no silent broadcasting, both precisions, reproducible random examples."""

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from lossdsl.operators import OPS

# An operand that is not aligned by name is an error here, even where NumPy would stretch it.
jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile(
    "lossdsl",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("lossdsl")


@pytest.fixture(autouse=True)
def operators():
    """What a test declares, an example in a docstring too, is not there in the next."""
    known = dict(OPS)
    yield
    OPS.clear()
    OPS.update(known)


@pytest.fixture
def strict():
    """No type of numbers becomes another by itself, as with users who ask JAX for that."""
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture(params=["float32", "float64"])
def precision(request):
    """The default float type of the test body."""
    with jax.enable_x64(request.param == "float64"):
        yield np.dtype(request.param)
