"""Settings of the clusters that tests start: Flueman's own, and the app with the work."""

from flueman.settings import *  # noqa: F403
from flueman.settings import INSTALLED_APPS, Q_CLUSTER

INSTALLED_APPS = [*INSTALLED_APPS, "tests.jobs.work"]
Q_CLUSTER = {**Q_CLUSTER, "poll": 0.1}
