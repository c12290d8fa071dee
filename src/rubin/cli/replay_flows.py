"""The line of `rubin replay`: read, name, choose, then print or count.

Not `pipeline.run`: there a sink that fails is passed over, here a reader that leaves (`| head`) ends it all.
"""

import logging
from collections.abc import Iterable

from rubin.cli.command import Arguments
from rubin.cli.files import named_flows
from rubin.cli.format_flags import FLOW_OUTPUTS, flow_printer, output_of
from rubin.cli.observe_flows import asked_filters, compiled, local_selection, print_batches
from rubin.cli.output.stdout import write
from rubin.cli.redaction import redaction
from rubin.cli.selection import select
from rubin.errors import UsageError
from rubin.model.batch import FlowBatch


def run(arguments: Arguments) -> int:
    """Print the flows, or what is counted of them."""
    if not arguments.words:
        raise UsageError("replay needs a file", "rubin replay capture.pcap, or tcpdump -w - | rubin replay -")
    path = arguments.words[0]
    output = output_of(arguments, outputs=FLOW_OUTPUTS)
    mask = arguments["field-mask"]
    if mask and not output.endswith("json"):
        raise UsageError(f"{output} output format is not compatible with custom field mask", "-o json")
    printer = flow_printer(arguments, output, mask)
    filters = compiled(*asked_filters(arguments))
    if arguments["silent-errors"]:
        logging.disable(logging.WARNING)
    chosen = select(named_flows(path, arguments["names"], redaction(arguments)), local_selection(arguments), filters)
    try:
        if arguments["metrics"]:
            _count(arguments["metrics"], chosen)
        else:
            print_batches(chosen, printer)
    except KeyboardInterrupt:
        return 0
    return 0


def _count(configuration: str, batches: Iterable[FlowBatch]) -> None:
    from rubin.metrics.sink import DEFAULT, Metrics, Settings

    metrics = Metrics(Settings(DEFAULT if configuration == "default" else configuration))
    try:
        for batch in batches:
            metrics.observe(batch)
    finally:
        write(metrics.exposition().decode())
