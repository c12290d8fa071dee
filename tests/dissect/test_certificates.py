"""Certificates are read as far as they are there."""

from hypothesis import given
from hypothesis import strategies as st

from rubin.dissect.protocols.certificates import Certificate, certificate
from tests.dissect.tls_talks import DER, SHOWN


def test_a_certificate_is_read_to_where_it_is_cut():
    whole = certificate(DER)
    assert whole == Certificate(SHOWN["subject"], SHOWN["issuer"], tuple(SHOWN["names"].split(",")), SHOWN["not_after"])
    for cut in range(len(DER)):
        part = certificate(DER[:cut])
        assert part.subject in ("", whole.subject)
        assert part.issuer in ("", whole.issuer)
        assert part.not_after in ("", whole.not_after)
        assert whole.names[: len(part.names)] == part.names


@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_a_broken_certificate_does_no_harm(at, byte):
    assert repr(certificate(DER[:at] + bytes((byte,)) + DER[at + 1 :]))
