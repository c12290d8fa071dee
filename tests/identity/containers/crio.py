"""A CRI server of the tests' own, with the pods of a recorded answer, as CRI-O tells events or does not."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from rubin.identity.containers.pb import cri_pb2 as pb

# What a real containerd answered of the pods and containers of one node of a cluster, boiled down to a line each.
RECORDED = Path(__file__).with_name("node1.txt").read_text()
_POD = re.compile(r"POD (\w+) (\S+)/(\S+) SANDBOX_READY ip (\S*) pid \d+ netns (\S+) cgroup (\S+) labels (.*)")
_CONTAINER = re.compile(r"CTR (\w+) (\w+) CONTAINER_RUNNING pod (\w+) pid \d+ image (\S+) cgroup (\S+) labels (.*)")
_SERVICE = "/runtime.v1.RuntimeService/"


class Node:
    """The runtime; `events`: "told", "none" or "ended" as soon as asked for."""

    def __init__(self, events: str) -> None:
        self.pods = [_pod(found) for found in _POD.findall(RECORDED)]
        whole = {status.status.id[:12]: status.status.id for status in self.pods}
        self.containers = [_container(found, whole) for found in _CONTAINER.findall(RECORDED)]
        self.asked: list[str] = []
        self.gone = ""
        """A pod that is listed, and not there when asked for."""
        self._kind = events
        self._news: asyncio.Queue[pb.ContainerEventResponse] = asyncio.Queue()

    def happen(self, loop: asyncio.AbstractEventLoop, container_id: str) -> None:
        """Tell of a container."""
        loop.call_soon_threadsafe(self._news.put_nowait, pb.ContainerEventResponse(container_id=container_id))

    def __mapping__(self) -> dict[str, Handler]:
        unary, stream = Cardinality.UNARY_UNARY, Cardinality.UNARY_STREAM
        rows: dict[str, tuple[Any, Cardinality, Any, Any]] = {
            "Version": (self._version, unary, pb.VersionRequest, pb.VersionResponse),
            "ListPodSandbox": (self._list_pods, unary, pb.ListPodSandboxRequest, pb.ListPodSandboxResponse),
            "PodSandboxStatus": (self._pod, unary, pb.PodSandboxStatusRequest, pb.PodSandboxStatusResponse),
            "ListContainers": (self._list, unary, pb.ListContainersRequest, pb.ListContainersResponse),
        }
        if self._kind != "none":
            rows["GetContainerEvents"] = (self._events, stream, pb.GetEventsRequest, pb.ContainerEventResponse)
        return {_SERVICE + name: Handler(*row) for name, row in rows.items()}

    async def _version(self, stream: Any) -> None:
        await self._answer(stream, pb.VersionResponse(runtime_name="cri-o", runtime_version="1.31.0"))

    async def _list_pods(self, stream: Any) -> None:
        keys = ("id", "metadata", "state", "created_at", "labels")
        items = [pb.PodSandbox(**{key: getattr(one.status, key) for key in keys}) for one in self.pods]
        await self._answer(stream, pb.ListPodSandboxResponse(items=items))

    async def _pod(self, stream: Any) -> None:
        request = await stream.recv_message()
        found = [one for one in self.pods if one.status.id == request.pod_sandbox_id != self.gone]
        if not found:
            raise GRPCError(Status.NOT_FOUND, "no such sandbox")
        self.asked.append("PodSandboxStatus")
        await stream.send_message(found[0])

    async def _list(self, stream: Any) -> None:
        self.asked.append("ListContainers")
        await self._answer(stream, pb.ListContainersResponse(containers=self.containers))

    async def _events(self, stream: Any) -> None:
        await stream.recv_message()
        if self._kind == "ended":
            await stream.send_initial_metadata()
            return
        while True:
            await stream.send_message(await self._news.get())

    async def _answer(self, stream: Any, message: Any) -> None:
        await stream.recv_message()
        await stream.send_message(message)


def _labels(text: str) -> dict[str, str]:
    return dict(json.loads(text.replace("'", '"')))


def _pod(found: tuple[str, ...]) -> pb.PodSandboxStatusResponse:
    _, namespace, name, ip, netns, cgroup, labels = found
    own = netns != "None"
    status = pb.PodSandboxStatus(
        id=cgroup.rpartition("/")[2],
        metadata=pb.PodSandboxMetadata(name=name, namespace=namespace, uid=_labels(labels)["io.kubernetes.pod.uid"]),
        created_at=1_700_000_000_000_000_000,
        network=pb.PodSandboxNetworkStatus(ip=ip, additional_ips=[pb.PodIP(ip=f"fd00::{ip[-1]}")] if own else []),
        labels=_labels(labels),
    )
    status.linux.namespaces.options.network = pb.POD if own else pb.NODE
    kinds = [{"type": "pid"}, {"type": "network", "path": netns}] if own else [{"type": "pid"}]
    info = {"runtimeSpec": {"linux": {"namespaces": kinds}}}
    return pb.PodSandboxStatusResponse(status=status, info={"info": json.dumps(info)})


def _container(found: tuple[str, ...], whole: dict[str, str]) -> pb.Container:
    _, name, pod, image, cgroup, labels = found
    return pb.Container(
        id=cgroup.rpartition("/")[2],
        pod_sandbox_id=whole[pod],
        metadata=pb.ContainerMetadata(name=name),
        image=pb.ImageSpec(image=image),
        state=pb.CONTAINER_RUNNING,
        created_at=1_700_000_001_000_000_000,
        labels=_labels(labels),
    )
