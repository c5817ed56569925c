"""SIGKILL to the daemon before each state-changing system call of each verb, and of restore itself."""

import pytest

from attach_verbs import ATTACHES
from exec_verbs import EXECS
from image_verbs import IMAGES
from network_verbs import NETWORKS
from sweep import DaemonDies, DaemonRestores, Sweep
from verbs import ALL, Restore
from volume_verbs import VOLUMES
from wait_verbs import WAITS


def sweep(verb, death, runtime, namespace, request, record_property):
    one = Sweep(verb, death, runtime, namespace)
    n = one.run(request.config.getoption("--every"), request.config.getoption("--at"))
    record_property(one.name, n)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("verb", ALL + EXECS + WAITS + ATTACHES + IMAGES + VOLUMES + NETWORKS, ids=lambda v: v.name)
def test_verb(verb, runtime, namespace, request, record_property):
    sweep(verb, DaemonDies(), runtime, namespace, request, record_property)


@pytest.mark.timeout(1200)
def test_restore(runtime, namespace, request, record_property):
    sweep(Restore(), DaemonRestores(), runtime, namespace, request, record_property)
