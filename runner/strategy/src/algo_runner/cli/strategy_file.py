"""Reads a TradingStrategy from a YAML file as kubectl would: 15:05:00 and 2019-07-09 are text
without quotes too, and a field given twice is refused.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from algo_contract.v1alpha1 import TradingStrategy
from pydantic import ValidationError


class StrategyFileError(ValueError):
    """No strategy that could trade; the message names the file and is for who wrote it."""


def read_strategy(path: Path) -> TradingStrategy:
    """A TradingStrategy from a YAML file.

    Raises:
        StrategyFileError: unreadable, malformed, or wrong in its domain; one line per problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
        documents = [d for d in yaml.load_all(text, _Loader) if d]
    except OSError as error:
        raise StrategyFileError(f"{path}: cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise StrategyFileError(f"{path}: not valid YAML: nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        raise StrategyFileError(f"{path}: not valid YAML: {error}") from error
    if len(documents) != 1:
        raise StrategyFileError(
            f"{path}: one TradingStrategy is needed, found {len(documents)} documents"
        )
    try:
        return TradingStrategy.model_validate(documents[0])
    except ValidationError as error:
        problems = "\n  ".join(_problem(detail) for detail in error.errors())
        raise StrategyFileError(f"{path}: the strategy is refused:\n  {problems}") from error


class _Loader(yaml.SafeLoader):
    """PyYAML reads 15:05:00 as 54300 and 2019-07-09 as a date, and lets a field's second value
    win; the API server's reader does none of that.
    """

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            words = f"{', '.join(twice)} given twice"
            raise yaml.constructor.ConstructorError(None, None, words, node.start_mark)
        return super().construct_mapping(node, deep)


_AS_TEXT = {"tag:yaml.org,2002:timestamp"}
_SEXAGESIMAL = "tag:yaml.org,2002:int"


def _text_with_colons(loader: _Loader, node: yaml.ScalarNode) -> Any:
    text = loader.construct_scalar(node)
    return text if ":" in text else loader.construct_yaml_int(node)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _AS_TEXT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor(_SEXAGESIMAL, _text_with_colons)


def _problem(detail: Any) -> str:
    where = ".".join(str(part) for part in detail["loc"])
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}"
