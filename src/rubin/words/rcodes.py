"""What the codes of DNS answers are called: the names of IANA's registry of DNS RCODEs."""

from rubin.model.messages import Message

RCODES = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
    6: "YXDOMAIN",
    7: "YXRRSET",
    8: "NXRRSET",
    9: "NOTAUTH",
    10: "NOTZONE",
    11: "DSOTYPENI",
    16: "BADVERS",
    17: "BADKEY",
    18: "BADTIME",
    19: "BADMODE",
    20: "BADNAME",
    21: "BADALG",
    22: "BADTRUNC",
    23: "BADCOOKIE",
}


def rcode(number: int) -> str:
    """`NXDOMAIN`; `RCODE 12` where the number has no name."""
    return RCODES.get(number, f"RCODE {number}")


def ended(of: Message) -> str:
    """How an answer ended: `503`, `1146 no such table`, `NXDOMAIN`; "" where it does not say."""
    status = str(of.status or "")
    if of.protocol == "dns":
        number = of.status or (of.dns.rcode if of.dns else 0)
        status = rcode(number) if number and not of.error else ""
    return " ".join(filter(None, (status, of.error)))
