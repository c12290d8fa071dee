"""Many short texts, each distinct one once, by code: bytes in one arena, found by a keyed hash.

What requests name (paths, queries, topics) is often different each time; as Python strings in a dictionary
each would take hundreds of bytes, here its own and some twenty.
"""

import os
from collections.abc import Iterable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from rubin.model.codes import Codes, mix
from rubin.model.whole import windows

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
_Number = TypeVar("_Number", bound=np.generic)

_WIDTHS = (16, 32, 64, 128, 512, 2048)  # rows are hashed in groups of like length
_BLOCK_BYTES = 1 << 17  # and so many bytes at a time: what is looked at stays in the cache
MOST_BYTES = _WIDTHS[-1]
_REMEMBERED = 16_384
_GROWS = 8
_KEEP: U8 = np.repeat(np.array([0xFF, 0], np.uint8), MOST_BYTES)  # from MOST_BYTES - n on: what keeps n bytes of a text
_LOWER, _UPPER = np.uint64(0xFFFFFFFF), np.uint64(32)
_SHIFT = 4  # halves of the key between the two hashes (RFC 4418 5.2.1: Toeplitz)
_KEY: npt.NDArray[np.uint32] = np.frombuffer(os.urandom(MOST_BYTES + 4 * _SHIFT), np.uint32)


