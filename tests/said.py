"""What a flow shows of its message, said once more and plainly."""

from dataclasses import replace

from rubin.model.messages import Message, MessageType


def seen(message: Message, is_reply: int) -> Message:
    """Of an exchange the response, or the request as it was asked; else the message itself."""
    if message.type != MessageType.EXCHANGE:
        return message
    if is_reply == 1:
        return replace(message, type=MessageType.RESPONSE)
    asked = message.dns and replace(message.dns, ips=(), ttl=0, cnames=(), rcode=0, rrtypes=())
    return replace(
        message, type=MessageType.REQUEST, status=0, failed=False, error="", latency_ns=0, response_bytes=0, dns=asked
    )
