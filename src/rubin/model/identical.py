"""Which flows are the same one, told twice."""

import numpy as np

from rubin.model.batch import FlowBatch
from rubin.model.codes import U64, mix


def keys(batch: FlowBatch) -> U64:
    """(n,) a number for each flow, by its UUID; one without a UUID by its time and ends."""
    named = (batch["uuid_high"] != 0) | (batch["uuid_low"] != 0)
    own = mix(batch["uuid_high"], batch["uuid_low"])
    if named.all():
        return own
    ends = (batch[f"{side}_{part}"] for side in ("source", "destination") for part in ("high", "low", "port"))
    return np.where(named, own, mix(batch["time_ns"], batch["event_type"], batch["tcp_flags"], *ends))
