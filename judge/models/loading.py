"""Loading tokenizers, configurations and weights of any model, in every command alike.

No code of a model's folder is run and nobody is asked to allow it; no weight is left to chance;
whatever a library says of a model that does not load is one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from judge.errors import JudgeError, UsageError, first_line

Allowed = Callable[[str], bool]


def _none(name: str) -> bool:
    return False


@contextmanager
def one_line(name: str) -> Iterator[None]:
    """Turn what a library says of a model that does not load into one line; keep it quiet.

    Raises:
        UsageError: for every error but those of this package and of a missing one.
    """
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.disable_progress_bar()  # the screen shows the run's own
    logging.set_verbosity_error()
    try:
        yield
    except (JudgeError, ModuleNotFoundError):
        raise
    except Exception as error:  # pickle, jinja, safetensors, torch: all have classes of their own
        raise UsageError(f"model {name} cannot be loaded: {first_line(error)}") from None
    finally:
        logging.set_verbosity(before)


def load_tokenizer(source: str, name: str | None = None, **options: Any) -> Any:
    """Return the tokenizer in a folder, or of a hub id.

    Args:
        name: what the user calls the model.
        options: others of ``from_pretrained`` (``revision``).

    Raises:
        UsageError: in one line, when it does not load.
    """
    from transformers import AutoTokenizer

    with one_line(name or source):
        return AutoTokenizer.from_pretrained(source, **_safely(source), **options)


def load_config(source: str, name: str | None = None, **options: Any) -> Any:
    """Return transformers' configuration of a model; as :func:`load_tokenizer`."""
    from transformers import AutoConfig

    with one_line(name or source):
        return AutoConfig.from_pretrained(source, **_safely(source), **options)


def load_causal(source: str, name: str | None = None, **options: Any) -> Any:
    """Return a causal language model with every weight from its files.

    Raises:
        UsageError: in one line, when it does not load, or weights are missing, of another shape, or
            belong to no part of it.
    """
    from transformers import AutoModelForCausalLM

    return _load(AutoModelForCausalLM, source, name or source, _none, **options)


def load_classifier(
    source: str,
    name: str | None = None,
    *,
    brought: Allowed = _none,
    unused: Allowed = _none,
    **options: Any,
) -> Any:
    """Return a sequence classifier; as :func:`load_causal`.

    Args:
        brought: says of a weight whether it comes from elsewhere (an adapter's head, a new head).
            Where the head does, ``source`` may be a language model, whose own head is left out.
        unused: says of a weight in the files whether it may be left out.
    """
    from transformers import AutoModelForSequenceClassification as Auto

    return _load(Auto, source, name or source, brought, unused, **options)


def _load(
    auto: Any, source: str, name: str, brought: Allowed, unused: Allowed = _none, **options: Any
) -> Any:
    with one_line(name):
        model, report = auto.from_pretrained(
            source,
            **_safely(source),
            **options,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported, and refused below in one line
        )
        trunk = f"{model.base_model_prefix}."
        other_head = any(map(brought, dict(model.named_parameters())))
    _check_report(
        name,
        type(model).__name__,
        report,
        brought,
        lambda key: unused(key) or (other_head and not key.startswith(trunk)),
    )
    return model


def _safely(source: str) -> dict[str, Any]:
    return {"trust_remote_code": False, "local_files_only": Path(source).is_dir()}


def _check_report(
    name: str, kind: str, report: Mapping[str, Any], brought: Allowed, left_out: Allowed
) -> None:
    """Refuse a checkpoint that leaves weights to chance: random ones look like real ones.

    Args:
        report: transformers' ``output_loading_info``.
        left_out: says of a weight of the files whether it may stay unused.
    """
    missing = sorted(key for key in report["missing_keys"] if not brought(key))
    unfit = sorted(found for found in report["mismatched_keys"] if not brought(found[0]))
    unused = sorted(key for key in report["unexpected_keys"] if not left_out(key))
    if missing:
        raise UsageError(
            f"model {name} lacks {_and_more(missing)}: a damaged {kind}, or a model of another kind"
        )
    if unfit:
        key, there, expected = unfit[0]
        raise UsageError(
            f"model {name}: {key} is {tuple(there)}, its configuration says {tuple(expected)}"
        )
    if unused:
        raise UsageError(
            f"model {name} holds {_and_more(unused)} that no part of {kind} uses: damaged, or a"
            " model of another kind"
        )


def _and_more(keys: list[str]) -> str:
    more = len(keys) - 1
    return keys[0] + (f" and {more} more weight{'s' if more > 1 else ''}" if more else "")
