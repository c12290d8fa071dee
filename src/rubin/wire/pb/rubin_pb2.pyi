from rubin.wire.pb import observer_pb2 as _observer_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ColumnFrame(_message.Message):
    __slots__ = ("frame",)
    FRAME_FIELD_NUMBER: _ClassVar[int]
    frame: bytes
    def __init__(self, frame: _Optional[bytes] = ...) -> None: ...

class Beyond(_message.Message):
    __slots__ = ("whitelist", "blacklist")
    class Constraints(_message.Message):
        __slots__ = ("process", "pid", "uid", "cgroup", "kernel_drop_reason", "tcp_event")
        PROCESS_FIELD_NUMBER: _ClassVar[int]
        PID_FIELD_NUMBER: _ClassVar[int]
        UID_FIELD_NUMBER: _ClassVar[int]
        CGROUP_FIELD_NUMBER: _ClassVar[int]
        KERNEL_DROP_REASON_FIELD_NUMBER: _ClassVar[int]
        TCP_EVENT_FIELD_NUMBER: _ClassVar[int]
        process: _containers.RepeatedScalarFieldContainer[str]
        pid: _containers.RepeatedScalarFieldContainer[int]
        uid: _containers.RepeatedScalarFieldContainer[int]
        cgroup: _containers.RepeatedScalarFieldContainer[str]
        kernel_drop_reason: _containers.RepeatedScalarFieldContainer[str]
        tcp_event: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, process: _Optional[_Iterable[str]] = ..., pid: _Optional[_Iterable[int]] = ..., uid: _Optional[_Iterable[int]] = ..., cgroup: _Optional[_Iterable[str]] = ..., kernel_drop_reason: _Optional[_Iterable[str]] = ..., tcp_event: _Optional[_Iterable[int]] = ...) -> None: ...
    WHITELIST_FIELD_NUMBER: _ClassVar[int]
    BLACKLIST_FIELD_NUMBER: _ClassVar[int]
    whitelist: _containers.RepeatedCompositeFieldContainer[Beyond.Constraints]
    blacklist: _containers.RepeatedCompositeFieldContainer[Beyond.Constraints]
    def __init__(self, whitelist: _Optional[_Iterable[_Union[Beyond.Constraints, _Mapping]]] = ..., blacklist: _Optional[_Iterable[_Union[Beyond.Constraints, _Mapping]]] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("json",)
    JSON_FIELD_NUMBER: _ClassVar[int]
    json: str
    def __init__(self, json: _Optional[str] = ...) -> None: ...
