"""A small Vault: the part of its HTTP API that transit needs, written from its documentation, as no registry has Vault.

https://developer.hashicorp.com/vault/api-docs/secret/transit and /vault/api-docs (headers, status codes). Keys are of
type aes256-gcm96: ciphertexts are `vault:vN:` and base64 of a nonce and what AES-GCM made of it.
"""

import base64
import os
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "hvs.example"


class VaultServer:
    """Answers at a port of its own while `running`."""

    def __init__(self) -> None:
        #: Versions of each key, the first at 0.
        self.keys: dict[str, list[AESGCM]] = {}
        #: 503, as a Vault that nobody unsealed.
        self.sealed = False
        #: Answered instead, where it is set: status and body.
        self.instead: tuple[int, bytes] | None = None
        #: May the token read the key's versions?
        self.may_read = True
        self.namespaces = list[str]()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> "VaultServer":
        """Listen on a free port."""
        app = web.Application()
        app.router.add_post("/v1/{mount}/encrypt/{name}", self._encrypt)
        app.router.add_post("/v1/{mount}/decrypt/{name}", self._decrypt)
        app.router.add_get("/v1/{mount}/keys/{name}", self._read)
        app.router.add_post("/v1/{mount}/keys/{name}/rotate", self._rotate)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def stop(self) -> None:
        """Listen no more."""
        assert self._runner is not None
        await self._runner.cleanup()

    def make(self, name: str) -> None:
        """`vault write -f transit/keys/NAME`, or its rotation."""
        self.keys.setdefault(name, []).append(AESGCM(os.urandom(32)))

    def _refusal(self, request: web.Request) -> web.Response | None:
        self.namespaces.append(request.headers.get("X-Vault-Namespace", ""))
        if self.instead is not None:
            return web.Response(status=self.instead[0], body=self.instead[1])
        if self.sealed:
            return web.json_response({"errors": ["Vault is sealed"]}, status=503)
        if request.headers.get("X-Vault-Token") != TOKEN:
            return web.json_response({"errors": ["permission denied"]}, status=403)
        if request.match_info["mount"] != "transit" or request.match_info["name"] not in self.keys:
            return web.json_response({"errors": ["encryption key not found"]}, status=400)
        return None

    async def _encrypt(self, request: web.Request) -> web.Response:
        if (no := self._refusal(request)) is not None:
            return no
        body, versions = await request.json(), self.keys[request.match_info["name"]]
        nonce = os.urandom(12)
        sealed = versions[-1].encrypt(nonce, *_read_body(body, "plaintext"))
        text = f"vault:v{len(versions)}:{base64.b64encode(nonce + sealed).decode()}"
        return web.json_response({"data": {"ciphertext": text, "key_version": len(versions)}})

    async def _decrypt(self, request: web.Request) -> web.Response:
        if (no := self._refusal(request)) is not None:
            return no
        body, versions = await request.json(), self.keys[request.match_info["name"]]
        _, version, text = body["ciphertext"].split(":")
        try:
            sealed = base64.b64decode(text, validate=True)
            _, context = _read_body({**body, "plaintext": ""}, "plaintext")
            plain = versions[int(version[1:]) - 1].decrypt(sealed[:12], sealed[12:], context)
        except (InvalidTag, ValueError, IndexError):
            return web.json_response({"errors": ["cipher: message authentication failed"]}, status=400)
        return web.json_response({"data": {"plaintext": base64.b64encode(plain).decode()}})

    async def _read(self, request: web.Request) -> web.Response:
        if (no := self._refusal(request)) is not None:
            return no
        if not self.may_read:
            return web.json_response({"errors": ["1 error occurred: permission denied"]}, status=403)
        versions = self.keys[request.match_info["name"]]
        return web.json_response({"data": {"latest_version": len(versions), "type": "aes256-gcm96"}})

    async def _rotate(self, request: web.Request) -> web.Response:
        if (no := self._refusal(request)) is not None:
            return no
        self.make(request.match_info["name"])
        return web.Response(status=204)


def _read_body(body: dict[str, Any], name: str) -> tuple[bytes, bytes]:
    return base64.b64decode(body[name]), base64.b64decode(body.get("associated_data", ""))
