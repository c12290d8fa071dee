"""Redis' commands: what may be shown of one. https://redis.io/docs/latest/commands/; Valkey and KeyDB have the same.

What is not known to be a name could be a value, or a password behind a misspelt AUTH: it is not shown.
"""

from rubin.dissect.redaction import is_credential

_KEY_FIRST = """
APPEND BITCOUNT BITFIELD BITFIELD_RO BITPOS BLMOVE BLPOP BRPOP BRPOPLPUSH BZPOPMAX BZPOPMIN COPY DECR DECRBY DEL DUMP
EXISTS EXPIRE EXPIREAT EXPIRETIME GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO
GEORADIUS_RO GEOSEARCH GEOSEARCHSTORE GET GETBIT GETDEL GETEX GETRANGE GETSET HDEL HEXISTS HEXPIRE HEXPIREAT
HEXPIRETIME HGET HGETALL HGETDEL HGETEX HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HPERSIST HPEXPIRE HPEXPIREAT
HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSET HSETEX HSETNX HSTRLEN HTTL HVALS INCR INCRBY INCRBYFLOAT LCS LINDEX LINSERT
LLEN LMOVE LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM MGET MOVE MSET MSETNX PERSIST PEXPIRE PEXPIREAT PEXPIRETIME
PFADD PFCOUNT PFMERGE PSETEX PTTL RENAME RENAMENX RESTORE RPOP RPOPLPUSH RPUSH RPUSHX SADD SCARD SDIFF SDIFFSTORE SET
SETBIT SETEX SETNX SETRANGE SINTER SINTERSTORE SISMEMBER SMEMBERS SMISMEMBER SMOVE SORT SORT_RO SPOP SRANDMEMBER SREM
SSCAN STRLEN SUBSTR SUNION SUNIONSTORE TOUCH TTL TYPE UNLINK WATCH XACK XADD XAUTOCLAIM XCLAIM XDEL XLEN XPENDING
XRANGE XREVRANGE XSETID XTRIM ZADD ZCARD ZCOUNT ZDIFFSTORE ZINCRBY ZINTERSTORE ZLEXCOUNT ZMSCORE ZPOPMAX ZPOPMIN
ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE
ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNIONSTORE VADD VCARD VDIM VEMB VGETATTR VINFO
VISMEMBER VLINKS VRANDMEMBER VREM VSETATTR VSIM
PUBLISH SPUBLISH SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE
"""
_KEY_SECOND = "BITOP LMPOP ZMPOP ZUNION ZINTER ZDIFF SINTERCARD ZINTERCARD"
_NO_KEY = """
ASKING AUTH BGREWRITEAOF BGSAVE BLMPOP BZMPOP DBSIZE DISCARD ECHO EXEC FAILOVER FLUSHALL FLUSHDB HELLO INFO KEYS
LASTSAVE LOLWUT MIGRATE MONITOR MULTI PING PSYNC QUIT RANDOMKEY READONLY READWRITE REPLCONF REPLICAOF RESET
ROLE SAVE SCAN SELECT SHUTDOWN SLAVEOF SWAPDB SYNC TIME UNWATCH WAIT WAITAOF XREAD XREADGROUP
"""
_PARTS = """
ACL CAT DELUSER DRYRUN GENPASS GETUSER LIST LOAD LOG SAVE SETUSER USERS WHOAMI
CLIENT CACHING GETNAME GETREDIR ID INFO KILL LIST NO-EVICT NO-TOUCH PAUSE REPLY SETINFO SETNAME TRACKING UNBLOCK
CLIENT TRACKINGINFO UNPAUSE
CLUSTER ADDSLOTS BUMPEPOCH COUNTKEYSINSLOT DELSLOTS FAILOVER FLUSHSLOTS FORGET GETKEYSINSLOT INFO KEYSLOT LINKS MEET
CLUSTER MYID MYSHARDID NODES REPLICAS REPLICATE RESET SAVECONFIG SETSLOT SHARDS SLAVES SLOTS
COMMAND COUNT DOCS GETKEYS INFO LIST
CONFIG GET RESETSTAT REWRITE SET
DEBUG OBJECT RELOAD SLEEP
FUNCTION DELETE DUMP FLUSH KILL LIST LOAD RESTORE STATS
LATENCY DOCTOR GRAPH HISTOGRAM HISTORY LATEST RESET
MEMORY DOCTOR MALLOC-STATS PURGE STATS USAGE
MODULE LIST LOAD LOADEX UNLOAD
OBJECT ENCODING FREQ IDLETIME REFCOUNT
PUBSUB CHANNELS NUMPAT NUMSUB SHARDCHANNELS SHARDNUMSUB
SCRIPT DEBUG EXISTS FLUSH KILL LOAD
SENTINEL CKQUORUM GET-MASTER-ADDR-BY-NAME MASTER MASTERS MYID REPLICAS SENTINELS SLAVES
SLOWLOG GET LEN RESET
XGROUP CREATE CREATECONSUMER DELCONSUMER DESTROY SETID
XINFO CONSUMERS GROUPS STREAM
"""
_KEY_THIRD = frozenset(("MEMORY USAGE", *(f"OBJECT {word}" for word in ("ENCODING", "FREQ", "IDLETIME", "REFCOUNT"))))
_KEYED_MODULES = frozenset(("JSON", "TS", "BF", "CF", "CMS", "TOPK", "TDIGEST", "GRAPH"))
_MODULES = _KEYED_MODULES | {"FT", "CL"}
_BY_COUNT = frozenset(("EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"))
KEY_CHARACTERS = 128
VALUES_CHARACTERS = 512

