"""The door of a server: who asks, whether they may, and who asked what."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from grpclib.const import Status
from grpclib.events import RecvRequest
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from rubin.api import asking, proofs
from rubin.api.asking import Asked, Who, refused
from rubin.api.audit import Audit
from rubin.api.framing import has_left, limit_requests, peer_of
from rubin.api.proofs import Proof, Shown
from rubin.api.roles import AccessFile
from rubin.api.sight import Sight, sight_of_header
from rubin.errors import UsageError

MOST_REQUEST_BYTES = 4 << 20
"""As gRPC's servers in Go have it unless told."""
_OPEN = ("/grpc.health.", "/grpc.reflection.")
_CHANGED = "what you may see here has changed"
_SHOW = "--bearer-token-file (RUBIN_TOKEN), or --tls-client-cert-file and --tls-client-key-file"

Answer = Callable[[Stream[Any, Any]], Awaitable[None]]


class Door:
    """`enter` is told of each request. Without an access file everybody who reaches the server sees everything; health
    and reflection are open in any case.

    A request that is under way ends when the access file changes what its asker may see. Raises RubinError for files
    that cannot be used.
    """

    def __init__(self, access_file: str, audit_file: str, kinds: Sequence[Proof] = proofs.KINDS) -> None:
        self._kinds = kinds
        self._file = AccessFile(access_file) if access_file else None
        self._audit = Audit(audit_file) if audit_file else None
        self._inside: dict[asyncio.Task[Any], tuple[Shown, Sight]] = {}
        self._refused = 0

    def status(self) -> dict[str, object]:
        """For `rubin status`; {} where there are no such files."""
        told: dict[str, object] = {}
        if self._file is not None:
            told["access"] = {"file": self._file.trouble or "in use", "refused_requests": self._refused}
        if self._audit is not None:
            told["audit"] = {"lost_lines": self._audit.lost}
        return told

    async def enter(self, event: RecvRequest) -> None:
        """Raises GRPCError for who may not."""
        peer = peer_of(event)
        asked = Asked(event.method_name.removeprefix("/"), peer.address, event.metadata)
        asking.begin(asked)
        answer: Answer = partial(_limited, event.method_func)
        if not event.method_name.startswith(_OPEN):
            shown = Shown(str(event.metadata.get("authorization", "")), peer.certificate, peer.owner)
            try:
                await self.refresh()
                asked.who = await self._who(shown)
                answer = partial(self._answer, answer, asked, shown, asked.who.sight)
                asked.who = replace(asked.who, sight=asked.who.sight.within(_narrowing(event)))
            except GRPCError as error:
                self._refused += 1
                self._note(asked, error.status.name, error.message)
                raise
        event.method_func = answer  # type: ignore[assignment]

    async def refresh(self) -> None:
        """To be called about once a second; what changed holds for new requests before that."""
        if self._file is None or not self._file.refresh():
            return
        for task, (shown, sight) in list(self._inside.items()):
            try:
                may_stay = (await self._who(shown)).sight == sight
            except GRPCError:
                may_stay = False
            if not may_stay:
                task.cancel(_CHANGED)

    def close(self) -> None:
        """Write what is to be audited."""
        if self._audit is not None:
            self._audit.close()

    async def _who(self, shown: Shown) -> Who:
        if self._file is None:
            names = shown.names()
            return Who(names[0], "certificate") if names else Who(shown.owner, "socket" if shown.owner else "none")
        access = self._file.access
        for kind in self._kinds:
            if who := await kind.who(shown, access):
                return who
        if shown.authorization:
            way_on = "a token of the server's access file; `rubin token` makes one"
            raise refused(Status.UNAUTHENTICATED, "the token is not known here", way_on)
        if access.anonymous:
            return access.who("", "none", access.anonymous)
        if names := shown.names():
            what = f"the certificate of '{names[0]}' has no role here"
            raise refused(
                Status.PERMISSION_DENIED, what, "--bearer-token-file, or its name in the server's access file"
            )
        raise refused(Status.UNAUTHENTICATED, "it wants to know who asks", _SHOW)

    async def _answer(self, answer: Answer, asked: Asked, shown: Shown, sight: Sight, stream: Stream[Any, Any]) -> None:
        task, status, reason = asyncio.current_task(), Status.UNKNOWN.name, ""
        assert task is not None
        self._inside[task] = shown, sight
        try:
            await answer(stream)
            status = Status.OK.name
        except GRPCError as error:
            status, reason = error.status.name, error.message or ""
            raise
        except asyncio.CancelledError as error:
            status = Status.CANCELLED.name
            if _CHANGED in error.args and not has_left(stream):
                status, reason = Status.UNAVAILABLE.name, _CHANGED
                raise refused(Status.UNAVAILABLE, _CHANGED, "ask again") from error
            raise
        finally:
            del self._inside[task]
            self._note(asked, status, reason)

    def _note(self, asked: Asked, status: str, reason: str | None) -> None:
        if self._audit is not None:
            self._audit.note(asked, status, reason or "")


async def _limited(answer: Answer, stream: Stream[Any, Any]) -> None:
    limit_requests(stream, MOST_REQUEST_BYTES)
    await answer(stream)


def _narrowing(event: RecvRequest) -> Sight:
    try:
        return sight_of_header(str(event.metadata.get(asking.NAMESPACES, "")))
    except UsageError as error:
        raise refused(Status.INVALID_ARGUMENT, error.sentence, error.way_on) from error
