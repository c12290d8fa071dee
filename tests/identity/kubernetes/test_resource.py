"""Lines of a watch, whatever is watched."""

import json

import pytest

from rubin.errors import RubinError
from rubin.identity.kubernetes import resource

EXPIRED = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "too old resource version: 1 (530)",
    "reason": "Expired",
    "code": 410,
}


KINDS = (resource.services, resource.nodes, resource.namespaces, resource.api_servers)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_that_a_version_is_too_old_is_heard_of_every_kind(kind) -> None:
    line = json.dumps({"type": "ERROR", "object": EXPIRED}).encode()
    with pytest.raises(RubinError, match="too old resource version"):
        kind().change(line)
