"""From a run's configuration to an engine for the server that it names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judge.errors import UsageError, first_line
from judge.infer.engines.asking import chat_of, checked, sampling_of
from judge.infer.engines.protocol import Engine
from judge.models import BUNDLED, served_answer, served_judge
from judge.models.base import BASES
from judge.models.layers import layers_of
from judge.plaintext import PlainText
from judge.prompt import Template

if TYPE_CHECKING:
    from judge.config import JudgeConfig
    from judge.infer.engines.server.http_client import Client

_PLAIN = ("PreTrainedTokenizerFast", "TokenizersBackend")


def load_server_engine(
    config: JudgeConfig, template: Template, note: Callable[[str], None]
) -> Engine:
    """Return an engine that speaks to the server of ``config`` in the best way it understands.

    Token ids where its tokenizer is known and it takes them, else chat messages.

    Args:
        note: told which way it is, and when the server keeps a run waiting.

    Raises:
        UsageError: for a server that cannot be reached, lacks the model or has another tokenizer.
    """
    from judge.infer.engines.server.chat import ChatEngine
    from judge.infer.engines.server.features import (
        chat_features,
        chat_fields,
        dialect_of,
        find_model,
    )
    from judge.infer.engines.server.fields import tell
    from judge.infer.engines.server.http_client import Client, Patience

    answer = checked(served_answer((config.tokenizer, config.model)), config)
    patience = Patience(config.concurrency, config.timeout, config.patience)
    client = Client(config.url or "", patience, note)
    listed = client.run(find_model, client, config.model)
    if listed.problem is not None:
        note(f"{listed.problem}; requests are sent to it anyway")
    tokenizer = _tokenizer(config, listed.card, listed.base)
    if tokenizer is not None:
        trained = served_judge((config.tokenizer, config.model))
        chat = chat_of(config, tokenizer, trained, note)
        how = {"answer": answer, "chat": chat}
        engine = _by_token_ids(config, client, tokenizer, listed.card, template, how)
        if engine is not None:
            note(f"{client.url} takes token ids")
            return engine
        if config.tokenizer is not None:
            raise UsageError(
                f"{f'{listed.problem}; ' if listed.problem else ''}{client.url} does not take token"
                " ids and tell their probabilities; leave --tokenizer out to use chat messages"
            )
    if answer == "label":
        raise UsageError(
            f"model {config.model} answers with a label, which is read by token ids;"
            " --tokenizer names its tokenizer"
        )
    fields = chat_fields(config.max_new_tokens, config.temperature, config.chat_template_kwargs)
    dialect = dialect_of(listed.card)
    features, fit = client.run(chat_features, client, config.model, fields, listed.problem, dialect)
    tell(client, fit, fields)
    why = (
        "it does not take token ids"
        if tokenizer
        else "no tokenizer was found, --tokenizer names one"
    )
    constraint = features.describe()["constraint"]
    obeys = f"a {constraint}" if constraint else "no regex"
    note(
        f"{client.url} is asked through chat messages ({why}) and obeys {obeys}: verdicts without"
        " probabilities"
    )
    return ChatEngine(
        client,
        features,
        {"model": config.model},
        template,
        sampling_of(config),
        fits={config.temperature: fit},
        model=config.model,
        options=config.chat_template_kwargs,
    )


def _by_token_ids(
    config: JudgeConfig,
    client: Client,
    tokenizer: Any,
    card: Mapping[str, Any],
    template: Template,
    how: Mapping[str, Any],
) -> Engine | None:
    """Return an engine that sends token ids, or None where the server cannot do with them.

    Args:
        how: what the model answers, and how its chat template is used.
    """
    from judge.infer.engines.llamacpp import client as llamacpp
    from judge.infer.engines.llamacpp.engine import LlamaCppEngine, banned_of
    from judge.infer.engines.server.engine import ServerEngine
    from judge.infer.engines.server.features import dialect_of, probe_text, token_features

    plain = PlainText(tokenizer)
    ids = plain.with_one_bos(plain.encode([probe_text()])[0])
    text = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    probe = (client, config.model, ids, text)
    kind: Callable[..., Engine] = ServerEngine
    context = card.get("max_model_len")
    if dialect_of(card) == "llama.cpp":
        banned = banned_of(plain.control_ids, tokenizer)
        features = client.run(llamacpp.token_features, *probe, banned)
        place = client.run(llamacpp.find_place, client)
        kind, context = partial(LlamaCppEngine, place=place), place.context
    else:
        features = client.run(token_features, *probe)
    if features is None:
        return None
    return kind(
        client,
        features,
        tokenizer,
        {"model": config.model, "tokenizer_digest": _digest(tokenizer)},
        template,
        sampling_of(config),
        model=config.model,
        context=context if _is_size(context) else tokenizer.model_max_length,
        **how,
    )


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 < value < 1 << 40


def _tokenizer(config: JudgeConfig, card: Mapping[str, Any], base: Mapping[str, Any]) -> Any | None:
    """Return the tokenizer that was given, or one that a name of the model leads to."""
    if config.tokenizer is not None:
        return _load_tokenizer(config.tokenizer)
    names = (config.model, card.get("root"), card.get("parent"), base.get("root"))
    for name in _resolvable(names):
        try:
            return _load_tokenizer(name)
        except UsageError:
            continue
    return None


def _resolvable(names: Iterable[Any]) -> list[str]:
    """Return those that may be a model here or on the hub; a server calls its models anything."""
    ours = {*BUNDLED, *BASES}
    return [
        name
        for name in dict.fromkeys(name for name in names if isinstance(name, str))
        if name in ours or Path(name).is_dir() or (name.count("/") == 1 and name[0] not in "/.")
    ]


def _load_tokenizer(name: str) -> Any:
    """Return the tokenizer of a folder or hub id.

    AutoTokenizer imports torch, 400 MB and seconds for which a server's client has no use; for a
    tokenizer that says it is of the library's plain class, that class is enough.
    """
    import transformers
    from transformers.utils.hub import cached_file

    own = (Path(name) / "tokenizer_config.json").is_file()
    folder = name if own else layers_of(name).tokenizer
    local = Path(folder).is_dir()
    try:
        file = cached_file(folder, "tokenizer_config.json", local_files_only=local)
        plain = json.loads(Path(str(file)).read_bytes()).get("tokenizer_class") in _PLAIN
        kind = transformers.PreTrainedTokenizerFast if plain else transformers.AutoTokenizer
        return kind.from_pretrained(folder, local_files_only=local, trust_remote_code=False)
    except Exception as error:  # whatever the files of a tokenizer make its library raise
        raise UsageError(f"tokenizer {name} cannot be loaded: {first_line(error)}") from None


def _digest(tokenizer: Any) -> str:
    """Return a hash (sha256, 16 hex digits) of what makes a prompt: tokenizer and chat template."""
    text = tokenizer.backend_tokenizer.to_str() + json.dumps(tokenizer.chat_template)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