class Texts:
    """Codes of texts; 0 is "". One thread adds, any thread reads the codes that it has been given.

    The hash is keyed anew at each start, so that nobody can make two texts meet: two share 64 bits of it with a
    probability of some 2^-63.
    """

    def __init__(self) -> None:
        self._codes = Codes()
        self._remembered: dict[bytes, int] = {b"": 0}
        self._arena: U8 = np.zeros(1 << 12, np.uint8)
        self._ends: I64 = np.zeros(1 << 8, np.int64)  # by code; a text begins where the one before it ends
        self._count = 1

    def __len__(self) -> int:
        return self._count

    @property
    def memory_bytes(self) -> int:
        """Of the texts and what finds them; room that nothing was written to takes none."""
        return int(self._ends[self._count - 1]) + self._ends.itemsize * self._count + self._codes.memory_bytes

    def __getitem__(self, code: int) -> str:
        """The text; bytes that are no UTF-8 read as the replacement character. Raises IndexError."""
        return self.raw(code).decode(errors="replace")

    def raw(self, code: int) -> bytes:
        """The same as it came. Raises IndexError."""
        if not 0 <= code < self._count:
            raise IndexError(f"no text {code}")
        start = int(self._ends[code - 1]) if code else 0
        return self._arena[start : int(self._ends[code])].tobytes()

    def read(self, codes: npt.NDArray[np.uint32]) -> list[str]:
        """The texts of many codes, each distinct one read once."""
        found, where = np.unique(codes, return_inverse=True)
        ends, arena = self._ends, self._arena.data
        starts = np.where(found > 0, ends[np.maximum(found, 1) - 1], 0)
        texts = [
            str(arena[a:b], "utf-8", "replace") for a, b in zip(starts.tolist(), ends[found].tolist(), strict=True)
        ]
        return [texts[at] for at in where.tolist()]

    def joined(self, codes: npt.NDArray[np.uint32], separator: int) -> bytes:
        """The bytes of these texts one after the other, this byte behind each."""
        ends, arena = self._ends, self._arena
        starts = np.where(codes > 0, ends[np.maximum(codes, 1) - 1], 0)
        lengths = ends[codes] - starts
        behind = np.cumsum(lengths)
        data = np.full(int(lengths.sum()) + len(codes), separator, np.uint8)
        inside = np.ones(len(data), np.bool_)
        inside[behind + np.arange(len(codes))] = False
        data[inside] = arena[np.repeat(starts - behind + lengths, lengths) + np.arange(int(lengths.sum()))]
        return data.tobytes()

    def code(self, text: str) -> int:
        """The code of one text, of which `MOST_BYTES` are kept."""
        raw = text.encode(errors="replace")[:MOST_BYTES]
        code = self._remembered.get(raw)
        if code is None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered = {b"": 0}
            data = np.frombuffer(raw + bytes(8), np.uint8)
            code = self._remembered[raw] = int(self.codes(data, np.zeros(1, np.int64), np.array([len(raw)]))[0])
        return code

    def codes_of(self, texts: Iterable[str]) -> npt.NDArray[np.uint32]:
        """(n,) as `code`, of each: of a dozen or more in a hundredth of the time."""
        raw = [text.encode(errors="replace")[:MOST_BYTES] for text in texts]
        lengths = np.fromiter(map(len, raw), np.int64, len(raw))
        return self.codes(np.frombuffer(b"".join([*raw, bytes(8)]), np.uint8), np.cumsum(lengths) - lengths, lengths)

    def codes(self, data: U8, starts: I64, lengths: I64) -> npt.NDArray[np.uint32]:
        """(n,) the code of each text, which lies in `data` from `starts` on; of each `MOST_BYTES` are kept."""
        found = np.zeros(len(starts), np.uint32)
        lengths, below = np.minimum(lengths, MOST_BYTES), 0
        longest = int(lengths.max(initial=0))
        for width in _WIDTHS:
            if below >= longest:
                break
            group = np.flatnonzero((lengths > below) & (lengths <= width))
            for at in range(0, len(group), _BLOCK_BYTES // width):
                rows = group[at : at + _BLOCK_BYTES // width]
                found[rows] = self._codes_of(data, starts[rows], lengths[rows], width)
            below = width
        return found

    def append(self, data: U8, starts: I64, lengths: I64) -> npt.NDArray[np.uint32]:
        """(n,) codes as `codes`, each a new one: for texts that mostly come once, as the identifiers of traces."""
        rows = np.flatnonzero(lengths > 0)
        found = np.zeros(len(starts), np.uint32)
        if len(rows):
            lengths = np.minimum(lengths[rows], MOST_BYTES)
            width = -(-int(lengths.max()) // 8) * 8
            found[rows] = self._add(_words(data, starts[rows], lengths, width), lengths)
        return found

    def _codes_of(self, data: U8, starts: I64, lengths: I64, width: int) -> npt.NDArray[np.int64]:
        words = _words(data, starts, lengths, width)
        keys = _hash(words, lengths)
        codes = self._codes.find(keys)
        new = np.flatnonzero(codes < 0)
        if len(new):
            _, first = np.unique(keys[new], return_index=True)
            new = new[np.sort(first)]
            self._codes.add_all(keys[new], self._add(words[new], lengths[new]))
            codes = self._codes.find(keys)
        return codes

    def _add(self, words: U64, lengths: I64) -> I64:
        """The codes of new texts."""
        start, count = int(self._ends[self._count - 1]), self._count
        ends = start + np.cumsum(lengths)
        self._arena = _grown(self._arena, start, int(ends[-1]))
        self._ends = _grown(self._ends, count, count + len(lengths))
        each, longest = words.view(np.uint8), int(lengths.max())
        if (lengths == longest).all():
            self._arena[start : int(ends[-1])] = each[:, :longest].ravel()
        else:
            self._arena[start : int(ends[-1])] = each[np.arange(each.shape[1]) < lengths[:, None]]
        self._ends[count : count + len(lengths)] = ends
        self._count = count + len(lengths)
        return np.arange(count, self._count)


def _hash(words: U64, lengths: I64) -> U64:
    """A key of each text and its length out of two NH hashes (UMAC, RFC 4418 5.2), each 2^-32 strong; never 0."""
    halves = words.view(np.uint32)
    return mix(_nh(halves, _KEY), _nh(halves, _KEY[_SHIFT:]), lengths)


def _nh(halves: npt.NDArray[np.uint32], key: npt.NDArray[np.uint32]) -> U64:
    pairs = (halves + key[: halves.shape[1]]).view(np.uint64)
    sums: U64 = np.vecdot(pairs & _LOWER, pairs >> _UPPER)
    return sums


def _words(data: U8, starts: I64, lengths: I64, width: int) -> U64:
    """(n, width / 8) uint64: the texts, zeros behind them."""
    late = starts > len(data) - width
    if late.any():  # there are fewer bytes behind these than are copied
        found, first = np.empty((len(starts), width), np.uint8), int(starts[late].min())
        rest = np.concatenate([data[first:], np.zeros(width, np.uint8)])
        found[late] = windows(rest, starts[late] - first, width)
        found[~late] = windows(data, starts[~late], width)
    else:
        found = windows(data, starts, width)
    words = found.view(np.uint64)
    words &= windows(_KEEP, MOST_BYTES - lengths, width).view(np.uint64)
    return words


def _grown(array: npt.NDArray[_Number], used: int, needed: int) -> npt.NDArray[_Number]:
    """Room for `needed`: a new array, so that who reads the old one reads on.

    A much larger one: what is not written to takes no memory, and copying takes time.
    """
    if needed <= len(array):
        return array
    larger = np.empty(max(needed, _GROWS * len(array)), array.dtype)
    larger[:used] = array[:used]
    return larger
