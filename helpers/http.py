"""One service behind one base URL: JSON in, JSON out, and typed errors.

    nemo = Service("NeMo", "http://nemo.test", setting="NEMO_URL")
    nemo.get("/v1/datasets", params={"page": 1})        # parsed JSON
    nemo.post("/v1/datasets", json={...})

Contract: every call ends, within `Timeouts`; calls that may be repeated are repeated (`retry`) on connection errors,
truncated replies, 429, 502, 503 and 504, all others fail at once; whatever goes wrong is one of `errors.ServiceError`.
A token goes to this base URL and nowhere else. This file knows no service of NeMo in particular.
"""

import json as json_module
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry as RetryAfter

from . import errors
from .retry import Retry, TookTooLong, within

TRANSIENT = {429, 502, 503, 504}


@dataclass(frozen=True)
class Timeouts:
    """Seconds for the connection, for the silence between two pieces of a reply, and for one whole try."""

    connect: float = 5.0
    read: float = 60.0
    total: float = 120.0


class Service:
    """A base URL that speaks JSON. `name` and `setting` (its line in config.py) appear in error messages."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        setting: str = "",
        token: str = "",
        unreachable: str = "",
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.name, self.url, self.setting = name, url.rstrip("/"), setting
        self.retry, self.timeouts = retry or Retry(), timeouts or Timeouts()
        self.unreachable = unreachable or (
            f"check {setting or 'the URL'} in config.py and that this machine reaches it; `make doctor` tries them all."
        )
        self._token = token
        self._session = requests.Session()
        self._session.auth = self._authorize  # set even without a token: it keeps ~/.netrc out

    def __repr__(self) -> str:
        return f"<{self.name} at {self.url}>"

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def get(self, path: str, *, params: dict | None = None) -> Any:
        """Parsed JSON of `path`."""
        return self._json("GET", path, params=params, repeatable=True)

    def post(
        self,
        path: str,
        *,
        json: Any = None,
        data: dict | None = None,
        headers: dict | None = None,
        repeatable: bool = False,
    ) -> Any:
        """Parsed JSON of a POST; `data` sends a form. `repeatable` says that sending it twice does no harm."""
        return self._json("POST", path, json=json, data=data, headers=headers, repeatable=repeatable)

    def patch(self, path: str, *, json: dict) -> Any:
        """Parsed JSON of a PATCH. All of the tutorial's patches set absolute values, so they may be repeated."""
        return self._json("PATCH", path, json=json, repeatable=True)

    def delete(self, path: str) -> Any:
        """Parsed JSON of a DELETE, None for an empty answer."""
        return self._json("DELETE", path, repeatable=True)

    def pages(self, path: str, *, params: dict | None = None, page_size: int = 100) -> Iterator[dict]:
        """Every object of a list, page after page. A reply without `pagination` is taken as the only page."""
        page = 1
        while True:
            body = self.get(path, params={**(params or {}), "page": page, "page_size": page_size})
            if not isinstance(body, dict) or not isinstance(body.get("data"), list):
                raise self._unexpected(f"GET {self.url}{path}", "the reply is no list page (no `data`)", str(body))
            yield from body["data"]
            if not body["data"] or page >= (body.get("pagination") or {}).get("total_pages", 1):
                return
            page += 1

    def content(self, path: str, *, accept: str = "*/*") -> bytes:
        """The body of a GET as it is."""
        return self._repeat(lambda: self._once("GET", path, headers={"Accept": accept}), True).content

    def download(self, path: str, to: Path, *, accept: str = "*/*") -> Path:
        """The body of a GET as file `to`: complete, or not there at all."""
        content = self.content(path, accept=accept)
        to.parent.mkdir(parents=True, exist_ok=True)
        draft = to.with_name(to.name + ".part")
        draft.write_bytes(content)
        return draft.replace(to)

    def answers(self, path: str) -> bool:
        """Whether one quick GET of `path` is answered with 2xx; never raises a ServiceError."""
        try:
            return within(self.timeouts.connect, lambda: self._send("GET", path)).ok
        except (errors.ServiceError, TookTooLong):
            return False

    def _json(self, method: str, path: str, *, repeatable: bool, **kwargs: Any) -> Any:
        def attempt() -> Any:
            reply = self._once(method, path, **kwargs)
            if not reply.content:
                return None
            try:
                return reply.json()
            except ValueError:
                raise self._unexpected(f"{method} {reply.url}", _kind(reply), reply.text) from None

        return self._repeat(attempt, repeatable)

    def _repeat(self, attempt: Any, repeatable: bool) -> Any:
        return self.retry.run(attempt, _worth_another_try) if repeatable else attempt()

    def _once(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """One try, bounded in time; the reply if it is 2xx, else the error for its status."""
        call = f"{method} {self.url}{path}"
        try:
            reply = within(self.timeouts.total, lambda: self._send(method, path, **kwargs))
        except TookTooLong as error:
            raise self._silent(call, str(error)) from None
        if 300 <= reply.status_code < 400 or (400 <= reply.status_code < 500 and _is_page(reply)):
            raise self._unexpected(call, f"status {reply.status_code} with {_kind(reply)}", reply.text)
        if not reply.ok:
            raise self._refused(call, reply)
        return reply

    def _send(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("headers", None)
        call = f"{method} {self.url}{path}"
        try:
            reply = self._session.request(
                method,
                self.url + path,
                timeout=(self.timeouts.connect, self.timeouts.read),
                allow_redirects=method == "GET",
                **kwargs,
            )
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise self._silent(call, "the reply broke off") from error
        except requests.exceptions.ConnectTimeout as error:
            raise self._silent(call, f"no connection within {self.timeouts.connect:g} s") from error
        except requests.exceptions.Timeout as error:
            raise self._silent(call, f"silent for {self.timeouts.read:g} s") from error
        except requests.exceptions.ConnectionError as error:
            raise self._silent(call, _why(error)) from error
        except requests.exceptions.RequestException as error:
            raise errors.SettingError(
                f"{self.name} cannot be called: {call} ({error}).",
                next_step=f"Write {self.setting or 'the URL'} in config.py like http://host:port.",
            ) from error
        if _broke_off(reply):
            raise self._silent(call, "the reply broke off within its headers")
        return reply

    def _silent(self, call: str, reason: str) -> errors.ServiceUnreachable:
        return errors.ServiceUnreachable(
            f"{self.name} did not answer {call}: {reason}.",
            now="nothing is known about whether the call was carried out." if not call.startswith("GET") else "",
            next_step=self.unreachable,
            call=call,
        )

    def _unexpected(self, call: str, reason: str, text: str) -> errors.UnexpectedReply:
        return errors.UnexpectedReply(
            f"{self.name} answered {call} with something that is not its API: {reason}.",
            now=f"the answer starts {text.strip()[:120]!r}." if text.strip() else "the answer is empty.",
            next_step=f"check that {self.setting or 'the URL'} ({self.url}) is the service, no proxy or login page.",
            call=call,
            detail=text[:500],
        )

    def _refused(self, call: str, reply: requests.Response) -> errors.ServiceError:
        status, detail = reply.status_code, _detail(reply)
        kind = errors.BY_STATUS.get(status, errors.Refused if status < 500 else errors.ServiceFailed)
        next_steps = {
            errors.NotAuthorized: "check the token of this service in config.py.",
            errors.NotFound: "check the name; `make doctor` shows what exists.",
            errors.Conflict: "use the existing object, or choose another name.",
            errors.Invalid: "correct the field that is named; the service changed nothing.",
            errors.Busy: "wait a moment and run the cell again.",
            errors.ServiceFailed: "read the log of the service, then run the cell again.",
        }
        return kind(
            f"{self.name} answered {call} with {status}: {detail}",
            next_step=next_steps.get(kind, "see the text of the service above."),
            call=call,
            status=status,
            detail=detail,
            retry_after=retry_after_seconds(reply.headers.get("Retry-After")),
        )


def _worth_another_try(error: errors.ServiceError) -> bool:
    return isinstance(error, errors.ServiceUnreachable) or error.status in TRANSIENT


def retry_after_seconds(header: str | None) -> float | None:
    """Seconds that `Retry-After` asks for (a number or a date), None without a readable one."""
    try:
        return RetryAfter().parse_retry_after(header) if header else None
    except InvalidHeader:
        return None


def _broke_off(reply: requests.Response) -> bool:
    """Whether the headers ended early: what is left of them then says nothing of a body, and it seems to be empty."""
    said = {"Content-Length", "Transfer-Encoding"} & reply.headers.keys()
    unsaid = (
        reply.raw.version == 10 or reply.headers.get("Connection", "").lower() == "close" or reply.status_code == 204
    )
    return not said and not unsaid


def _is_page(reply: requests.Response) -> bool:
    return "html" in reply.headers.get("Content-Type", "") or reply.text.lstrip()[:1] == "<"


def _kind(reply: requests.Response) -> str:
    return "a web page (HTML)" if _is_page(reply) else f"{reply.headers.get('Content-Type', 'text')}, not readable JSON"


def _why(error: requests.exceptions.ConnectionError) -> str:
    """The innermost reason of a connection error in words."""
    text = str(error)
    for sign, words in (
        ("NameResolutionError", "the host name is unknown"),
        ("Connection refused", "connection refused, nothing listens there"),
        ("ConnectionResetError", "the connection was reset"),
        ("RemoteDisconnected", "the connection was closed without an answer"),
        ("IncompleteRead", "the reply broke off"),
        ("Read timed out", "it fell silent"),
    ):
        if sign in text:
            return words
    return text[:200]


def _detail(reply: requests.Response) -> str:
    """What the service said, whichever of the known shapes it used: detail (text or list), error, message."""
    try:
        body = reply.json()
    except ValueError:
        return reply.text.strip()[:300] or reply.reason
    detail = body
    if isinstance(body, dict):
        detail = body.get("detail") or body.get("error") or body.get("message") or body
    if isinstance(detail, dict) and isinstance(detail.get("message"), str):
        detail = detail["message"]
    if isinstance(detail, list) and all(isinstance(item, dict) and "msg" in item for item in detail):
        return "; ".join(f"{'.'.join(map(str, item.get('loc', [])))}: {item['msg']}" for item in detail)
    return detail if isinstance(detail, str) else json_module.dumps(detail, ensure_ascii=False)[:500]
