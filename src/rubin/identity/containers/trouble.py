"""Why a runtime cannot be read, in words for people."""


class Trouble(Exception):
    """What is wrong, as it follows the socket's path: "is no container runtime: it does not speak gRPC".

    `code` is what the runtime answered with, gRPC's or HTTP's; 0 where it did not.
    """

    def __init__(self, words: str, code: int = 0) -> None:
        super().__init__(words)
        self.words, self.code = words, code


def in_words(error: OSError | Trouble) -> str:
    """The words of either."""
    if isinstance(error, Trouble):
        return error.words
    if isinstance(error, PermissionError):
        return "permission denied: run as root, or in the socket's group"
    if isinstance(error, FileNotFoundError):
        return "is not there"
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "closed the connection"
    return f"cannot be read: {error.strerror or error}"
