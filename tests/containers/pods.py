"""Pods by the CRI, as the kubelet makes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from google.protobuf.message import Message

from demo import images
from rubin.identity.containers.pb import cri_pb2 as pb
from rubin.identity.containers.trouble import Trouble
from rubin.identity.containers.unary import Connection
from tests.containers.daemons import NAMESPACE, Daemon
from tests.waiting import wait_for

Reply = TypeVar("Reply", bound=Message)
UID = "78cf2df7-f968-4f1f-95c8-a54b91226b01"
LABELS = {
    "app": "web", "io.kubernetes.pod.name": "web-1", "io.kubernetes.pod.namespace": "demo",
    "io.kubernetes.pod.uid": UID,
}  # fmt: skip


class Pods:
    """What asks containerd for pods."""

    def __init__(self, daemon: Daemon) -> None:
        self._connection = Connection(str(daemon.socket), timeout_s=20.0)
        wait_for(self._serves, "the CRI, which starts after containerd itself")

    def run(self, name: str = "web-1", uid: str = UID, host: bool = False) -> tuple[str, pb.PodSandboxConfig]:
        """A sandbox's id and what it was made from."""
        network = pb.NODE if host else pb.POD
        context = pb.LinuxSandboxSecurityContext(namespace_options=pb.NamespaceOption(network=network))
        config = pb.PodSandboxConfig(
            metadata=pb.PodSandboxMetadata(name=name, uid=uid, namespace="demo"),
            labels={**LABELS, "io.kubernetes.pod.name": name, "io.kubernetes.pod.uid": uid},
            linux=pb.LinuxPodSandboxConfig(cgroup_parent=f"/{NAMESPACE}/pod{uid}", security_context=context),
        )
        answer = self._ask("RunPodSandbox", pb.RunPodSandboxRequest(config=config), pb.RunPodSandboxResponse)
        return answer.pod_sandbox_id, config

    def start(self, sandbox: str, config: pb.PodSandboxConfig, image: str = images.NAME) -> str:
        """A container's id."""
        container = pb.ContainerConfig(
            metadata=pb.ContainerMetadata(name="server"), image=pb.ImageSpec(image=image), command=["/bin/sleep", "600"]
        )
        request = pb.CreateContainerRequest(pod_sandbox_id=sandbox, config=container, sandbox_config=config)
        container_id = self._ask("CreateContainer", request, pb.CreateContainerResponse).container_id
        self._ask("StartContainer", pb.StartContainerRequest(container_id=container_id), pb.StartContainerResponse)
        return container_id

    def remove(self, sandbox: str) -> None:
        """Stop and remove a sandbox and its containers."""
        self._ask("StopPodSandbox", pb.StopPodSandboxRequest(pod_sandbox_id=sandbox), pb.StopPodSandboxResponse)
        self._ask("RemovePodSandbox", pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox), pb.RemovePodSandboxResponse)

    def remove_all(self) -> None:
        """All sandboxes there are."""
        listed = self._ask("ListPodSandbox", pb.ListPodSandboxRequest(), pb.ListPodSandboxResponse)
        for one in listed.items:
            self.remove(one.id)

    def _serves(self) -> bool:
        try:
            self._ask("Version", pb.VersionRequest(), pb.VersionResponse)
        except Trouble as trouble:
            if "not initialized" not in trouble.words:
                raise
            return False
        return True

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, request: Message, reply: type[Reply]) -> Reply:
        return self._connection.call(f"/runtime.v1.RuntimeService/{method}", request, reply)


@contextmanager
def pods(daemon: Daemon) -> Iterator[Pods]:
    """Pods, all gone at the end."""
    made = Pods(daemon)
    try:
        yield made
    finally:
        made.close()
        last = Pods(daemon)  # an answer that never came leaves the first in the middle of it
        last.remove_all()
        last.close()
