"""Filter flags, in the order in which they were typed, to the two lists of filters that a server wants.

A flag for both sides goes to two filters, as the source's to the left and as the destination's to the
right: `--pod a --port 80` is pod a with its port 80, at either end. A list whose filters are equal
holds one. `--not` sends the one flag that follows to the other list. `--to-port 443,8443` is that flag twice: a comma
stands between values, but for flags whose values have commas of their own (a label selector's says "and").
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from rubin.errors import UsageError
from rubin.model import fields as table
from rubin.model.filter import BeyondHubble, FlowFilter
from rubin.words.flags import Flag, Given

NOT = "not"
_GROUP, _OWN_GROUP = "Filters", "Filters that only our own servers know"
_BEYOND = {each.name for each in fields(BeyondHubble)}
_WITH_COMMAS = ("COMMAND", "EXPRESSION", "FLAG[,FLAG]", "KEY:VALUE", "PATH", "REGEX", "SELECTOR")
"""How values are called that may hold commas: these are never parted."""
_BARE = ("true", "v4", "v6")  # what Hubble's own flags stand for when they stand alone
_FLAGS = {flag.name: flag for each in table.FIELDS for flag in each.flags()}


def filter_flags() -> Iterator[Flag]:
    """The flags, as the command line wants them."""
    yield Flag(NOT, "No flows that the next filter flag asks for.", "filter", bare="true", group=_GROUP)
    for name, short, metavar, text in table.NAMESPACE_FLAGS:
        yield Flag(name, _sentence(text), "filter", None, short, None if metavar else "true", _GROUP, metavar)
    for flag in _FLAGS.values():
        of = flag.field
        bare = None if of.metavar else "true"
        group = _OWN_GROUP if of.beyond else _GROUP
        yield Flag(flag.name, _sentence(flag.help), "filter", None, flag.short, bare, group, of.metavar, of.choices)


def values_of(flag: Flag, text: str) -> list[str]:
    """`443` and `8443` of `443,8443`; the text alone where the flag's values may hold commas. Raises UsageError."""
    if "," not in text or flag.metavar in _WITH_COMMAS or flag.bare is not None:
        return [text]
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise UsageError(f"--{flag.name} cannot be '{text}'", f"a value before and after each comma: {flag.metavar}")
    return parts


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


@dataclass
class _Side:
    """One list of filters in the making: values by field of the left and of the right filter."""

    left: dict[str, list[Any]] = field(default_factory=dict)
    right: dict[str, list[Any]] = field(default_factory=dict)
    namespaces: list[str] = field(default_factory=list)
    source_namespaces: list[str] = field(default_factory=list)
    destination_namespaces: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def take(self, name: str, text: str) -> None:
        """Note one flag. Raises UsageError where it does not go with the others."""
        if name not in self.seen:
            self.seen.append(name)
            _refuse_exclusive(self.seen)
        if name in _FLAGS:
            flag = _FLAGS[name]
            value = flag.field.read(text) if flag.field.metavar else flag.field.value
            self.left.setdefault(flag.left, []).append(value)
            self.right.setdefault(flag.right, []).append(value)
        else:
            self._take_namespace(name, text)
        self._refuse_foreign_names()

    def _take_namespace(self, name: str, text: str) -> None:
        """`namespace`, `from-namespace`, `to-all-namespaces`, …: any namespace is ""."""
        if "/" in text:
            raise UsageError(
                f"--{name} cannot be '{text}'", f"--{name} {text.partition('/')[0]}, and the rest as --pod"
            )
        of = {"from": self.source_namespaces, "to": self.destination_namespaces}
        of.get(name.partition("-")[0], self.namespaces).append("" if name.endswith("all-namespaces") else text)

    def _refuse_foreign_names(self) -> None:
        for values in (self.left, self.right):
            for side, own in (("source", self.source_namespaces), ("destination", self.destination_namespaces)):
                pods, services = values.get(f"{side}_pod", []), values.get(f"{side}_service", [])
                for namespace in (*self.namespaces, *own):
                    _refuse_outside(namespace, (*pods, *services))
                _refuse_parted(pods, services)

    def filters(self) -> list[FlowFilter]:
        """What was asked: no filter, one, or left and right."""
        if not self.seen:
            return []
        left, right = dict(self.left), dict(self.right)
        for values in (left, right):
            _put_before(values, "destination", self.destination_namespaces)
            _put_before(values, "source", self.source_namespaces)
        _put_before(left, "source", self.namespaces)
        _put_before(right, "destination", self.namespaces)
        made = [_filter(left), _filter(right)]
        return made[:1] if made[0] == made[1] else made


