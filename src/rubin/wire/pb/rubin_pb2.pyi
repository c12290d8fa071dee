from rubin.wire.pb import observer_pb2 as _observer_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ColumnFrame(_message.Message):
    __slots__ = ("frame", "promise_ns", "is_live", "is_late", "status")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    PROMISE_NS_FIELD_NUMBER: _ClassVar[int]
    IS_LIVE_FIELD_NUMBER: _ClassVar[int]
    IS_LATE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    frame: bytes
    promise_ns: int
    is_live: bool
    is_late: bool
    status: _observer_pb2.GetFlowsResponse
    def __init__(self, frame: _Optional[bytes] = ..., promise_ns: _Optional[int] = ..., is_live: _Optional[bool] = ..., is_late: _Optional[bool] = ..., status: _Optional[_Union[_observer_pb2.GetFlowsResponse, _Mapping]] = ...) -> None: ...

class Beyond(_message.Message):
    __slots__ = ("whitelist", "blacklist")
    class Constraints(_message.Message):
        __slots__ = ("cgroup", "kernel_drop_reason", "tcp_event", "source_process", "destination_process", "source_pid", "destination_pid", "source_user", "destination_user", "source_container", "destination_container", "source_image", "destination_image", "source_unit", "destination_unit")
        CGROUP_FIELD_NUMBER: _ClassVar[int]
        KERNEL_DROP_REASON_FIELD_NUMBER: _ClassVar[int]
        TCP_EVENT_FIELD_NUMBER: _ClassVar[int]
        SOURCE_PROCESS_FIELD_NUMBER: _ClassVar[int]
        DESTINATION_PROCESS_FIELD_NUMBER: _ClassVar[int]
        SOURCE_PID_FIELD_NUMBER: _ClassVar[int]
        DESTINATION_PID_FIELD_NUMBER: _ClassVar[int]
        SOURCE_USER_FIELD_NUMBER: _ClassVar[int]
        DESTINATION_USER_FIELD_NUMBER: _ClassVar[int]
        SOURCE_CONTAINER_FIELD_NUMBER: _ClassVar[int]
        DESTINATION_CONTAINER_FIELD_NUMBER: _ClassVar[int]
        SOURCE_IMAGE_FIELD_NUMBER: _ClassVar[int]
        DESTINATION_IMAGE_FIELD_NUMBER: _ClassVar[int]
        SOURCE_UNIT_FIELD_NUMBER: _ClassVar[int]
        DESTINATION_UNIT_FIELD_NUMBER: _ClassVar[int]
        cgroup: _containers.RepeatedScalarFieldContainer[str]
        kernel_drop_reason: _containers.RepeatedScalarFieldContainer[str]
        tcp_event: _containers.RepeatedScalarFieldContainer[int]
        source_process: _containers.RepeatedScalarFieldContainer[str]
        destination_process: _containers.RepeatedScalarFieldContainer[str]
        source_pid: _containers.RepeatedScalarFieldContainer[int]
        destination_pid: _containers.RepeatedScalarFieldContainer[int]
        source_user: _containers.RepeatedScalarFieldContainer[str]
        destination_user: _containers.RepeatedScalarFieldContainer[str]
        source_container: _containers.RepeatedScalarFieldContainer[str]
        destination_container: _containers.RepeatedScalarFieldContainer[str]
        source_image: _containers.RepeatedScalarFieldContainer[str]
        destination_image: _containers.RepeatedScalarFieldContainer[str]
        source_unit: _containers.RepeatedScalarFieldContainer[str]
        destination_unit: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, cgroup: _Optional[_Iterable[str]] = ..., kernel_drop_reason: _Optional[_Iterable[str]] = ..., tcp_event: _Optional[_Iterable[int]] = ..., source_process: _Optional[_Iterable[str]] = ..., destination_process: _Optional[_Iterable[str]] = ..., source_pid: _Optional[_Iterable[int]] = ..., destination_pid: _Optional[_Iterable[int]] = ..., source_user: _Optional[_Iterable[str]] = ..., destination_user: _Optional[_Iterable[str]] = ..., source_container: _Optional[_Iterable[str]] = ..., destination_container: _Optional[_Iterable[str]] = ..., source_image: _Optional[_Iterable[str]] = ..., destination_image: _Optional[_Iterable[str]] = ..., source_unit: _Optional[_Iterable[str]] = ..., destination_unit: _Optional[_Iterable[str]] = ...) -> None: ...
    WHITELIST_FIELD_NUMBER: _ClassVar[int]
    BLACKLIST_FIELD_NUMBER: _ClassVar[int]
    whitelist: _containers.RepeatedCompositeFieldContainer[Beyond.Constraints]
    blacklist: _containers.RepeatedCompositeFieldContainer[Beyond.Constraints]
    def __init__(self, whitelist: _Optional[_Iterable[_Union[Beyond.Constraints, _Mapping]]] = ..., blacklist: _Optional[_Iterable[_Union[Beyond.Constraints, _Mapping]]] = ...) -> None: ...

