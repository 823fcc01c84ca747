"""Traces by OpenTelemetry (the extra `nightsafe[otel]`): which spans there are, what is in them, where they belong.

A request of a channel is a span, in the channel's own trace where it sent a traceparent; recording, and asking the core while
the channel waits, are its children. What goes from the spool to a core later has a trace of its own for each payment, whose
ids follow from the payment's id: so its spans come together over restarts and from whichever node sent it. The root of that
one is the time it waited. The two are linked, both ways while the process remembers, else from the request to the payment.
Decision 0043.
"""

import asyncio
import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Generator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adapters.cores.carried import carried
from adapters.payment import Answer
from gateway.clock import Clock
from gateway.log import log
from gateway.tracing.settings import TracingSettings
from spool.entry import Draft, Entry
from spool.lifecycle import CLAIM, FINAL, RESEND
from spool.store import Inserted, Known, Move, NotReversible

T = TypeVar("T")
R = TypeVar("R", Inserted | Known, Inserted | Known | NotReversible)

TRACEPARENT: Final = "Traceparent"
REMEMBERED_MAX: Final = 16_384
"""Payments that wait, whose request's span is remembered; the oldest are forgotten."""

BATCH_SPANS_MAX: Final = 512
FLUSH_S: Final = 5.0

_NO_PARENT: Final = Context()
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class _Ids(RandomIdGenerator):
    """Ids at random, or the ones that were told for the next span."""

    def __init__(self) -> None:
        self.next: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        return super().generate_trace_id() if self.next is None else self.next[0]

    def generate_span_id(self) -> int:
        return super().generate_span_id() if self.next is None else self.next[1]


class _Sampler(ParentBased):
    """As its parents, but for a span whose ids were told: it was drawn already."""

    def __init__(
        self, ids: _Ids, root: Sampler, *, remote_parent_sampled: Sampler, remote_parent_not_sampled: Sampler
    ) -> None:
        super().__init__(
            root,
            remote_parent_sampled=remote_parent_sampled,
            remote_parent_not_sampled=remote_parent_not_sampled,
        )
        self._ids = ids

    def should_sample(self, parent_context: Context | None, trace_id: int, *more: Any, **named: Any) -> SamplingResult:
        if self._ids.next is not None:
            return ALWAYS_ON.should_sample(parent_context, trace_id, *more, **named)
        return super().should_sample(parent_context, trace_id, *more, **named)


class _Quiet(logging.Handler):
    """Passes on that something happened, never in the library's words: they may hold addresses and headers."""

    def emit(self, record: logging.LogRecord) -> None:
        log.warning("tracing_trouble", where=record.name.rpartition(".")[2])


def sending(settings: TracingSettings) -> SpanProcessor:
    """Sends spans as the settings say, in batches, from a thread of its own.

    Raises:
        SecretMissing: the token isn't where the settings say.
    """
    headers = dict[str, str]()
    if settings.token is not None:
        headers["authorization"] = f"Bearer {settings.token.read().get_secret_value()}"
    exporter = OTLPSpanExporter(
        endpoint=settings.url,
        certificate_file=None if settings.tls_ca_file is None else str(settings.tls_ca_file),
        headers=headers,
        timeout=settings.timeout_s,
    )
    return BatchSpanProcessor(
        exporter,
        max_queue_size=settings.spans_waiting_max,
        schedule_delay_millis=1_000,
        max_export_batch_size=min(512, settings.spans_waiting_max),
    )


