import numpy as np

from rubin.identity.node import NodeLabels
from rubin.model.tables import Contents, Tables
from tests.flows import flows


def test_every_flow_has_the_labels_of_its_node_beside_what_it_carries():
    tables = Tables()
    labels: list[tuple[str, ...]] = [()]
    stage = NodeLabels(lambda: labels[0])
    code = tables.contents.code(Contents(proxy_port=9))
    batch = flows("src dst\n10.0.0.1 10.0.0.2\n10.0.0.1 10.0.0.2", tables)
    batch = batch.with_columns(contents=np.array([0, code], np.uint32))
    assert stage.label(batch) is batch
    for told in (("zone=a",), ("zone=b",)):
        labels[0] = told
        plain, proxied = stage.label(batch).rows("contents")
        assert (plain, proxied) == (Contents(node_labels=told), Contents(proxy_port=9, node_labels=told))