def read_filters(given: Given) -> tuple[list[FlowFilter], list[FlowFilter]]:
    """The allowing and the denying filters of the flags typed. Raises UsageError."""
    return filters_of(each_filter(given))


def filters_of(asked: Iterable[tuple[Flag, str, bool]]) -> tuple[list[FlowFilter], list[FlowFilter]]:
    """The same of flags with their texts, and whether they are negated. Raises UsageError."""
    allow, deny = _Side(), _Side()
    for flag, text, negated in asked:
        if flag.bare is not None and text not in _BARE:
            raise UsageError(f"--{flag.name} takes no value", f"--{flag.name}")
        (deny if negated else allow).take(flag.name, text)
    return allow.filters(), deny.filters()


def each_filter(given: Given) -> Iterator[tuple[Flag, str, bool]]:
    """Filter flags that were typed, with each of their values, and whether `--not` is before. Raises UsageError."""
    negated = False
    for flag, text in given.flags:
        if flag.kind != "filter":
            continue
        if flag.name != NOT:
            yield from ((flag, value, negated) for value in values_of(flag, text))
            negated = False
        elif text not in _BARE:
            raise UsageError(f"--{NOT} takes no value", f"--{NOT}")
        elif negated:
            raise UsageError("consecutive --not statements", "one --not before each flag that it is for")
        else:
            negated = True
    if negated:
        raise UsageError("trailing --not found in the arguments", "--not stands before the filter flag that it is for")


def _refuse_exclusive(seen: list[str]) -> None:
    for group in table.EXCLUSIVE:
        both = [name for name in group if name in seen]
        if len(both) > 1:
            raise UsageError(f"filters --{both[0]} and --{both[1]} cannot be combined", "leave one of them out")


def _refuse_outside(namespace: str, names: Iterable[str]) -> None:
    for name in names:
        own, slash, _ = name.partition("/")
        if slash and own and own != namespace:
            raise UsageError(
                f'namespace conflict: "{namespace}" does not contain "{name}"', "leave out the namespace of one"
            )


def _refuse_parted(pods: list[str], services: list[str]) -> None:
    """A pod in one namespace behind a service in another is no flow."""
    for pod in pods:
        namespace, slash, _ = pod.partition("/")
        for service in services if slash and namespace else ():
            if (service.partition("/")[0] if "/" in service else "") != namespace:
                raise UsageError(
                    f'namespace of service "{service}" conflict with pod "{namespace}"', "the same for both"
                )


def _put_before(values: dict[str, list[Any]], side: str, namespaces: list[str]) -> None:
    """Each name without a namespace in each of these; any name where none was asked for."""
    if not namespaces:
        return
    pod, service = f"{side}_pod", f"{side}_service"
    if not values.get(pod) and not values.get(service):
        values[pod] = [""]
    for name in (pod, service):
        if name in values:
            values[name] = [full for short in values[name] for full in _within(short, namespaces)]


def _within(name: str, namespaces: list[str]) -> list[str]:
    return [name] if "/" in name else [f"{namespace}/{name}" for namespace in namespaces]


def _filter(values: dict[str, list[Any]]) -> FlowFilter:
    own = {name: tuple(each) for name, each in values.items() if name not in _BEYOND}
    beyond = {name: tuple(each) for name, each in values.items() if name in _BEYOND}
    return FlowFilter(**own, beyond=BeyondHubble(**beyond))
