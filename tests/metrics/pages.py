"""The page read by Prometheus' own Python parser."""

from prometheus_client import openmetrics, parser
from prometheus_client.openmetrics import parser as open_parser


def samples(page: bytes, name: str, open_metrics: bool = False):
    """{frozenset of labels: value} of the samples with this name; a label set that comes twice is an error."""
    families = (open_parser if open_metrics else parser).text_string_to_metric_families(page.decode())
    found = {}
    for family in families:
        for sample in family.samples:
            if sample.name == name:
                key = frozenset(sample.labels.items())
                assert key not in found, f"{name} {dict(key)} is there twice"
                found[key] = sample.value
    return found


def labelled(**labels):
    return frozenset(labels.items())


assert openmetrics