_KEYS = dict.fromkeys(_KEY_FIRST.split(), 1) | dict.fromkeys(_KEY_SECOND.split(), 2) | dict.fromkeys(_NO_KEY.split(), 0)
_KEYS |= {"BLMPOP": 3, "BZMPOP": 3, "MIGRATE": 3} | dict.fromkeys(_BY_COUNT, 3)


def _containers() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in _PARTS.strip().splitlines():
        name, *parts = line.split()
        found[name] = found.get(name, frozenset()).union(parts)
    return found


_CONTAINERS = _containers()


def is_command(name: bytes) -> bool:
    """Whether a command is called so, one of a well-known module's included."""
    text = name.decode("latin-1").upper()
    return text in _KEYS or text in _CONTAINERS or (text.partition(".")[0] in _MODULES and "." in text)


def _key(word: bytes) -> str:
    text = word[: 4 * KEY_CHARACTERS].decode("utf-8", "replace")
    return text[:KEY_CHARACTERS]


def _streams(words: list[bytes]) -> str:
    """XREAD's first key stands behind the word STREAMS."""
    for at, word in enumerate(words[:-1]):
        if word.upper() == b"STREAMS":
            return _key(words[at + 1])
    return ""


def describe(words: list[bytes]) -> tuple[str, str]:
    """The command in capitals, with the word that says which one of several it is, and its first key or channel.

    "OTHER": one that nobody knows, of which nothing else is shown.
    """
    name = words[0][:64].decode("latin-1").upper() if words else ""
    part = words[1][:32].decode("latin-1").upper() if len(words) > 1 else ""
    if name in _CONTAINERS:
        method = f"{name} {part}" if part in _CONTAINERS[name] else name
        keyed = method in _KEY_THIRD or (name in ("XGROUP", "XINFO") and method != name)
        return method, _key(words[2]) if keyed and len(words) > 2 else ""
    if name in ("XREAD", "XREADGROUP"):
        return name, _streams(words)
    module = name.partition(".")[0]
    if module in _MODULES and name.replace(".", "").isalnum():
        return name, _key(words[1]) if module in _KEYED_MODULES and len(words) > 1 else ""
    at = _KEYS.get(name)
    if at is None:
        return "OTHER", ""
    if not at or len(words) <= at or (name in _BY_COUNT and words[2] == b"0"):
        return name, ""
    return name, _key(words[at])


def has_values(words: list[bytes]) -> bool:
    """Whether a command writes or asks for values by keys, and nothing in it could be a credential.

    Others than those that begin with a key name users, passwords and settings, or bring scripts.
    """
    name = words[0][:64].decode("latin-1").upper() if words else ""
    return _KEYS.get(name) == 1 and not is_credential(_text(words))


def values(words: list[bytes]) -> str:
    """Values as text; "" where there are none, or one could be a credential."""
    text = _text(words)
    return "" if is_credential(text) else text[:VALUES_CHARACTERS]


def _text(words: list[bytes]) -> str:
    return " ".join(word.decode("utf-8", "replace") for word in words)