class Tracing:
    """The spans of one service."""

    def __init__(self, settings: TracingSettings, *, node: str, version: str, clock: Clock, to: SpanProcessor) -> None:
        """Hand spans on `to` what sends them."""
        logger = logging.getLogger("opentelemetry")
        logger.handlers, logger.propagate = [_Quiet()], False
        self._clock = clock
        self._share = TraceIdRatioBased(settings.share)
        self._ids = _Ids()
        follows = settings.follow_channels
        self._provider = TracerProvider(
            sampler=_Sampler(
                self._ids,
                self._share,
                remote_parent_sampled=ALWAYS_ON if follows else self._share,
                remote_parent_not_sampled=ALWAYS_OFF if follows else self._share,
            ),
            resource=Resource({"service.name": "nightsafe", "service.instance.id": node, "service.version": version}),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        self._provider.add_span_processor(to)
        self._tracer = self._provider.get_tracer("nightsafe")
        #: Spans of requests by the number of the payment that waits since.
        self._requests: OrderedDict[int, SpanContext] = OrderedDict()

    async def close(self) -> None:
        """Send what is left, within a bound: a collector that hangs holds up no stop."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def flush() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=flush, name="last spans", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await done.wait()

    # A request of a channel

    def request(self, channel: str, operation: str, traceparent: str) -> Span:
        """A request came; in the trace that it names, else in a new one."""
        parent = _PROPAGATOR.extract({"traceparent": traceparent}, _NO_PARENT) if traceparent else _NO_PARENT
        return self._begin(operation, {"nightsafe.channel": channel}, parent, SpanKind.SERVER)

    def answered(self, span: Span, answer: Answer) -> None:
        """It was answered."""
        span.set_attribute("nightsafe.answer", answer.kind.name.lower())
        if answer.number:
            span.set_attribute("nightsafe.number", str(answer.number))
        span.end(self._now_ns())

    @contextlib.contextmanager
    def within(self, span: Span) -> Generator[None]:
        """What is begun meanwhile belongs to this span. An exception is nobody's here: its words may be personal."""
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            yield

    # On the disk

    async def recorded(self, draft: Draft, recording: Awaitable[R]) -> R:
        """An entry goes to disk."""
        request = trace.get_current_span()
        span = self._begin("record", {"nightsafe.state": draft.state.word}, None)
        try:
            found = await recording
        finally:
            span.end(self._now_ns())
        if isinstance(found, Inserted) and request.get_span_context().is_valid:
            request.add_link(self._waiting(found.entry).get_span_context())
            self._remember(found.entry.number, request.get_span_context())
        return found

    async def moved(self, moves: Sequence[Move], moving: Awaitable[list[bool]]) -> list[bool]:
        """Entries change on disk: while a channel waits a part of its request, else of each payment's own trace."""
        began_ns = self._now_ns()
        made = await moving
        inside = trace.get_current_span().get_span_context().is_valid
        for move, yes in list(zip(moves, made, strict=True))[:BATCH_SPANS_MAX]:
            if yes:
                self._moved(move, began_ns, None if inside else self._own(move.entry))
        return made

    def _moved(self, move: Move, began_ns: int, own: Context | None) -> None:
        after = move.after()
        attributes: dict[str, str | int] = {"nightsafe.state": after.state.word, "nightsafe.attempt": after.attempts}
        if move.reason:
            attributes["nightsafe.reason"] = move.reason
        name = "claim" if move.transition in (CLAIM, RESEND) else "record"
        self._begin(name, attributes, own, start_ns=began_ns).end(self._now_ns())
        if own is not None and after.state in FINAL:
            self._waited(after)

    def _waited(self, entry: Entry) -> None:
        """An entry's way from its acceptance to its end: the root of its own trace."""
        waiting = self._waiting(entry).get_span_context()
        request = self._requests.pop(entry.number, None)
        if not waiting.trace_flags.sampled:
            return
        self._ids.next = waiting.trace_id, waiting.span_id
        try:
            span = self._tracer.start_span(
                "wait",
                _NO_PARENT,
                attributes={
                    "nightsafe.route": entry.route,
                    "nightsafe.number": str(entry.number),
                    "nightsafe.state": entry.state.word,
                    "nightsafe.attempt": entry.attempts,
                },
                links=[] if request is None else [Link(request)],
                start_time=entry.accepted_at_us * 1_000,
            )
        finally:
            self._ids.next = None
        span.end(self._now_ns())

    # At a core

    def asked(self, what: str, entry: Entry | None, answer: Awaitable[T], /) -> Awaitable[T]:
        """See `Spans`."""
        return self._asked(what, entry, answer)

    async def _asked(self, what: str, entry: Entry | None, answer: Awaitable[T]) -> T:
        inside = trace.get_current_span().get_span_context().is_valid
        own = None if inside or entry is None else self._own(entry)
        attributes: dict[str, str | int] = {}
        if entry is not None:
            attributes = {
                "nightsafe.route": entry.route,
                "nightsafe.number": str(entry.number),
                "nightsafe.attempt": entry.attempts,
            }
        span = self._begin(what, attributes, own, SpanKind.CLIENT)
        came = carried.set(_traceparent(span.get_span_context()))
        said = "failed"
        try:
            outcome = await answer
            said = type(outcome).__name__.lower()
            if (cause := getattr(outcome, "cause", None)) is not None:
                span.set_attribute("nightsafe.cause", str(cause))
        except asyncio.CancelledError:
            said = "given up"
            raise
        finally:
            carried.reset(came)
            span.set_attribute("nightsafe.outcome", said)
            span.end(self._now_ns())
        return outcome

    # Where spans belong

    def _begin(
        self,
        name: str,
        attributes: Mapping[str, str | int],
        parent: Context | None,
        kind: SpanKind = SpanKind.INTERNAL,
        start_ns: int = 0,
    ) -> Span:
        """A span; without a parent it belongs to what is current."""
        return self._tracer.start_span(
            name,
            parent,
            kind,
            attributes=attributes,
            start_time=start_ns or self._now_ns(),
            record_exception=False,
            set_status_on_exception=False,
        )

    def _own(self, entry: Entry) -> Context:
        """An entry's own trace, below the time it waits."""
        return trace.set_span_in_context(self._waiting(entry), _NO_PARENT)

    def _waiting(self, entry: Entry) -> Span:
        """The time an entry waits, before its end is known: traced when its request was, else by the share."""
        found = sha256(b"nightsafe trace" + entry.id).digest()
        trace_id, span_id = int.from_bytes(found[:16], "big"), int.from_bytes(found[16:24], "big") or 1
        request = self._requests.get(entry.number)
        sampled = (
            self._share.should_sample(None, trace_id, "").decision is not Decision.DROP
            if request is None
            else request.trace_flags.sampled
        )
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        return NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags))

    def _remember(self, number: int, request: SpanContext) -> None:
        self._requests[number] = request
        if len(self._requests) > REMEMBERED_MAX:
            self._requests.popitem(last=False)

    def _now_ns(self) -> int:
        return self._clock.now_us() * 1_000


def _traceparent(span: SpanContext) -> Mapping[str, str]:
    """Source: W3C Trace Context, 3.2."""
    return {"traceparent": f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags.sampled):02x}"}
