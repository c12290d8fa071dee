"""The gRPC client: whole messages from any pieces, and nothing but Trouble from what is none."""

import asyncio
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from hypothesis import given
from hypothesis import strategies as st

from rubin.identity.containers.pb import cri_pb2 as pb
from rubin.identity.containers.trouble import Trouble
from rubin.identity.containers.unary import Connection
from tests.identity.containers import servers

METHOD = "/runtime.v1.RuntimeService/"


class Service:
    """Answers with as many bytes as asked for."""

    def __mapping__(self) -> dict[str, Handler]:
        kinds = (pb.VersionRequest, pb.VersionResponse)
        return {
            f"{METHOD}Version": Handler(self._version, Cardinality.UNARY_UNARY, *kinds),
            f"{METHOD}Many": Handler(self._many, Cardinality.UNARY_STREAM, *kinds),
            f"{METHOD}Refuse": Handler(self._refuse, Cardinality.UNARY_UNARY, *kinds),
            f"{METHOD}Never": Handler(self._never, Cardinality.UNARY_UNARY, *kinds),
            f"{METHOD}Stuck": Handler(self._stuck, Cardinality.UNARY_STREAM, *kinds),
        }

    async def _version(self, stream: Any) -> None:
        request = await stream.recv_message()
        named = stream.metadata.get("containerd-namespace", "")
        await stream.send_message(pb.VersionResponse(version="x" * int(request.version), runtime_name=named))

    async def _many(self, stream: Any) -> None:
        request = await stream.recv_message()
        for number in range(int(request.version)):
            await stream.send_message(pb.VersionResponse(version=str(number)))

    async def _refuse(self, stream: Any) -> None:
        raise GRPCError(Status.NOT_FOUND, "no such thing")

    async def _never(self, stream: Any) -> None:
        await stream.recv_message()

    async def _stuck(self, stream: Any) -> None:
        await stream.recv_message()
        await asyncio.Event().wait()


@pytest.fixture
def path(tmp_path: Path):
    with servers.grpc(tmp_path / "x.sock", Service()):
        yield str(tmp_path / "x.sock")


@pytest.fixture
def connection(path: str):
    made = Connection(path)
    yield made
    made.close()


def _ask(connection: Connection, size: int, method: str = "Version", metadata: Any = ()) -> pb.VersionResponse:
    return connection.call(METHOD + method, pb.VersionRequest(version=str(size)), pb.VersionResponse, metadata)


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_535, 200_000, 5_000_000])
def test_an_answer_of_any_size_comes_whole_again_and_again(connection: Connection, size: int):
    for _ in range(3):
        assert len(_ask(connection, size).version) == size


def test_metadata_is_sent(connection: Connection):
    assert _ask(connection, 0, metadata=(("containerd-namespace", "moby"),)).runtime_name == "moby"


def test_a_stream_gives_each_message_once_and_says_that_it_has_ended(connection: Connection):
    stream = connection.stream(f"{METHOD}Many", pb.VersionRequest(version="1000"))
    found: list[bytes] = []
    while not stream.ended:
        found += stream.messages(5.0)
    assert [int(pb.VersionResponse.FromString(one).version) for one in found] == list(range(1000))


@pytest.mark.parametrize(
    ("method", "code", "words"),
    [
        ("Refuse", 5, "answers: no such thing (gRPC 5)"),
        ("Other", 12, "answers: Method not found (gRPC 12)"),
        ("Never", 2, "gRPC 2"),
        ("Many", 0, f"answered {METHOD}Many with 2 messages"),
    ],
)
def test_what_is_refused_says_why(connection: Connection, method: str, code: int, words: str):
    with pytest.raises(Trouble) as caught:
        _ask(connection, 2, method)
    assert caught.value.code == code
    assert words in caught.value.words


def test_a_server_that_is_silent_is_waited_for_no_longer_than_told(tmp_path: Path):
    with servers.listening(tmp_path / "y.sock", servers.hang) as path:
        connection = Connection(str(path), timeout_s=0.2)
        with pytest.raises(TimeoutError):
            _ask(connection, 0)
        connection.close()


def test_hanging_up_ends_what_another_thread_waits_for(path: str):
    with closing(Connection(path)) as connection:
        stream = connection.stream(f"{METHOD}Stuck", pb.VersionRequest())
        hanging_up = threading.Timer(0.2, connection.hang_up)
        hanging_up.start()
        with pytest.raises(Trouble, match="closed the connection"):
            stream.messages(60.0)
        hanging_up.join()


_PREFACE = bytes.fromhex("000000040000000000")  # settings, which every HTTP/2 server sends first
_FRAME = st.builds(
    lambda kind, flags, stream, body: len(body).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + body,
    st.integers(0, 10), st.integers(0, 255), st.sampled_from((0, 1, 1, 1, 3)), st.binary(max_size=20),
)  # fmt: skip


@given(st.lists(_FRAME, max_size=5).map(b"".join) | st.binary(max_size=60))
def test_whatever_a_server_says_it_is_trouble(said: bytes):
    with (
        tempfile.TemporaryDirectory(prefix="rubin-") as folder,
        servers.listening(Path(folder) / "x.sock", servers.saying(_PREFACE + said)) as path,
        closing(Connection(str(path))) as connection,
        pytest.raises((Trouble, OSError)),
    ):
        _ask(connection, 0)
