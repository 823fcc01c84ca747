"""Somebody who reads the page: a browser's cookies and forms, without a browser."""

import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

from multidict import CIMultiDictProxy

from tests.integration.house import House

VOID: Final = {"meta", "link", "input", "br", "img", "use", "path", "rect", "polyline"}
"""Elements that have no end."""

FIELDS: Final = {"input", "select", "textarea"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str

    @property
    def csrf(self) -> str:
        """The secret its forms carry; empty where it has none."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.text)
        return found[1] if found else ""


@dataclass
class Reader:
    """One browser."""

    house: House
    cookies: dict[str, str] = field(default_factory=dict[str, str])
    #: What every request says besides.
    headers: dict[str, str] = field(default_factory=dict[str, str])
    csrf: str = ""

    async def ask(self, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> Answer:
        """Ask once, following nothing; cookies are kept as a browser does."""
        url = f"http://127.0.0.1:{self.house.service.admin_listener.port}{path}"
        sent = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            **self.headers,
            **headers,
        }
        async with self.house.client.request(method, url, data=form, headers=sent, allow_redirects=False) as answer:
            for name, cookie in answer.cookies.items():
                self.cookies[name] = cookie.value
            found = Answer(answer.status, answer.headers, await answer.text())
        self.csrf = found.csrf or self.csrf
        return found

    async def get(self, path: str) -> Answer:
        """Look at a page."""
        return await self.ask("GET", path)

    async def post(self, path: str, **form: str) -> Answer:
        """Send a form of the page that was looked at last."""
        return await self.ask("POST", path, {"csrf": self.csrf, "why": "a drill", **form})

    async def sign_in(self, token: str) -> Answer:
        """Sign in, and look at the first screen."""
        answer = await self.ask("POST", "/page/sign-in", {"token": token, "to": "/page/"})
        if answer.status == 303:
            await self.get("/page/")
        return answer


class Faults(HTMLParser):
    """Reads a page and gathers what is wrong with it."""

    def __init__(self, text: str) -> None:
        """Read it whole."""
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._open: list[str] = []
        self._ids = Counter[str]()
        self._refers: list[str] = []
        self._heads = 0
        self._fields: list[dict[str, str | None]] = []
        self._labelled: set[str] = set()
        self.feed(text)
        self.close()
        self._judge(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element."""
        told = dict(attrs)
        if len(told) < len(attrs):
            self.found.append(f"<{tag}> has an attribute twice")
        self.found += [f"<{tag}> runs or styles by {name}" for name in told if name.startswith("on") or name == "style"]
        if tag in {"script", "link"} and not (told.get("src") or told.get("href") or "").startswith("/page/static/"):
            self.found.append(f"<{tag}> is not served from here")
        if (told.get("href") or "").lower().startswith("javascript:"):
            self.found.append("a link that runs")
        if named := told.get("id"):
            self._ids[named] += 1
        for name in ("aria-labelledby", "aria-describedby", "for"):
            self._refers += (told.get(name) or "").split()
        self._heads += tag == "h1"
        if tag in FIELDS and told.get("type") != "hidden":
            is_labelled = "label" in self._open or told.get("aria-label")
            self._fields += [] if is_labelled else [told]
        if tag == "label" and told.get("for"):
            self._labelled.add(told["for"] or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        if tag in VOID:
            return
        if not self._open or self._open.pop() != tag:
            self.found.append(f"</{tag}> ends something else")

    def _judge(self, text: str) -> None:
        self.found += [f"<{tag}> does not end" for tag in self._open]
        self.found += [f"two have the id {name}" for name, count in self._ids.items() if count > 1]
        self.found += [f"nothing has the id {name}" for name in self._refers if name not in self._ids]
        self.found += [f"no label for {each}" for each in self._fields if each.get("id") not in self._labelled]
        if self._heads != 1:
            self.found.append(f"{self._heads} titles")
        if not re.match(r'<!doctype html>\n<html lang="(en|ru)">', text):
            self.found.append("no language")
        if "<style" in text or re.search(r"<script(?![^>]* src=)", text):
            self.found.append("something inline")
