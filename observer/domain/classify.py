"""
Which class a request is counted in: by response code, response flags and gRPC status, as the mesh reports them.

An *error* is a failure of the server's side: 5xx, the gRPC states UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and
DATA_LOSS, and the flags of a call that never got an answer from the pod. What a client, a policy or an experiment did
(disconnects, injected faults, rate limits, authorisation, circuit breaking) says nothing about the pod: *excluded*.
"""

from __future__ import annotations

from typing import Final

from observer.domain.counts import RequestClass

ERROR_FLAGS: Final = frozenset({"UF", "UH", "UC", "URX", "UT"})
EXCLUDED_FLAGS: Final = frozenset({"DC", "DI", "FI", "RL", "RLSE", "UAEX", "UO"})
GRPC_ERRORS: Final = frozenset(
    {"2", "4", "13", "14", "15", "UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
_GRPC_NUMBERS: Final = frozenset(str(number) for number in range(17))


def flags_of(flags: str) -> frozenset[str]:
    """The single flags of a comma-joined label; ``-`` and empty mean none."""
    return frozenset(flags.replace(" ", "").upper().split(",")) - {"", "-"}


def request_class(code: str, flags: str = "", grpc: str = "") -> RequestClass:
    """
    The class of one series' requests.

    An excluded flag outweighs everything: it names a cause outside the pod. Then error flags, gRPC status and code are
    looked at. A code that is no code at all (``0``: the stream ended before an answer; absent; garbage such as
    ``42836664``) with no flag and no gRPC status tells nothing about the pod and is excluded rather than counted as
    good. Absent labels are given as empty strings.
    """
    found = flags_of(flags)
    if found & EXCLUDED_FLAGS:
        return RequestClass.EXCLUDED
    if found & ERROR_FLAGS or grpc.upper() in GRPC_ERRORS:
        return RequestClass.ERROR
    if len(code) == 3 and code.isascii() and code.isdigit() and "1" <= code[0] <= "5":
        return RequestClass.ERROR if code[0] == "5" else RequestClass.OK
    return RequestClass.OK if grpc in _GRPC_NUMBERS else RequestClass.EXCLUDED


def is_unreached(code: str, flags: str = "", grpc: str = "") -> bool:
    """An error that the pod itself may never have seen: the caller's proxy says so by flag."""
    return request_class(code, flags, grpc) is RequestClass.ERROR and bool(flags_of(flags) & ERROR_FLAGS)
