"""The map, twice a second."""

import numpy as np

from rubin.model.messages import PROTOCOLS
from rubin.query.folded import Shown, shown
from rubin.query.picture import Picture
from rubin.query.places import Place, sound
from rubin.ui.frames import Body, Table, Texts, Type, texts_used
from rubin.ui.views.album import album_of
from rubin.ui.views.view import Lens
from rubin.words.terms import canonical, query_of

_EDGES = {
    "flows": "f4", "bytes": "f4", "requests": "f4", "p50_ms": "f4", "p99_ms": "f4", "errors": "f4", "drops": "f4",
    "audits": "f4", "rtt_ms": "f4", "retransmits": "f4",
}  # fmt: skip
_MOST_QUERIES = 50_000
_SET_BACK_NS = 5_000_000_000  # less is a clock that is being kept right


class Map:
    """Places and connections, of a time or of the last minute."""

    every_s = 0.5

    def __init__(self, lens: Lens) -> None:
        self._lens = lens
        time = lens.asked.time
        self._picture = Picture(lens.asked.scope, time.window_ns if time.is_live else None)
        self._past: Shown | None = None  # of a time that does not move on: made once
        self._queries: dict[Place, str] = {}
        self._now_ns = 0

    def prepare(self) -> None:
        """The flows that are held."""
        album = album_of(self._lens)
        if album is not None:
            self._picture = album
        else:
            self._picture.take_all(self._lens.held)
        if not self._lens.asked.time.is_live:
            self._past = self._shown()

    def tick(self) -> Body | None:
        """The map as of now; None where its time does not move."""
        if not self._lens.asked.time.is_live:
            return None
        now_ns, before_ns = self._lens.feed.now_ns(), self._now_ns
        self._now_ns = now_ns
        if now_ns < before_ns - _SET_BACK_NS:
            self._begin_anew(now_ns)
        for batch in self._lens.new():
            self._picture.take(batch)
        return self.snapshot()

    def _begin_anew(self, now_ns: int) -> None:
        """The clock was set back: a picture that has seen the future shows nothing until it comes."""
        window_ns = self._lens.asked.time.window_ns
        self._picture = Picture(self._lens.asked.scope, window_ns)
        self._picture.take_all(lambda: self._lens.scan(now_ns - window_ns, now_ns + _SET_BACK_NS))

    def snapshot(self) -> Body:
        """The same: each frame has all there is."""
        time, of, texts = self._lens.asked.time, self._past or self._shown(), self._lens.dictionary.texts()
        now_ns = self._lens.feed.now_ns() if time.is_live else time.until_ns
        nodes, node_texts = self._nodes(of, texts)
        edges, edge_texts = _edges(of, texts)
        head = {
            "window_ms": time.window_ns / 1e6,
            "folded": {"nodes": of.folded_places, "edges": of.folded_edges},
            "summary": of.summary,
        }
        used = texts_used((*node_texts, *edge_texts))
        return Body(Type.MAP, now_ns / 1e6, texts, head, {"nodes": nodes, "edges": edges}, True, used)

    def _shown(self) -> Shown:
        feed, time = self._lens.feed, self._lens.asked.time
        now_ns = feed.now_ns() if time.is_live else time.until_ns
        since_ns = feed.oldest_ns() if time.is_live else max(time.since_ns, feed.oldest_ns())
        return shown(self._picture, now_ns, since_ns)

    def _nodes(self, of: Shown, texts: Texts) -> tuple[Table, list[np.ndarray]]:
        names, groups, queries = (
            np.array([texts.number(text) for text in each], np.int64)
            for each in (
                [one.name for one in of.places],
                [one.group for one in of.places],
                [self._query(one) for one in of.places],
            )
        )
        columns = {
            "id": ("u4", of.place_ids), "name": ("u4", names), "group": ("u4", groups),
            "kind": ("u1", np.array([one.kind for one in of.places], np.int64)), "members": ("u4", of.members),
            "rate_in": ("f4", of.rate_in), "rate_out": ("f4", of.rate_out), "drops": ("f4", of.place_drops),
            "errors": ("f4", of.place_errors), "query": ("u4", queries),
        }  # fmt: skip
        return Table(columns), [names, groups, queries]

    def _query(self, of: Place) -> str:
        """What asks for its flows; "" where nothing can."""
        if len(self._queries) > _MOST_QUERIES:
            self._queries.clear()
        query = self._queries.get(of)
        if query is None:
            query = self._queries[of] = query_of(canonical(sound(of.terms())))
        return query


def _edges(of: Shown, texts: Texts) -> tuple[Table, list[np.ndarray]]:
    ports = np.array([texts.number(text) for text in of.ports], np.int64)
    protocols = np.array([texts.number(PROTOCOLS[number]) for number in of.protocol.tolist()], np.int64)
    ends = {"source": ("u4", of.place_ids[of.source]), "destination": ("u4", of.place_ids[of.destination])}
    figures = {name: (kind, of.columns[name]) for name, kind in _EDGES.items()}
    rest = {
        "encrypted": ("u1", of.encrypted), "verdict": ("u1", of.verdict), "ports": ("u4", ports),
        "protocol": ("u4", protocols), "is_new": ("u1", of.is_new),
    }  # fmt: skip
    return Table({"id": ("u4", of.edge_ids)} | ends | figures | rest), [ports, protocols]
