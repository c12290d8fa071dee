"""A table of names with one provider that says what a test has it say."""

import time

import numpy as np

from rubin.identity.scopes import Namespaces
from rubin.identity.table import Names
from rubin.identity.told import Told
from rubin.model.tables import Endpoint, Tables
from tests.flows import flows

SECOND_NS = 1_000_000_000


class Provider:
    """A provider whose words are handed over as by a thread of its own."""

    name, rank = "cluster", 50

    def __init__(self):
        self.told = Told()

    def changes(self):
        return self.told.take()

    def status(self):
        return f"{len(self.told)} keys"

    def close(self):
        pass


class World:
    """A table, its provider and its clock."""

    def __init__(self):
        self.now, self.provider = [0.0], Provider()
        self.gone: list[tuple[str, str]] = []
        self.names = Names(
            [self.provider], gone=lambda *pod: self.gone.append(pod), clock=lambda: self.now[0], namespaces=Namespaces()
        )

    def tell(self, key, *facts):
        self.provider.told.tell(key, facts)
        self.now[0] += 1

    def identify(self, batch):
        return self.names.identify(batch)


def pod(name, **more):
    return Endpoint(namespace="default", labels=(f"k8s:app={name}",), pod_name=name, **more)


def at(time_ns, text="src dst\n10.0.0.1 10.0.0.9"):
    batch = flows(text)
    return batch.with_columns(time_ns=np.full(len(batch), time_ns))


def of_process(process, text="src dst trace_point\n10.0.0.1 10.0.0.9 TO_STACK"):
    tables = Tables()
    batch, code = flows(text, tables), tables.processes.code(process)
    return batch.with_columns(process=np.full(len(batch), code, np.uint32), time_ns=np.full(len(batch), time.time_ns()))


def source(batch):
    return [endpoint.pod_name or ",".join(endpoint.labels) for endpoint in batch.rows("source_endpoint")]
