"""What holds for every tier: hypothesis' pace."""

import os

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", "build/hypothesis")  # read when hypothesis is imported

from hypothesis import HealthCheck, settings

# Shared machines stall for longer than hypothesis' deadline; a failure in CI can be had again from its seed.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
