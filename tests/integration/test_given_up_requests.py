"""A request to a core that was given up is taken back from the kernel, too."""

import asyncio
from typing import Final

from adapters.cores.http import HttpClient
from adapters.cores.settings import HttpSettings
from adapters.outcome import Unknown

WAIT_S: Final = 20.0


async def test_what_was_given_up_is_not_sent_on_when_the_network_is_back() -> None:
    """Else it arrives after the core was asked about it and had nothing, and is booked a second time.

    A reset at the peer shows it: a connection that ends so takes back what the peer has not got; one that ends with a
    mere end leaves it to the kernel, which sends for minutes.
    """
    ended = asyncio.get_running_loop().create_future()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
            ended.set_result("end")
        except ConnectionResetError:
            ended.set_result("reset")
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(HttpSettings(url=f"http://127.0.0.1:{port}"), {})
        outcome = await client.ask("POST", "/", 0.2, body=b"{}")
        async with asyncio.timeout(WAIT_S):
            assert await ended == "reset"
        await client.close()
    assert isinstance(outcome, Unknown)
