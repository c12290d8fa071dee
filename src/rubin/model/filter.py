"""Which flows are wanted: filters that allow and filters that deny.

No numpy at the top: the command line makes filters without judging any.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rubin.model.flow_filter import BeyondHubble, FlowFilter

if TYPE_CHECKING:
    from rubin.model.batch import FlowBatch
    from rubin.model.judgement import Cel
    from rubin.model.predicates import Mask

__all__ = ["BeyondHubble", "Filters", "FlowFilter"]


class Filters:
    """Whether a flow is wanted: one of `allow` (or there is none) and none of `deny`.

    Compiled once; UsageError names a value that is not understood. `cel` compiles the expressions
    of a filter (they are joined by OR); it is given from above, where flows become messages.
    """

    def __init__(
        self,
        allow: Sequence[FlowFilter] = (),
        deny: Sequence[FlowFilter] = (),
        cel: "Callable[[tuple[str, ...]], Cel] | None" = None,
    ) -> None:
        from rubin.model.judgement import Judgement

        self._allow = [Judgement(asked, cel) for asked in allow]
        self._deny = [Judgement(asked, cel) for asked in deny]

    @property
    def everything(self) -> bool:
        """True when no flow is refused."""
        return not self._allow and not self._deny

    def mask(self, batch: "FlowBatch") -> "Mask":
        """(n,) bool: which flows of the batch are wanted."""
        from rubin.model.judgement import wanted

        return wanted(self._allow, self._deny, batch)
