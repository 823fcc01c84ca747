"""A collector of traces: takes OpenTelemetry's protocol over HTTP, and keeps the spans as they came."""

import contextlib
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Sent:
    """A span as it was sent."""

    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]
    #: Traces it is linked to.
    links: list[str]
    began_ns: int
    ended_ns: int


@dataclass
class Collector:
    """What came."""

    port: int = 0
    spans: list[Sent] = field(default_factory=list)
    authorization: set[str] = field(default_factory=set)
    resource: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/v1/traces"

    async def take(self, request: web.BaseRequest) -> web.Response:
        """An export."""
        assert (request.method, request.path) == ("POST", "/v1/traces")
        self.authorization.add(request.headers.get("Authorization", ""))
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        told: Any = ExportTraceServiceRequest.FromString(body)
        for resource in told.resource_spans:
            self.resource = _plain(resource.resource.attributes)
            self.spans += [_sent(span) for scope in resource.scope_spans for span in scope.spans]
        return web.Response(body=b"", content_type="application/x-protobuf")


def _sent(span: Any) -> Sent:
    return Sent(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes=_plain(span.attributes),
        links=[link.trace_id.hex() for link in span.links],
        began_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
    )


def _plain(attributes: Any) -> dict[str, str]:
    return {each.key: each.value.string_value or str(each.value.int_value) for each in attributes}


@contextlib.asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """One on a free port."""
    made = Collector()
    runner = web.ServerRunner(web.Server(made.take))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()
