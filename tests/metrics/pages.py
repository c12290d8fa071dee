"""The page read by Prometheus' own Python parsers."""

from functools import lru_cache

from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_parser


@lru_cache(maxsize=4)
def everything(page: bytes, open_metrics: bool = False):
    """{name of a sample: {frozenset of labels: value}}; a label set that comes twice is an error."""
    found: dict = {}
    for family in (open_parser if open_metrics else parser).text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            series, key = found.setdefault(sample.name, {}), frozenset(sample.labels.items())
            assert key not in series, f"{sample.name} {sample.labels} is there twice"
            series[key] = sample.value
    return found


def samples(page: bytes, name: str, open_metrics: bool = False):
    """{frozenset of labels: value} of the samples with this name."""
    return everything(page, open_metrics).get(name, {})


def labelled(**labels):
    return frozenset(labels.items())
