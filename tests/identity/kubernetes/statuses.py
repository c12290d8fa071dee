"""The words in which an API server refuses, as Kubernetes 1.34 has them (tests/identity/kubernetes/recorded)."""

from typing import Any

from tests.identity.kubernetes.world import Kind

Body = dict[str, Any]
_SERVICE_ACCOUNT = "system:serviceaccount:demo:agent"


def status(code: int, reason: str, message: str, **more: Any) -> Body:
    """A Status of a failure."""
    head = {"kind": "Status", "apiVersion": "v1", "metadata": more.pop("metadata", {}), "status": "Failure"}
    return {**head, "message": message, "reason": reason, **more, "code": code}


def unauthorized() -> Body:
    """A token is not known."""
    return status(401, "Unauthorized", "Unauthorized")


def forbidden(kind: Kind, verb: str, namespace: str, anonymous: bool = False) -> Body:
    """A right is missing."""
    user = "system:anonymous" if anonymous else _SERVICE_ACCOUNT
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    said = f'User "{user}" cannot {verb} resource "{kind.plural}" in API group "{kind.group}" {where}'
    details = {"group": kind.group, "kind": kind.plural} if kind.group else {"kind": kind.plural}
    return status(403, "Forbidden", f"{kind.plural} is forbidden: {said}", details=details)


def not_found(kind: Kind, name: str) -> Body:
    """There is no such object."""
    return status(404, "NotFound", f'{kind.plural} "{name}" not found', details={"name": name, "kind": kind.plural})


def bad_request(message: str) -> Body:
    """A parameter is not understood."""
    return status(400, "BadRequest", message)


def invalid(field: str, message: str) -> Body:
    """Parameters do not go together."""
    cause = {"reason": "FieldValueForbidden", "message": f"Forbidden: {message}", "field": field}
    details = {"group": "meta.k8s.io", "kind": "ListOptions", "causes": [cause]}
    said = f'ListOptions.meta.k8s.io "" is invalid: {field}: Forbidden: {message}'
    return status(422, "Invalid", said, details=details)


def too_old(version: int, oldest: int) -> Body:
    """A watch cannot go on from there."""
    return status(410, "Expired", f"too old resource version: {version} ({oldest})")


def continue_expired(token: str) -> Body:
    """A list cannot be continued."""
    said = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    return status(410, "Expired", said, metadata={"continue": token})


def too_large(version: int, current: int) -> Body:
    """A watch cannot begin in the future."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    said = f"Too large resource version: {version}, current: {current}"
    return status(504, "Timeout", said, details={"causes": [cause], "retryAfterSeconds": 1})


def failing(code: int) -> Body:
    """The server is in trouble."""
    reasons = {429: ("TooManyRequests", "too many requests, please try again later")}
    reason, message = reasons.get(code, ("InternalError", "Internal error occurred: etcdserver: leader changed"))
    return status(code, reason, message)


NO_PATH = {"code": 404, "message": "404 page not found"}
"""No Status, but a line of text."""
