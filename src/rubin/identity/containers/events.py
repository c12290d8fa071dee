"""Events that a gRPC server streams: that there are some is all that counts, what they say is read anew."""

from collections.abc import Callable

from rubin.identity.containers.trouble import Trouble
from rubin.identity.containers.unary import UNIMPLEMENTED, Stream

_POLL_S = 1.0


class Streamed:
    """Events as they come. Where it turns out that a server has none, it is time to look every second."""

    def __init__(self, stream: Stream, sleep: Callable[[float], bool]) -> None:
        self._stream, self._sleep = stream, sleep
        self.polls = False
        """Whether the server has none."""

    def wait(self, timeout_s: float) -> bool:
        """Whether something came within a time. Raises OSError or Trouble where no more can come."""
        if self.polls:
            return self._sleep(min(timeout_s, _POLL_S))
        try:
            came = bool(self._stream.messages(timeout_s))
        except Trouble as trouble:
            if trouble.code != UNIMPLEMENTED:
                raise
            self.polls = True
            return False
        self.polls = self._stream.ended  # CRI-O without enable_pod_events says nothing, and that all is well
        return came
