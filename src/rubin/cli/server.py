"""Which server a client command talks to."""

import os
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rubin.api.client import Client
from rubin.api.target import ClientSettings
from rubin.cli.command import Arguments
from rubin.cli.selection import Selection
from rubin.errors import UsageError
from rubin.wire.pb.observer_pb2 import GetAgentEventsRequest, GetDebugEventsRequest, GetFlowsRequest
from rubin.words.times import SECOND_NS

LOCAL_SOCKET = "/run/rubin/rubin.sock"
Result = TypeVar("Result")


def ask(arguments: Arguments, question: Callable[[Client], Awaitable[Result]]) -> Result:
    """What the question makes of a connected client. Raises RubinError for people."""
    import asyncio

    async def connected() -> Result:
        async with Client(client_settings(arguments)) as client:
            return await question(client)

    return asyncio.run(connected())


def client_settings(arguments: Arguments, local_socket: str = LOCAL_SOCKET) -> ClientSettings:
    """The server flags as the client wants them. Raises UsageError for what we do not do."""
    if arguments["port-forward"]:
        raise UsageError(
            "--port-forward is not supported yet",
            "kubectl -n kube-system port-forward service/hubble-relay 4245:80, and leave the flag out",
        )
    server = arguments["server"]
    if "server" not in arguments.sources and not arguments["tls"] and _answers(local_socket):
        server = f"unix://{local_socket}"
    return ClientSettings(
        server=server,
        timeout_s=arguments["timeout"],
        request_timeout_s=arguments["request-timeout"],
        tls=arguments["tls"],
        tls_allow_insecure=arguments["tls-allow-insecure"],
        tls_ca_cert_files=arguments["tls-ca-cert-files"],
        tls_client_cert_file=arguments["tls-client-cert-file"],
        tls_client_key_file=arguments["tls-client-key-file"],
        tls_crl_file=arguments["tls-crl-file"],
        tls_server_name=arguments["tls-server-name"],
        basic_auth_username=arguments["basic-auth-username"],
        basic_auth_password=arguments["basic-auth-password"],
        **_token(arguments),
    )


def _token(arguments: Arguments) -> dict[str, str]:
    """The environment's token unless a file is named on the command line."""
    token = os.environ.get("RUBIN_TOKEN", "").strip()
    if token and arguments.sources.get("bearer-token-file") != "flag":
        return {"token": token}
    return {"token_file": arguments["bearer-token-file"]}


def _answers(path: str) -> bool:
    """Whether someone listens at the socket and lets us in: a dead agent leaves its file behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def put_selection(
    request: GetFlowsRequest | GetAgentEventsRequest | GetDebugEventsRequest, selection: Selection
) -> None:
    """Ask for the selection."""
    request.number, request.first, request.follow = selection.number, selection.first, selection.follow
    for field, time_ns in ((request.since, selection.since_ns), (request.until, selection.until_ns)):
        if time_ns is not None:
            field.seconds, field.nanos = divmod(time_ns, SECOND_NS)
            field.SetInParent()  # midnight of 1 January 1970 is a time too
