"""A bank at a house's doors: what it asks by the JSON API, with the token that init made for it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.house import House, Told


@dataclass
class Bank:
    """A bank, and the folder in which the house was opened."""

    house: House
    folder: Path

    async def ask(self, method: str, path: str, key: str = "", **body: Any) -> Told:
        """Ask by the API; the status, and the body."""
        token = (self.folder / "var/secrets/bank.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", **({"Idempotency-Key": key} if key else {})}
        url = f"http://127.0.0.1:{self.house.service.channel_listener.port}/v1{path}"
        async with self.house.client.request(method, url, headers=headers, json=body or None) as answer:
            return answer.status, await answer.json(content_type=None)

    async def pay(self, key: str, account: str = "200", amount: str = "20.00", **more: Any) -> Told:
        """A payment."""
        return await self.ask(
            "POST", "/payments", key, **{"account": account, "amount": amount, "currency": "RUB", **more}
        )

    async def undo(self, number: str, key: str) -> Told:
        """A reversal of a payment, whole."""
        return await self.ask("POST", f"/payments/{number}/reversal", key, reason="paid twice")

    async def check(self, account: str) -> Told:
        """May this account be paid?"""
        return await self.ask("POST", "/checks", account=account, currency="RUB")

    async def stands(self, number: str) -> str:
        """What became of a payment, or of a reversal."""
        _, told = await self.ask("GET", f"/payments/{number}")
        state: str = told["state"]
        return state
