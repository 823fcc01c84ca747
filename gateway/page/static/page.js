// Keeps the first screen fresh, and says so when it is not. Without this file every page works; it only stands still.
"use strict";

// What is under way is asked for again until it is over; focus stays, as nothing in it takes any.
(() => {
  const again = () => {
    const part = document.querySelector("[data-again]");
    if (!part || !part.dataset.again) return;
    setTimeout(async () => {
      const answer = await fetch(location.href).catch(() => null);
      if (!answer) return again();
      if (!answer.ok || answer.redirected) return location.reload();
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-again]");
      if (!fresh) return;
      if (!fresh.dataset.again) return location.reload();
      part.replaceWith(fresh);
      again();
    }, Number(part.dataset.again));
  };
  again();
})();

(() => {
  const STALE_MS = 12000;
  const PARTS = ["clock", "verdict", "figures", "routes", "foot"];

  const live = document.querySelector("[data-live]");
  if (!live) return;
  const stale = document.querySelector(".stale");
  const button = live.querySelector("button");
  const clock = document.getElementById("part-clock");
  let source = null;
  let timer = 0;

  const show = (fresh) => live.classList.toggle("fresh", fresh);

  const warn = (words) => {
    show(false);
    stale.textContent = `${words} ${clock.textContent.trim()}`;
    stale.hidden = false;
  };

  const heard = () => {
    show(true);
    stale.hidden = true;
    clearTimeout(timer);
    timer = setTimeout(() => warn(live.dataset.stale), STALE_MS);
  };

  const replace = (name, html) => {
    const part = document.getElementById(`part-${name}`);
    const held = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    // Made by our own server out of escaped text, as the page itself is.
    part.innerHTML = html;
    if (held) part.querySelector(`a[href="${CSS.escape(held)}"]`)?.focus();
    if (name === "verdict") {
      const mood = part.querySelector("h1").textContent;
      document.title = document.title.replace(/^.*( · )/, () => `${mood} · `);
    }
  };

  const stop = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
    show(false);
  };

  const start = () => {
    source = new EventSource(live.dataset.live);
    timer = setTimeout(() => warn(live.dataset.stale), STALE_MS);
    for (const name of PARTS) {
      source.addEventListener(name, (event) => {
        heard();
        replace(name, event.data);
      });
    }
    source.addEventListener("beat", heard);
    source.addEventListener("over", () => {
      stop();
      warn(live.dataset.over);
    });
  };

  button.hidden = false;
  button.addEventListener("click", () => {
    if (source) {
      stop();
      button.textContent = button.dataset.goOn;
    } else {
      start();
      button.textContent = button.dataset.pause;
    }
  });
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => event.persisted && start());
  start();
})();
