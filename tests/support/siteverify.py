"""A provider in the form of Cloudflare Turnstile: its script, its widget in a frame of another origin, and siteverify.

Its rules are those of Turnstile's documentation: a token names host and action, lives 300 seconds and is
verified once, again only under the idempotency key of the first time.
"""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Self

from aiohttp import web

from commonroom.config.settings import ChallengeSettings

__all__ = ["SECRET", "SITE_KEY", "SiteverifyServer"]

SITE_KEY = "0x4AAAAAAA-site-key"
SECRET = "0x4AAAAAAA-secret-hunter2"
LIFE_S = 300.0

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]

SCRIPT = """
window.turnstile = (() => {
  const origin = new URL(document.currentScript.src).origin;
  const widgets = new Map();
  const load = (widget) => {
    const {sitekey, action} = widget.options;
    widget.frame.src = `${origin}/widget?${new URLSearchParams({sitekey, action})}`;
  };
  addEventListener("message", (event) => {
    const widget = [...widgets.values()].find(({frame}) => frame.contentWindow === event.source);
    if (event.origin === origin && widget) widget.options[event.data.call](event.data.value);
  });
  return {
    render(container, options) {
      const frame = document.createElement("iframe");
      frame.title = "Widget containing a security challenge";
      frame.addEventListener("load", () => frame.contentWindow.postMessage("hello", origin));
      const id = `widget-${widgets.size}`, widget = {frame, options};
      widgets.set(id, widget);
      load(widget);
      container.append(frame);
      return id;
    },
    reset: (id) => load(widgets.get(id)),
    remove(id) {
      widgets.get(id).frame.remove();
      widgets.delete(id);
    },
  };
})();
"""

WIDGET = """<!doctype html><html lang="en"><title>Challenge</title>
<button value="callback">I am a person</button><button value="error-callback">Fail</button>
<button value="expired-callback">Expire</button><button value="timeout-callback">Time out</button>
<script>
let page = "";
addEventListener("message", (event) => (page = event.origin));
const token = async () => (await fetch("/token" + location.search, {method: "POST", body: new URL(page).hostname})).text();
for (const button of document.querySelectorAll("button"))
  button.onclick = async () => {
    const value = button.value === "callback" ? await token() : "300030";
    parent.postMessage({call: button.value, value}, page);
  };
</script>
"""


class _Token(NamedTuple):
    hostname: str
    action: str
    until_s: float
    spent_under: str | None = None


class SiteverifyServer:
    """`async with SiteverifyServer() as provider`: a free port of loopback, one widget.

    `asked` are the forms that came to siteverify; `page` answers there instead, if it is set; `now_s` is the time.
    """

    def __init__(self) -> None:
        self.url = ""
        self.now_s = 0.0
        self.asked: list[dict[str, str]] = []
        self.scripts = 0
        self.page: Page | None = None
        self._tokens: dict[str, _Token] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes(
            [
                web.get("/turnstile/v0/api.js", self._script),
                web.get("/widget", self._widget),
                web.post("/token", self._solved),
                web.post("/turnstile/v0/siteverify", self._siteverify),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_exception: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def settings(self) -> ChallengeSettings:
        """How Commonroom is told of it."""
        base = f"{self.url}/turnstile/v0"
        return ChallengeSettings(SITE_KEY, SECRET, f"{base}/siteverify", f"{base}/api.js?render=explicit")

    def token(self, hostname: str = "127.0.0.1", action: str = "room-create") -> str:
        """What the widget gives on a page of that host."""
        token = f"1.{secrets.token_urlsafe(300)}"
        self._tokens[token] = _Token(hostname, action, self.now_s + LIFE_S)
        return token

    async def _script(self, _request: web.Request) -> web.Response:
        self.scripts += 1
        return web.Response(text=SCRIPT, content_type="text/javascript")

    async def _widget(self, request: web.Request) -> web.Response:
        assert request.query["sitekey"] == SITE_KEY
        return web.Response(text=WIDGET, content_type="text/html")

    async def _solved(self, request: web.Request) -> web.Response:
        return web.Response(text=self.token(await request.text(), request.query["action"]))

    async def _siteverify(self, request: web.Request) -> web.StreamResponse:
        is_json = request.content_type == "application/json"
        form = {name: str(value) for name, value in (await request.json() if is_json else await request.post()).items()}
        self.asked.append(form)
        if self.page is not None:
            return await self.page(request)
        return web.Response(text=json.dumps(self._verdict(form)), content_type="application/json")

    def _verdict(self, form: dict[str, str]) -> dict[str, Any]:
        if form.get("secret") != SECRET:
            return _no("invalid-input-secret" if form.get("secret") else "missing-input-secret")
        if not form.get("response"):
            return _no("missing-input-response")
        token = self._tokens.get(form["response"])
        if token is None:
            return _no("invalid-input-response")
        under = form.get("idempotency_key", "")
        if token.until_s <= self.now_s or token.spent_under not in {None, under or secrets.token_hex()}:
            return _no("timeout-or-duplicate")
        self._tokens[form["response"]] = token._replace(spent_under=under)
        stamp = "2026-11-21T20:00:00.000Z"
        return {
            "success": True, "error-codes": [], "challenge_ts": stamp, "hostname": token.hostname, "action": token.action, "cdata": "",
            "metadata": {"interactive": False},
        }  # fmt: skip


def _no(code: str) -> dict[str, Any]:
    return {"success": False, "error-codes": [code], "messages": []}
