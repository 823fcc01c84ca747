"""How a fault speaks: the answers it puts in place of the right one."""

from adapters.channel import Reply
from adapters.cores.scripted import jsonapi, osmp
from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Order, Protocol, Reason, Refused, reference_of


def ended(order: Order, fault: Fault) -> Reply:
    """What is said instead of doing anything."""
    later = {"Retry-After": str(fault.retry_after_s)}
    match fault.kind:
        case FaultKind.MAINTENANCE if order.protocol is Protocol.OSMP:
            return osmp.reply(reference_of(order), osmp.TEMPORARY, comment="maintenance", headers=later)
        case FaultKind.MAINTENANCE:
            return jsonapi.error(503, "maintenance", "come back later", later)
        case FaultKind.HEALTH_SAYS_DOWN:
            return jsonapi.error(503, "down", "not well")
        case FaultKind.THROTTLE:
            return jsonapi.error(429, "throttled", "too many requests", later)
        case FaultKind.UNAUTHORISED:
            return jsonapi.error(401, "unauthorised", "who are you?", {"WWW-Authenticate": "Basic"})
        case FaultKind.FORBID:
            write = osmp.write if order.protocol is Protocol.OSMP else jsonapi.write
            return write(order, Refused(reason=Reason.ACCOUNT_INACTIVE))
        case FaultKind.WRONG_CODE:
            return _wrong(order, fault)
        case _:
            return jsonapi.error(500, "error", "something broke")


def spoiled(order: Order, right: Reply, fault: Fault) -> Reply:
    """What is said in place of the right answer."""
    match fault.kind:
        case FaultKind.GARBAGE:
            body = b"\x00\xff<\xfe{]" * 16
            return Reply(status=right.status, content_type=right.content_type, body=body)
        case FaultKind.WRONG_TYPE:
            page = b"<!DOCTYPE html><html><body><h1>It works!</h1></body></html>"
            return Reply(status=200, content_type="text/html", body=page)
        case FaultKind.HUGE:
            return Reply(status=right.status, content_type=right.content_type, body=b" " * fault.size_bytes)
        case FaultKind.WRONG_CODE:
            return _wrong(order, fault)
        case FaultKind.ERROR_AFTER:
            return jsonapi.error(500, "error", "something broke")
        case _:
            return right


def _wrong(order: Order, fault: Fault) -> Reply:
    if order.protocol is Protocol.OSMP:
        return osmp.reply(reference_of(order), fault.code, comment="?")
    return jsonapi.error(fault.status, "unexpected", "?")
