"""Whatever stands in `honeyhive.yml`: settings that mean the same when they are written again, or a complaint."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from honeyhive.ci.config import MOST, ConfigFile, parse_config
from honeyhive.documents import load_yaml
from honeyhive.errors import ConfigError
from often import OFTEN
from properties.accidents import accidental_lines, accidents, often_altered
from properties.readings import explained, is_plain

EXAMPLES = Path(__file__).parents[2] / "examples" / "support-bot"
FILES = [(EXAMPLES / name).read_bytes() for name in ("honeyhive.yml", "worse.yml")]
FILES.append(
    b"version: 1\non-undecided: fail\ntime-limit: 20m\npass-env: [A, B]\nstore: git:runs\nexperiments:\n"
    b"  - name: qa\n    function: app:f\n    dataset: qa.jsonl\n    evaluators: [app:e]\n    repeats: 3\n"
    b"    timeout: 60s\n    paths: ['*.py', '!docs/']\n    thresholds:\n"
    b"      correct: {max-drop: 0.02, must-pass: true}\n"
    b"      latency_ms.p95: {max: 2s}\n"
)
VALUES = [load_yaml(text.decode()).value for text in FILES]
TEXTS = (accidental_lines(FILES) | accidents(FILES)).map(lambda raw: raw.decode("utf-8", "replace")) | st.sampled_from(
    VALUES
).flatmap(often_altered).map(lambda value: json.dumps(value, ensure_ascii=False))


def accepted(text: str) -> ConfigFile | None:
    try:
        return parse_config(text, "honeyhive.yml")
    except ConfigError as error:
        explained(error, 2, file="honeyhive.yml", lines=len(text.splitlines()) + 1)
        return None


@OFTEN
@given(TEXTS)
def test_any_text_is_a_configuration_within_its_bounds_or_refused(text: str) -> None:
    config = accepted(text)
    if config is None:
        return
    names = [experiment.name for experiment in config.experiments]
    assert len({*names}) == len(names) > 0
    assert all(name.isascii() and name.isprintable() and "/" not in name for name in names)
    for experiment in config.experiments:
        assert 1 <= experiment.repeats <= MOST
        assert 1 <= experiment.max_workers <= MOST
        assert 0 < experiment.timeout < 10 * 24 * 3600
        assert is_plain(experiment.thresholds)


@OFTEN
@given(TEXTS)
def test_any_configuration_that_is_accepted_means_the_same_when_it_is_written_again(text: str) -> None:
    config = accepted(text)
    if config is not None:
        again = config.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert accepted(json.dumps(again, ensure_ascii=False)) == config
