"""SIGKILL to holdfast-image before each of its own state-changing calls, the daemon alive: see ToolDies."""

import pytest

from image_verbs import TOOL
from sweep import Sweep, ToolDies
from volume_verbs import Tool_copy_up


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("verb", [*TOOL, Tool_copy_up()], ids=lambda v: v.name)
def test_verb(verb, runtime, namespace, request, record_property):
    sweep = Sweep(verb, ToolDies(), runtime, namespace)
    n = sweep.run(request.config.getoption("--every"), request.config.getoption("--at"))
    record_property(sweep.name, n)
