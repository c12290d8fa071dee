"""Where and why the kernel dropped, in the one field that Hubble has for it: `Flow.file.name`.

Hubble's `drop_reason_desc` holds the nearest of its own reasons; the kernel's words go where Hubble
names the place in its datapath: `NETFILTER_DROP at nf_hook_slow+0x5a`. The summary stays as Hubble's.
"""


def file_name(reason: str, location: str) -> str:
    """The kernel's reason and the function that dropped; either may be ""."""
    return f"{reason} at {location}".strip() if location else reason


def from_file_name(text: str) -> tuple[str, str]:
    """(reason, location) of what `file_name` made."""
    if text.startswith("at "):
        return "", text[3:]
    reason, _, location = text.partition(" at ")
    return reason, location