class EndpointsRequest(_message.Message):
    __slots__ = ("who", "time_ns")
    WHO_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    who: str
    time_ns: int
    def __init__(self, who: _Optional[str] = ..., time_ns: _Optional[int] = ...) -> None: ...

class EndpointsResponse(_message.Message):
    __slots__ = ("json",)
    JSON_FIELD_NUMBER: _ClassVar[int]
    json: str
    def __init__(self, json: _Optional[str] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("json", "time_ns")
    JSON_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    json: str
    time_ns: int
    def __init__(self, json: _Optional[str] = ..., time_ns: _Optional[int] = ...) -> None: ...

class TopRequest(_message.Message):
    __slots__ = ("flows", "by", "sort", "number", "kind", "elsewhere")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ROWS: _ClassVar[TopRequest.Kind]
        CONNECTIONS: _ClassVar[TopRequest.Kind]
        PART: _ClassVar[TopRequest.Kind]
    ROWS: TopRequest.Kind
    CONNECTIONS: TopRequest.Kind
    PART: TopRequest.Kind
    FLOWS_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ELSEWHERE_FIELD_NUMBER: _ClassVar[int]
    flows: _observer_pb2.GetFlowsRequest
    by: str
    sort: str
    number: int
    kind: TopRequest.Kind
    elsewhere: bytes
    def __init__(self, flows: _Optional[_Union[_observer_pb2.GetFlowsRequest, _Mapping]] = ..., by: _Optional[str] = ..., sort: _Optional[str] = ..., number: _Optional[int] = ..., kind: _Optional[_Union[TopRequest.Kind, str]] = ..., elsewhere: _Optional[bytes] = ...) -> None: ...

class TopResponse(_message.Message):
    __slots__ = ("json", "inbound", "outbound", "left_out")
    JSON_FIELD_NUMBER: _ClassVar[int]
    INBOUND_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    json: str
    inbound: bytes
    outbound: bytes
    left_out: int
    def __init__(self, json: _Optional[str] = ..., inbound: _Optional[bytes] = ..., outbound: _Optional[bytes] = ..., left_out: _Optional[int] = ...) -> None: ...

class TraceRequest(_message.Message):
    __slots__ = ("uuid", "trace_id")
    UUID_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    trace_id: str
    def __init__(self, uuid: _Optional[str] = ..., trace_id: _Optional[str] = ...) -> None: ...

class TraceResponse(_message.Message):
    __slots__ = ("json",)
    JSON_FIELD_NUMBER: _ClassVar[int]
    json: str
    def __init__(self, json: _Optional[str] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("flow", "source", "destination")
    FLOW_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    flow: str
    source: str
    destination: str
    def __init__(self, flow: _Optional[str] = ..., source: _Optional[str] = ..., destination: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("json",)
    JSON_FIELD_NUMBER: _ClassVar[int]
    json: str
    def __init__(self, json: _Optional[str] = ...) -> None: ...
