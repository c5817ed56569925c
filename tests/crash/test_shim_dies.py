"""SIGKILL to a shim before each of its own state-changing calls, the daemon alive: see ShimDies."""

import pytest

from sweep import ShimDies, Sweep
from verbs import SHIM


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("verb", SHIM, ids=lambda v: v.name)
def test_verb(verb, runtime, namespace, request, record_property):
    sweep = Sweep(verb, ShimDies(verb), runtime, namespace)
    n = sweep.run(request.config.getoption("--every"), request.config.getoption("--at"))
    record_property(sweep.name, n)
