"""Kafka's messages, of each as much as is shown: topics, group, error. Records are not looked into.

https://kafka.apache.org/protocol; the layouts are those of clients/src/main/resources/common/message in Kafka's source.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from struct import unpack_from
from typing import NamedTuple

_TOPICS = 4
_NAME_CHARACTERS = 128
_TOPIC = re.compile(rb"[A-Za-z0-9._-]{1,249}\Z")
_NO_ID = bytes(16)


class Api(NamedTuple):
    """What a request asks for: its name, the newest version that is known, and the first one with tagged fields."""

    name: str
    newest: int
    flexible: int


_APIS = """
0 Produce 13 9|1 Fetch 18 12|2 ListOffsets 11 6|3 Metadata 13 9|4 LeaderAndIsr 7 4|5 StopReplica 4 2
6 UpdateMetadata 8 6|7 ControlledShutdown 3 3|8 OffsetCommit 10 8|9 OffsetFetch 10 6|10 FindCoordinator 6 3
11 JoinGroup 9 6|12 Heartbeat 4 4|13 LeaveGroup 5 4|14 SyncGroup 5 4|15 DescribeGroups 6 5|16 ListGroups 5 3
17 SaslHandshake 1 99|18 ApiVersions 4 3|19 CreateTopics 7 5|20 DeleteTopics 6 4|21 DeleteRecords 2 2
22 InitProducerId 6 2|23 OffsetForLeaderEpoch 4 4|24 AddPartitionsToTxn 5 3|25 AddOffsetsToTxn 4 3|26 EndTxn 5 3
27 WriteTxnMarkers 2 1|28 TxnOffsetCommit 5 3|29 DescribeAcls 3 2|30 CreateAcls 3 2|31 DeleteAcls 3 2
32 DescribeConfigs 4 4|33 AlterConfigs 2 2|34 AlterReplicaLogDirs 2 2|35 DescribeLogDirs 5 2|36 SaslAuthenticate 2 2
37 CreatePartitions 3 2|38 CreateDelegationToken 3 2|39 RenewDelegationToken 2 2|40 ExpireDelegationToken 2 2
41 DescribeDelegationToken 3 2|42 DeleteGroups 2 2|43 ElectLeaders 2 2|44 IncrementalAlterConfigs 1 1
45 AlterPartitionReassignments 1 0|46 ListPartitionReassignments 0 0|47 OffsetDelete 0 99|48 DescribeClientQuotas 1 1
49 AlterClientQuotas 1 1|50 DescribeUserScramCredentials 0 0|51 AlterUserScramCredentials 0 0|52 Vote 2 0
53 BeginQuorumEpoch 1 1|54 EndQuorumEpoch 1 1|55 DescribeQuorum 2 0|56 AlterPartition 3 0|57 UpdateFeatures 2 0
58 Envelope 0 0|59 FetchSnapshot 1 0|60 DescribeCluster 2 0|61 DescribeProducers 0 0|62 BrokerRegistration 4 0
63 BrokerHeartbeat 1 0|64 UnregisterBroker 0 0|65 DescribeTransactions 0 0|66 ListTransactions 2 0
67 AllocateProducerIds 0 0|68 ConsumerGroupHeartbeat 1 0|69 ConsumerGroupDescribe 1 0|70 ControllerRegistration 0 0
71 GetTelemetrySubscriptions 0 0|72 PushTelemetry 0 0|73 AssignReplicasToDirs 0 0|74 ListConfigResources 1 0
75 DescribeTopicPartitions 0 0|76 ShareGroupHeartbeat 1 0|77 ShareGroupDescribe 1 0|78 ShareFetch 2 0
79 ShareAcknowledge 2 0|80 AddRaftVoter 1 0|81 RemoveRaftVoter 0 0|82 UpdateRaftVoter 0 0
88 StreamsGroupHeartbeat 0 0|89 StreamsGroupDescribe 0 0|90 DescribeShareGroupOffsets 1 0
91 AlterShareGroupOffsets 0 0|92 DeleteShareGroupOffsets 0 0
"""
_ERRORS = """
OFFSET_OUT_OF_RANGE CORRUPT_MESSAGE UNKNOWN_TOPIC_OR_PARTITION INVALID_FETCH_SIZE LEADER_NOT_AVAILABLE
NOT_LEADER_OR_FOLLOWER REQUEST_TIMED_OUT BROKER_NOT_AVAILABLE REPLICA_NOT_AVAILABLE MESSAGE_TOO_LARGE
STALE_CONTROLLER_EPOCH OFFSET_METADATA_TOO_LARGE NETWORK_EXCEPTION COORDINATOR_LOAD_IN_PROGRESS
COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR INVALID_TOPIC_EXCEPTION RECORD_LIST_TOO_LARGE NOT_ENOUGH_REPLICAS
NOT_ENOUGH_REPLICAS_AFTER_APPEND INVALID_REQUIRED_ACKS ILLEGAL_GENERATION INCONSISTENT_GROUP_PROTOCOL INVALID_GROUP_ID
UNKNOWN_MEMBER_ID INVALID_SESSION_TIMEOUT REBALANCE_IN_PROGRESS INVALID_COMMIT_OFFSET_SIZE TOPIC_AUTHORIZATION_FAILED
GROUP_AUTHORIZATION_FAILED CLUSTER_AUTHORIZATION_FAILED INVALID_TIMESTAMP UNSUPPORTED_SASL_MECHANISM
ILLEGAL_SASL_STATE UNSUPPORTED_VERSION TOPIC_ALREADY_EXISTS INVALID_PARTITIONS INVALID_REPLICATION_FACTOR
INVALID_REPLICA_ASSIGNMENT INVALID_CONFIG NOT_CONTROLLER INVALID_REQUEST UNSUPPORTED_FOR_MESSAGE_FORMAT
POLICY_VIOLATION OUT_OF_ORDER_SEQUENCE_NUMBER DUPLICATE_SEQUENCE_NUMBER INVALID_PRODUCER_EPOCH INVALID_TXN_STATE
INVALID_PRODUCER_ID_MAPPING INVALID_TRANSACTION_TIMEOUT CONCURRENT_TRANSACTIONS TRANSACTION_COORDINATOR_FENCED
TRANSACTIONAL_ID_AUTHORIZATION_FAILED SECURITY_DISABLED OPERATION_NOT_ATTEMPTED KAFKA_STORAGE_ERROR LOG_DIR_NOT_FOUND
SASL_AUTHENTICATION_FAILED UNKNOWN_PRODUCER_ID REASSIGNMENT_IN_PROGRESS DELEGATION_TOKEN_AUTH_DISABLED
DELEGATION_TOKEN_NOT_FOUND DELEGATION_TOKEN_OWNER_MISMATCH DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
DELEGATION_TOKEN_AUTHORIZATION_FAILED DELEGATION_TOKEN_EXPIRED INVALID_PRINCIPAL_TYPE NON_EMPTY_GROUP
GROUP_ID_NOT_FOUND FETCH_SESSION_ID_NOT_FOUND INVALID_FETCH_SESSION_EPOCH LISTENER_NOT_FOUND TOPIC_DELETION_DISABLED
FENCED_LEADER_EPOCH UNKNOWN_LEADER_EPOCH UNSUPPORTED_COMPRESSION_TYPE STALE_BROKER_EPOCH OFFSET_NOT_AVAILABLE
MEMBER_ID_REQUIRED PREFERRED_LEADER_NOT_AVAILABLE GROUP_MAX_SIZE_REACHED FENCED_INSTANCE_ID
ELIGIBLE_LEADERS_NOT_AVAILABLE ELECTION_NOT_NEEDED NO_REASSIGNMENT_IN_PROGRESS GROUP_SUBSCRIBED_TO_TOPIC INVALID_RECORD
UNSTABLE_OFFSET_COMMIT THROTTLING_QUOTA_EXCEEDED PRODUCER_FENCED RESOURCE_NOT_FOUND DUPLICATE_RESOURCE
UNACCEPTABLE_CREDENTIAL INCONSISTENT_VOTER_SET INVALID_UPDATE_VERSION FEATURE_UPDATE_FAILED
PRINCIPAL_DESERIALIZATION_FAILURE SNAPSHOT_NOT_FOUND POSITION_OUT_OF_RANGE UNKNOWN_TOPIC_ID
DUPLICATE_BROKER_REGISTRATION BROKER_ID_NOT_REGISTERED INCONSISTENT_TOPIC_ID INCONSISTENT_CLUSTER_ID
TRANSACTIONAL_ID_NOT_FOUND FETCH_SESSION_TOPIC_ID_ERROR INELIGIBLE_REPLICA NEW_LEADER_ELECTED
OFFSET_MOVED_TO_TIERED_STORAGE FENCED_MEMBER_EPOCH UNRELEASED_INSTANCE_ID UNSUPPORTED_ASSIGNOR STALE_MEMBER_EPOCH
MISMATCHED_ENDPOINT_TYPE UNSUPPORTED_ENDPOINT_TYPE UNKNOWN_CONTROLLER_ID UNKNOWN_SUBSCRIPTION_ID TELEMETRY_TOO_LARGE
INVALID_REGISTRATION TRANSACTION_ABORTABLE INVALID_RECORD_STATE SHARE_SESSION_NOT_FOUND INVALID_SHARE_SESSION_EPOCH
FENCED_STATE_EPOCH INVALID_VOTER_KEY DUPLICATE_VOTER VOTER_NOT_FOUND
"""
_UNKNOWN_SERVER_ERROR = -1
# A number: so many bytes nobody wants; s: text, y: bytes; T: a topic's name, U: its number, G: a group, A: acks, e: an
# error's number; [ ]: an array of structures, ( ): of what has no fields of its own; . here reading ends.
# @0-12 and @13+: only in these versions. What follows the last field that is wanted is left out.
_REQUESTS = """
0 s@3+ A 4 [ T@0-12 U@13+ [ 4 y ] ]
1 4@0-14 4 4 4@3+ 1@4+ 8@7+ [ T@0-12 U@13+ [ 4 4@9+ 8 4@12+ 8@5+ 4 ] ]
2 4 1@2+ [ T [ 4 4@4+ 8 4@0-0 ] ]
3 [ U@10+ T ]
8 G 4@1+ s@1+ s@7+ 8@2-4 [ T@0-9 U@10+ [ 4 8 4@6+ 8@1-1 s ] ]
9 G@0-7 [ T ( 4 ) ]@0-7 [ G s@9+ 4@9+ [ T@8-9 U@10+ ( 4 ) ] ]@8+
10 G@0-3 1@1+ ( G )@4+
11 G
12 G
13 G
14 G
15 ( G )
19 [ T 6 [ 4 ( 4 ) ] [ s s ] ]
20 ( T )@0-5 [ T U ]@6+
21 [ T [ 12 ] ]
23 4@3+ [ T [ 4 4@2+ 4 ] ]
24 s@0-3 10@0-3 [ T ( 4 ) ]@0-3
25 s 10 G
28 s G 10 4@3+ s@3+ s@3+ [ T [ 12 4@2+ s ] ]
37 [ T 4 [ ( 4 ) ] ]
42 ( G )
68 G
75 [ T ]
"""
_RESPONSES = """
0 [ T@0-12 U@13+ [ 4 e 8 8@2+ 8@5+ [ 4 s ]@8+ s@8+ ] ]
1 4@1+ e@7+ 4@7+ [ T@0-12 U@13+ [ 4 e 8 8@4+ 8@5+ [ 16 ]@4+ 4@11+ y ] ]
2 4@2+ [ T [ 4 e ( 8 )@0-0 8@1+ 8@1+ 4@4+ ] ]
3 4@3+ [ 4 s 4 s@1+ ] s@2+ 4@1+ [ e T U@10+ 1@1+ [ 10 4@7+ ( 4 ) ( 4 ) ( 4 )@5+ ] 4@8+ ] 4@8-10 e@13+
8 4@3+ [ T@0-9 U@10+ [ 4 e ] ]
9 4@3+ [ T [ 12 4@5+ s e ] ]@0-7 e@2-7 [ s [ T@8-9 U@10+ [ 16 s e ] ] e ]@8+
10 4@1+ e@0-3 [ s 4 s 4 e s ]@4+
11 4@2+ e
12 4@1+ e
13 4@1+ e
14 4@1+ e
15 4@1+ [ e . ]
16 4@1+ e
17 e
18 e
19 4@2+ [ T U@7+ e s@1+ 6@5+ [ s s 3 ]@5+ ]
20 4@1+ [ T U@6+ e s@5+ ]
21 4 [ T [ 12 e ] ]
22 4 e
23 4@2+ [ T [ e 4 4@1+ 8 ] ]
24 4 [ T [ 4 e ] ]@0-3 e@4+
25 4 e
26 4 e
28 4 [ T [ 4 e ] ]
29 4 e
30 4 [ e s ]
32 4 [ e . ]
33 4 [ e s 1 s ]
36 e
37 4 [ s e s ]
42 4 [ s e ]
44 4 [ e s 1 s ]
60 4 e
66 4 e
68 4 e
71 4 e
72 4 e
"""


class _Field(NamedTuple):
    kind: str  # "[" and "(" have fields of their own
    first: int
    last: int
    fields: "tuple[_Field, ...]" = ()


def _versions(text: str) -> tuple[int, int]:
    first, dash, last = text.rstrip("+").partition("-")
    return int(first or 0), int(last) if dash else 999


def _fields(words: list[str]) -> tuple[_Field, ...]:
    found: list[_Field] = []
    while words:
        kind, _, versions = words.pop(0).partition("@")
        if kind in ("]", ")"):
            found.append(_Field(kind, *_versions(versions)))
            break
        inner = _fields(words) if kind in ("[", "(") else ()
        bounds = inner[-1][1:3] if inner else _versions(versions)  # an array's versions stand behind it
        found.append(_Field(kind, *bounds, inner[:-1]))
    return tuple(found)


def _layouts(text: str) -> dict[int, tuple[_Field, ...]]:
    lines = (line.split() for line in text.strip().splitlines())
    return {int(words[0]): _fields(words[1:]) for words in lines}


def _apis(text: str) -> dict[int, Api]:
    rows = (row.split() for line in text.strip().splitlines() for row in line.split("|"))
    return {int(key): Api(name, int(newest), int(flexible)) for key, name, newest, flexible in rows}


APIS = _apis(_APIS)
ERRORS = dict(enumerate(_ERRORS.split(), 1)) | {_UNKNOWN_SERVER_ERROR: "UNKNOWN_SERVER_ERROR"}
_LAYOUTS = (_layouts(_REQUESTS), _layouts(_RESPONSES))


@lru_cache(1024)
def _layout(response: bool, api: int, version: int) -> tuple[_Field, ...]:
    def of_version(fields: tuple[_Field, ...]) -> tuple[_Field, ...]:
        here = (one for one in fields if one.first <= version <= one.last)
        return tuple(one._replace(fields=of_version(one.fields)) for one in here)

    return of_version(_LAYOUTS[response].get(api, ()))


class _End(Exception):
    """The bytes that are there have been read."""


@dataclass(slots=True)
class Contents:
    """What was found: topics by name or, where they are called so, by number; `names` of numbers; the first error."""

    topics: list[str | bytes] = field(default_factory=list)
    names: dict[bytes, str] = field(default_factory=dict)
    group: str = ""
    acks: int = -1
    error: int = 0
    records: bytes = b""  # the first batch, as far as it is there


class _Walk:
    """Reads fields one after the other. Raises `_End`."""

    def __init__(self, data: bytes, at: int, flexible: bool) -> None:
        self.found = Contents()
        self._data, self._at, self._flexible = data, at, flexible
        self._name = b""

    def _skip(self, size: int) -> int:
        at = self._at
        self._at += size
        if size < 0 or self._at > len(self._data):
            raise _End
        return at

    def _number(self) -> int:
        """An unsigned varint."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self._data[self._skip(1)]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise _End

    def _length(self, width: str) -> int:
        """Of a text, bytes or an array; one that is null has none."""
        if self._flexible:
            return max(self._number() - 1, 0)
        (length,) = unpack_from(width, self._data, self._skip(2 if width == ">h" else 4))
        return max(int(length), 0)

    def _text(self) -> bytes:
        length = self._length(">h")
        return self._data[self._skip(length) : self._at]

    def tags(self) -> None:
        for _ in range(self._number()):
            self._number()
            self._skip(self._number())

    def fields(self, fields: tuple[_Field, ...]) -> None:
        for one in fields:
            if one.kind.isdigit():
                self._skip(int(one.kind))
            elif one.fields:
                self._array(one)
            else:
                self._field(one.kind)

    def _array(self, array: _Field) -> None:
        for _ in range(self._length(">i")):
            self.fields(array.fields)
            if self._flexible and array.kind == "[":
                self.tags()

    def _field(self, kind: str) -> None:
        if kind == "T":
            self._topic(self._text())
        elif kind == "U":
            self._topic_id(self._data[self._skip(16) : self._at])
        elif kind == "G":
            self.found.group = self._text().decode("utf-8", "replace")[:_NAME_CHARACTERS]
        elif kind == "s":
            self._text()
        elif kind == "y":
            self._records(self._length(">i"))
        elif kind == ".":
            raise _End
        else:
            (value,) = unpack_from(">h", self._data, self._skip(2))
            if kind == "A":
                self.found.acks = value
            else:
                self.found.error = self.found.error or value

    def _records(self, length: int) -> None:
        self.found.records = self.found.records or self._data[self._at : self._at + length]
        self._skip(length)

    def _topic(self, name: bytes) -> None:
        self._name = name if _TOPIC.match(name) else b""
        topic = self._name.decode()[:_NAME_CHARACTERS]
        if topic and topic not in self.found.topics and len(self.found.topics) < _TOPICS:
            self.found.topics.append(topic)

    def _topic_id(self, topic_id: bytes) -> None:
        if topic_id == _NO_ID:
            return
        if self._name:
            self.found.names[topic_id] = self._name.decode()
        elif topic_id not in self.found.topics and len(self.found.topics) < _TOPICS:
            self.found.topics.append(topic_id)


def contents(data: bytes, at: int, api: int, version: int, response: bool) -> Contents:
    """What a message says whose header ends at `at`, as far as it is there."""
    flexible = version >= APIS[api].flexible
    walk = _Walk(data, at, flexible)
    try:
        if flexible and not (response and api == 18):  # ApiVersions is answered to clients that may be older
            walk.tags()
        walk.fields(_layout(response, api, version))
    except _End:
        pass
    return walk.found
