"""The ready evaluator that asks a model: `model_graded`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from honeyhive.documents import plain, shown
from honeyhive.errors import ArgumentError, JudgeError
from honeyhive.experiments.evaluators.grades import to_score
from honeyhive.experiments.ready.base import Ready
from honeyhive.experiments.ready.completions import Endpoint, without_key
from honeyhive.experiments.ready.prompts import NoAnswerError, prompt, read_judgement
from honeyhive.result import Fault

_OURS = frozenset({"model", "messages", "stream", "n"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, kw_only=True)
class ModelGraded(Ready):
    """What a model says of the output, made by `model_graded()`."""

    called: ClassVar[str] = "model_graded"
    rubric: str
    model: str
    base_url: str
    api_key_env: str | None
    choices: Mapping[str, Any] | None
    parameters: Mapping[str, Any]
    timeout: float
    attempts: int
    answers: int
    endpoint: Endpoint = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what no judge can work with."""
        for what, text in (("rubric", self.rubric), ("model", self.model)):
            if not isinstance(text, str) or not text.strip():
                raise ArgumentError(f"model_graded: the {what} is empty", hint=f"give {what}=…, as text")
        for number, least in ((self.timeout, 0), (self.attempts, 1), (self.answers, 1)):
            if not number or number < least:
                raise ArgumentError(f"model_graded: {number!r} is too little", hint="see timeout, attempts, answers")
        if ours := sorted(_OURS & self.parameters.keys()):
            raise ArgumentError(f"model_graded: {ours[0]!r} is no parameter to be given", hint="it is set for you")
        _check_choices(self.choices)
        _check_url(self.base_url, has_key=self.api_key_env is not None)
        endpoint = Endpoint(base_url=self.base_url.rstrip("/"), timeout=self.timeout, attempts=self.attempts)
        object.__setattr__(self, "endpoint", endpoint)

    async def __call__(self, outputs: Any, inputs: Any = None, ground_truth: Any = None) -> Any:
        """`(score, explanation)`, or `(None, reason)` where the model gives no valid answer."""
        key = self._key()
        reason = ""
        for _ in range(self.answers):
            body = self._body(prompt(self.rubric, outputs, inputs, ground_truth, self._labels))
            try:
                score, said = read_judgement(await self.endpoint.complete(body, key), self.choices)
            except NoAnswerError as error:
                reason = without_key(key, str(error))
            else:
                # JSON within JSON: escapes hid from the first look what is read by now.
                return score, said and without_key(key, said)
        return None, f"the judge gave no valid answer: {reason}"

    def options(self) -> dict[str, Any]:
        """What decides about the score: not where the model is reached, nor how long it may take."""
        return {
            "rubric": self.rubric,
            "model": self.model,
            "choices": self.choices,
            "parameters": self.parameters,
        }

    @property
    def _labels(self) -> list[str] | None:
        return None if self.choices is None else list(self.choices)

    def _body(self, messages: list[dict[str, str]]) -> dict[str, Any]:
        wanted = {"temperature": 0, "response_format": {"type": "json_object"}, **self.parameters}
        return {
            "model": self.model,
            "messages": messages,
            **{name: value for name, value in wanted.items() if value is not None},
        }

    def _key(self) -> str | None:
        if self.api_key_env is None:
            return None
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise JudgeError(
                f"the environment variable {self.api_key_env} is not set: there is no key for {self.endpoint.origin}",
                hint=f"set it; in the action, name {self.api_key_env} in pass-env",
            )
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise JudgeError(
                f"what the environment variable {self.api_key_env} holds is no key", hint="it is one word of ASCII"
            )
        return key


def model_graded(  # noqa: PLR0913 - each is an option that people set
    *,
    rubric: str,
    model: str,
    base_url: str = "https://api.openai.com/v1",
    api_key_env: str | None = "OPENAI_API_KEY",
    choices: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    timeout: float = 60.0,
    attempts: int = 4,
    answers: int = 2,
    name: str | None = None,
) -> ModelGraded:
    """Have a model score each output by a rubric, over any endpoint that speaks OpenAI's chat completions.

    The model is asked for a number from 0 to 1 or, with `choices` such as `{"yes": True, "no": False}`, for one of
    those labels, and for an explanation, which becomes the note. It sees the rubric, the inputs, the output and the
    ground truth as delimited data. Name a model that stays the same (a dated one): the model, the rubric, the
    choices and the parameters are the evaluator's fingerprint.

    `None`, not applicable, where the model gives no valid answer `answers` times. An error where the endpoint refuses
    the key or the request, or is out of reach or too busy `attempts` times, of `timeout` seconds each. The key is
    read from the environment variable `api_key_env` at each call (`None`: none is sent), and goes nowhere but to
    `base_url`. `parameters` go into the request as they are; one that is `None` takes ours out: `temperature` 0, and
    `response_format`, which asks for JSON.
    """
    return ModelGraded(
        rubric=rubric,
        model=model,
        base_url=base_url,
        api_key_env=api_key_env,
        choices=choices,
        parameters=dict(parameters or {}),
        timeout=timeout,
        attempts=attempts,
        answers=answers,
        name=name,
    )


def _check_choices(choices: Mapping[str, Any] | None) -> None:
    if choices is None:
        return
    if not isinstance(choices, Mapping) or len(choices) < 2:
        raise ArgumentError("model_graded: fewer than two choices", hint='such as {"yes": True, "no": False}')
    for label, value in choices.items():
        if not isinstance(label, str) or not label.strip() or isinstance(to_score(value), Fault):
            raise ArgumentError(
                f"model_graded: the choice {shown(str(plain(label)))} is no text, or its value no score",
                hint='such as {"yes": True, "no": False}',
            )


def _check_url(url: str, *, has_key: bool) -> None:
    hint = "such as https://api.openai.com/v1"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except (ValueError, AttributeError, TypeError) as error:
        raise ArgumentError("model_graded: base_url is no URL", hint=hint) from error
    if parts.scheme not in ("http", "https") or not host:
        raise ArgumentError("model_graded: base_url is no http or https URL with a host", hint=hint)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ArgumentError("model_graded: base_url holds more than a place", hint="the key comes by api_key_env")
    if has_key and parts.scheme == "http" and host not in _LOOPBACK:
        raise ArgumentError(
            f"model_graded: a key would go to {host} unencrypted",
            hint="use https, or api_key_env=None where it has none",
        )
