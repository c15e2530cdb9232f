"""A request's body: bytes within a limit, strict JSON, and the pairs in it."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from judge import strict_json as onekey
from judge.errors import RowError
from judge.formats import fields as read
from judge.formats.fields import kind, shown
from judge.formats.pairs import read_row
from judge.formats.records import Record
from judge.idset import IdSet
from judge.judgment import Failure
from judge.pair import Message, Pair
from judge.serve.refusal import Refusal, unread
from judge.serve.schema import PairRequest, PairsRequest, RewardsRequest, Shape

Asked = TypeVar("Asked", bound=Shape)


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body of ``request``, of which no more than ``limit`` bytes are ever held.

    Raises:
        Refusal: 413 for a longer one, however it is sent; 415 when it is not plain JSON.
        starlette.requests.ClientDisconnect: when the client went away.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json" or "content-encoding" in request.headers:
        raise Refusal(415, "unsupported", "expected Content-Type application/json, not compressed")
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and (len(length) > 18 or int(length) > limit):
        raise _too_long(limit)
    body = bytearray()
    async for part in request.stream():
        if len(body) + len(part) > limit:
            raise _too_long(limit)
        body += part
    return bytes(body)


def parse_request(body: bytes, max_pairs: int) -> PairRequest | PairsRequest:
    """Return what a body asks for; its pairs are not looked at.

    Raises:
        Refusal: 422 naming the field, 413 for more than ``max_pairs`` pairs.
    """
    fields = _parse_object(body, "prompt, response_1 and response_2, or with pairs")
    if "pairs" not in fields:
        return _validated(PairRequest, fields)
    asked = _validated(PairsRequest, fields)
    if len(asked.pairs) > max_pairs:
        raise Refusal(413, "too_large", f"{len(asked.pairs)} pairs; the limit is {max_pairs}")
    return asked


def parse_rewards(body: bytes, max_responses: int) -> RewardsRequest:
    """As :func:`parse_request`, of a request for rewards."""
    asked = _validated(RewardsRequest, _parse_object(body, "responses"))
    if (count := len(asked.responses)) > max_responses:
        raise Refusal(413, "too_large", f"{count} responses; the limit is {max_responses}")
    return asked


def _parse_object(body: bytes, expected: str) -> dict[str, Any]:
    fields = _parse_json(body)
    if not isinstance(fields, dict):
        raise _malformed(f"the body is {kind(fields)}; expected an object with {expected}")
    return fields


def _validated(shape: type[Asked], fields: dict[str, Any]) -> Asked:
    expected = f"expected {', '.join(shape.model_fields)}"
    if unknown := fields.keys() - shape.model_fields.keys():
        raise _malformed(f"unknown field {shown(min(unknown))}; {expected}")
    try:
        return shape.model_validate(fields)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        name = str(problem["loc"][0])
        if problem["type"] == "missing":
            raise _malformed(f"field {name} is missing; {expected}") from None
        raise _malformed(f"field {name} is {shown(fields[name])}: {problem['msg']}") from None


def read_pairs(
    rows: list[Any],
    max_characters: int,
    strip_thinking: bool = False,
    empty_responses: bool = False,
) -> list[Pair | Failure]:
    """Return the pair of each row or what is wrong with it, by the rules of ``judge batch``."""
    seen, as_asked = IdSet(), (strip_thinking, empty_responses)
    return [
        _read_pair(Record(place, _object(row)), seen, max_characters, *as_asked)
        for place, row in enumerate(rows, start=1)
    ]


def read_response(row: Any, max_characters: int) -> tuple[Message, ...]:
    """Return the conversation of a prompt and a response to it; one without a word is a response.

    Raises:
        RowError: when it is none, by the rules of pairs.
    """
    if not isinstance(row, dict):
        raise RowError("wrong_type", f"the response is {kind(row)}, expected an object")
    for name in ("prompt", "response"):
        if row.get(name) is None:
            raise RowError("missing_field", f"field {name} is missing; expected a text")
    prompt = read.prompt("prompt", row["prompt"])
    said = read.response("response", row["response"], empty=True)
    length = sum(len(message.content) for message in prompt) + len(said)
    if length > max_characters:
        found = f"{length:,} characters"
        raise RowError("line_too_long", f"{found}; the limit is {max_characters:,}")
    return (*prompt, Message(role="assistant", content=said))


def _object(row: Any) -> dict[str, Any] | RowError:
    if isinstance(row, dict):
        return row
    return RowError("wrong_type", f"the pair is {kind(row)}, expected an object")


def _read_pair(
    record: Record, seen: IdSet, limit: int, strip_thinking: bool, empty_responses: bool
) -> Pair | Failure:
    pair = read_row(record, seen, strip_thinking, empty_responses)
    if isinstance(pair, Failure):
        return pair
    texts = [*(message.content for message in pair.prompt), pair.response_1, pair.response_2]
    length = sum(map(len, texts))
    if length <= limit:
        return pair
    detail = f"{length:,} characters; the limit is {limit:,}"
    return Failure(line=record.line, pair_id=pair.pair_id, reason="line_too_long", detail=detail)


def _parse_json(body: bytes) -> Any:
    try:
        return onekey.loads(body.decode())
    except UnicodeDecodeError as error:
        found = f"byte 0x{body[error.start]:02x} at {error.start + 1}"
        raise _malformed(f"the body is not valid UTF-8: {found}") from None
    except json.JSONDecodeError as error:
        where = f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
        raise _malformed(f"the body is not valid JSON: {where}") from None
    except onekey.Ambiguous as error:
        raise _malformed(str(error)) from None
    except RecursionError:
        raise _malformed("the body is not valid JSON that can be read: nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits, or none
        raise _malformed(
            f"the body is not valid JSON: {' '.join(str(error).split())[:200]}"
        ) from None


def _malformed(message: str) -> Refusal:
    return Refusal(422, "malformed", message)


def _too_long(limit: int) -> Refusal:
    return unread(Refusal(413, "too_large", f"the body is over {limit:,} bytes"))
