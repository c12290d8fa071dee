"""Kinds of proof: one may know who asks where another does not."""

import asyncio
from pathlib import Path

import pytest
from grpclib.exceptions import GRPCError

from rubin.api.asking import Who
from rubin.api.door import Door
from rubin.api.proofs import KINDS, Shown
from rubin.api.roles import Access
from tests.api.entering import TOKENS, access_file


class Issued:
    """Somebody else's tokens, as OIDC or a TokenReview would know them."""

    async def who(self, shown: Shown, access: Access, /) -> Who | None:
        """After a while."""
        await asyncio.sleep(0)
        name = shown.authorization.removeprefix("Bearer issued-for-")
        return access.who(name, "issued", ("bank",)) if name != shown.authorization else None


def test_another_kind_of_proof_is_another_class(tmp_path: Path) -> None:
    door = Door(str(access_file(tmp_path)), "", (*KINDS, Issued()))

    async def who(text: str) -> Who:
        return await door._who(Shown(text))

    carl = asyncio.run(who("Bearer issued-for-carl"))
    assert (carl.name, carl.proof, carl.sight.sees("bank"), carl.sight.sees("shop")) == ("carl", "issued", True, False)
    assert asyncio.run(who(f"Bearer {TOKENS['ann']}")).proof == "token"
    with pytest.raises(GRPCError, match="the token is not known here"):
        asyncio.run(who("Bearer another"))


def test_the_names_of_a_certificate_are_its_subjects_and_the_others() -> None:
    shown = Shown(
        certificate={
            "subject": ((("organizationName", "a"),), (("commonName", "alice"),)),
            "subjectAltName": (("DNS", "alice.example.com"), ("URI", "spiffe://a/b"), ("DNS", "alice")),
        }
    )
    assert shown.names() == ("alice", "alice.example.com", "spiffe://a/b")
    assert "secret" not in repr(Shown("Bearer secret"))
