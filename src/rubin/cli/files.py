"""Flows from files, whatever kind of file it is."""

import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rubin.errors import RubinError, UsageError
from rubin.model.batch import FlowBatch

if TYPE_CHECKING:
    from rubin.dissect.redaction import Redaction

_PCAP = (b"\xa1\xb2", b"\xd4\xc3", b"\x4d\x3c", b"\x0a\x0d\x0d\x0a")
_PACKED = (b"\x1f\x8b", b"\x28\xb5", b"\xfd7", b"BZ")
_BUNDLE = b"PK\x03\x04"
_HEAD_BYTES = 512


def saved_flows(path: str) -> Iterator[FlowBatch]:
    """The flows of JSON lines. Raises RubinError where no line holds one, or it cannot be read."""
    from rubin.sources.hubble import Hubble

    logging.basicConfig(format="rubin: %(message)s")  # it warns of lines that are passed over
    with Hubble(path) as source:
        found = False
        for batch in source:
            found = True
            yield batch
        if source.bad_lines and not found:
            raise RubinError(f"{source.name} holds no flows", "JSON lines, as `rubin observe -o json` prints them")


def captured_flows(path: str, redaction: "Redaction") -> Iterator[FlowBatch]:
    """The flows of a capture. Raises RubinError where it ends badly, after what is good of it."""
    from rubin.model.exchanges import expanded
    from rubin.sources.pcap import Pcap

    with Pcap(path, redaction) as source:
        yield from map(expanded, source)


def named_flows(path: str, names: str, redaction: "Redaction") -> Iterator[FlowBatch]:
    """The flows of the file with names: those it has, else those of the names file, else reserved ones."""
    capture = is_capture(path)
    batches = captured_flows(path, redaction) if capture else saved_flows(path)
    if not capture and not names:
        return batches  # saved flows have the names of their own moment
    from rubin.identity.static import Static
    from rubin.identity.table import Names

    return map(Names([Static(Path(names))] if names else []).identify, batches)


def is_bundle(path: str) -> bool:
    """Whether it is a file that begins as a bundle of the browser does. Raises RubinError where it cannot be read."""
    return path != "-" and _head_of_file(path).startswith(_BUNDLE)


def is_capture(path: str) -> bool:
    """Whether the file's first bytes are a capture's, or are none that could be text. Raises RubinError."""
    head = _head_of_input() if path == "-" else _head_of_file(path)
    if not head or head.startswith((*_PCAP, *_PACKED)):
        return True  # where it is not, the reader of captures says best what is wrong
    name = "standard input" if path == "-" else path
    if head.startswith(_BUNDLE):
        raise RubinError(f"{name} is no capture, and may be a bundle of the browser", "rubin ui FILE.rubinz")
    if not _is_text(head):
        raise RubinError(
            f"{name} is neither a capture nor flows as JSON", "pcap, pcapng, or what `rubin observe -o json` prints"
        )
    return False


def refuse_capture(path: str) -> None:
    """Raises UsageError where the file is a capture; RubinError where it cannot be read."""
    head = _head_of_input() if path == "-" else _head_of_file(path)
    if head.startswith(_PCAP):
        name = "standard input" if path == "-" else path
        raise UsageError(f"{name} is a capture, not flows as JSON", f"rubin replay {path}")


def _is_text(head: bytes) -> bool:
    """Whether it is UTF-8; its last character may be cut."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 and len(head) == _HEAD_BYTES
    return b"\0" not in head


def _head_of_file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise RubinError(
            f"{path} cannot be read: {error.strerror}", "a capture or JSON lines, or - for a pipe"
        ) from error


def _head_of_input() -> bytes:
    """The first bytes of standard input, which is then as if nobody had read of it."""
    descriptor = sys.stdin.fileno()
    head = os.read(descriptor, _HEAD_BYTES)
    try:
        os.lseek(descriptor, -len(head), os.SEEK_CUR)
    except OSError:  # a pipe: put another before it that begins with the same bytes
        rest, (reader, writer) = os.dup(descriptor), os.pipe()
        os.dup2(reader, descriptor)
        os.close(reader)
        threading.Thread(target=_pass_on, args=(head, rest, writer), daemon=True).start()
    return head


def _pass_on(piece: bytes, source: int, target: int) -> None:
    try:
        while piece:
            while piece:
                piece = piece[os.write(target, piece) :]
            piece = os.read(source, 1 << 20)
    except BrokenPipeError:
        return  # nobody wants the rest
    finally:
        os.close(target)
        os.close(source)
