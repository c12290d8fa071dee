"""JA4: which software a TLS client is, by what it offers.

FoxIO's specification, https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md (BSD 3-Clause; the other
methods of JA4+ are not, and not here).
"""

from hashlib import sha256

from rubin.dissect.protocols.tls_hello import ALPN, SERVER_NAME, ClientHello

_VERSIONS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}
_NOTHING = "0" * 12


def ja4(hello: ClientHello) -> str:
    """The fingerprint of TLS over TCP; "" for a hello that is not whole."""
    if not hello.whole:
        return ""
    suites, extensions = _real(hello.suites), _real(hello.extensions)
    version = max(_real(hello.versions), default=hello.version)
    shown = f"{'d' if SERVER_NAME in extensions else 'i'}{_count(suites)}{_count(extensions)}{_alpn(hello.alpn)}"
    others = _hex(sorted(set(extensions) - {SERVER_NAME, ALPN}))
    algorithms = _real(hello.signature_algorithms)
    if others and algorithms:
        others += f"_{_hex(algorithms)}"
    return f"t{_VERSIONS.get(version, '00')}{shown}_{_hash(_hex(sorted(suites)))}_{_hash(others)}"


def _real(numbers: list[int]) -> list[int]:
    """Without GREASE: 0x0a0a, 0x1a1a and so on (RFC 8701)."""
    return [number for number in numbers if number & 0x0F0F != 0x0A0A or number >> 8 != number & 0xFF]


def _count(numbers: list[int]) -> str:
    return f"{min(len(numbers), 99):02}"


def _alpn(names: list[bytes]) -> str:
    """First and last character of the first; of its hexadecimal digits if they are no letters or digits."""
    if not names or not names[0]:
        return "00"
    first = names[0]
    ends = first[:1] + first[-1:]
    return ends.decode() if ends.isalnum() else first.hex()[0] + first.hex()[-1]


def _hex(numbers: list[int]) -> str:
    return ",".join(f"{number:04x}" for number in numbers)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12] if text else _NOTHING
