"""`-o json` and `-o jsonpb`: a `GetFlowsResponse` a line, as Hubble's client prints it."""

from collections.abc import Sequence

from rubin import __version__
from rubin.cli.output.flows import in_order
from rubin.model.batch import FlowBatch, Lost
from rubin.wire import json
from rubin.wire.flows import FlowEncoder, lost_response


class JSON:
    """A line a flow, of the fields that the mask names, all without one. `bare`: the flow without what is around it.

    Raises UsageError for an unknown field of the mask.
    """

    def __init__(self, mask: Sequence[str] = (), bare: bool = False) -> None:
        self._encoder = FlowEncoder(mask, __version__)
        self._bare = bare

    def text(self, batch: FlowBatch) -> str:
        """Lines."""
        responses = self._encoder.responses(batch)
        flows = (json.text(response.flow if self._bare else response) for response in responses)
        return "".join(f"{line}\n" for line in in_order(batch, flows, self._lost))

    def end(self) -> str:
        """Nothing."""
        return ""

    def _lost(self, lost: Lost) -> str:
        response = lost_response(lost)
        return json.text(response.lost_events if self._bare else response)
