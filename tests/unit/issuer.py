"""An issuer of signed tokens of our own: it publishes keys on this machine, signs anything, and may be away or strange."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from gateway.admin.access.settings import IssuerSettings

Key = RSAKey | ECKey | OKPKey

NOW_S: Final = 1_800_000_000

ROLES: Final = {"shift": "operator", "leads": "approver"}

RSA: Final = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC: Final = ECKey.generate_key("P-256", {"kid": "ec"})
ED: Final = OKPKey.generate_key("Ed25519", {"kid": "ed", "alg": "Ed25519"})


class OwnIssuer:
    """What it publishes, and how often it was asked."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.keys: list[Any] = [key.as_dict(private=False) for key in (RSA, EC, ED)]
        #: Times its keys were asked for.
        self.asked = 0
        #: Its answer in the place of its keys.
        self.strange: web.Response | None = None
        self.described: dict[str, Any] = {}
        #: The keys at another address of its own, that it only leads to by a redirect.
        self.moved: list[Any] = []
        #: What it gives for a code, and with what it was asked for it.
        self.id_token = ""
        self.redeems = 200
        self.redeemed: list[dict[str, str]] = []

    @property
    def address(self) -> str:
        """Its own."""
        return f"http://127.0.0.1:{self.port}/staff"

    def settings(self, **more: Any) -> IssuerSettings:
        """How the configuration names it."""
        return IssuerSettings.model_validate(
            {"issuer": self.address, "audience": "nightsafe", "roles": ROLES, "keys_refresh_min_s": 60.0, **more}
        )

    def claims(self, **more: Any) -> dict[str, Any]:
        """What a good token says; None takes a claim away."""
        plain = {
            "iss": self.address,
            "aud": "nightsafe",
            "sub": "amina",
            "groups": ["staff", "shift"],
            "iat": NOW_S - 60,
            "exp": NOW_S + 600,
        }
        return {name: value for name, value in {**plain, **more}.items() if value is not None}

    def token(self, key: Key = EC, algorithm: str = "ES256", header: dict[str, Any] | None = None, **more: Any) -> str:
        """A token, signed."""
        head = {"alg": algorithm, "kid": key.kid, **(header or {})}
        registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        return jwt.encode(
            {name: said for name, said in head.items() if said}, self.claims(**more), key, registry=registry
        )

    def doors(self) -> dict[str, Any]:
        """Where people sign in, as its description tells it."""
        return {"authorization_endpoint": f"{self.address}/ask?p=staff", "token_endpoint": f"{self.address}/token"}

    async def _redeem(self, request: web.BaseRequest) -> web.Response:
        self.redeemed.append(
            {"authorization": request.headers.get("Authorization", ""), **parse_form(await request.text())}
        )
        return self.strange or web.json_response({"id_token": self.id_token}, status=self.redeems)

    async def describe(self, request: web.BaseRequest) -> web.Response:
        """Its description, its keys, and what a code is good for."""
        if request.path.endswith("/token"):
            return await self._redeem(request)
        if request.path.endswith("/moved"):
            return web.Response(text=json.dumps({"keys": self.moved}))
        if request.path.endswith("/keys"):
            self.asked += 1
            return self.strange or web.Response(text=json.dumps({"keys": self.keys}))
        return web.json_response({"issuer": self.address, "jwks_uri": f"{self.address}/keys", **self.described})


def parse_form(text: str) -> dict[str, str]:
    """A form's fields."""
    return dict(parse_qsl(text))


@contextlib.asynccontextmanager
async def own_issuer() -> AsyncIterator[OwnIssuer]:
    """One on a free port."""
    made = OwnIssuer()
    runner = web.ServerRunner(web.Server(made.describe))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()
