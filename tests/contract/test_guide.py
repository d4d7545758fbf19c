"""Our package, held to the guide that gives it its names: the guide itself is read, and its code run.

It lies in the folder `shared` beside the repository.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from importlib.util import resolve_name
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guide import GUIDE, PACKAGE, PAGE, SKETCHES, SNIPPETS, ran, sketch, sketched, snippets
from honeyhive import experiments
from honeyhive.api.client import HoneyHive
from honeyhive.experiments import core, dataset
from honeyhive.tracer import HoneyHiveTracer
from platform_server import PlatformServer

pytestmark = pytest.mark.skipif(not GUIDE.is_file(), reason="needs the folder `shared` beside the repository")

# --- names -----------------------------------------------------------------------------------------------------------


def imported() -> Iterator[tuple[str, str]]:
    """What the guide's modules import from each other, by the module that it has to be in."""
    for module in SKETCHES:
        for node in ast.walk(sketched(module)):
            if isinstance(node, ast.ImportFrom) and node.level:
                home = resolve_name("." * node.level + (node.module or ""), PACKAGE)
                yield from ((home, alias.name) for alias in node.names)


def made() -> Iterator[tuple[str, str]]:
    """What its modules define for others, and what the package as a whole gives."""
    for module in SKETCHES:
        home = PACKAGE if module == "__init__" else f"{PACKAGE}.{module}"
        for node in sketched(module).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                yield home, node.name
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                yield from ((PACKAGE, name) for name in ast.literal_eval(node.value))
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
                yield home, ast.unparse(node.targets[0])
            elif isinstance(node, ast.ImportFrom) and node.level and module == "__init__":
                yield from ((PACKAGE, alias.name) for alias in node.names)


def listed_models() -> Iterator[tuple[str, str]]:
    """The models that the guide lists beside its code."""
    section = PAGE.partition("### 4. Generated Models")[2].partition("\n---")[0]
    for names in re.findall(r"^- ((?:`\w+`(?:, )?)+)", section, re.MULTILINE):
        yield from (("honeyhive.models.generated", name) for name in re.findall(r"\w+", names))


def test_the_guide_is_read_whole() -> None:
    assert SKETCHES.keys() == {"__init__", "context", "core", "dataset"}
    assert len(SNIPPETS) == 7
    assert len(set(listed_models())) == 7
    assert {home for home, _ in imported()} >= {f"{PACKAGE}.evaluators", "honeyhive.tracer", "honeyhive.api.client"}


@pytest.mark.parametrize(("home", "name"), sorted({*imported(), *made(), *listed_models()}))
def test_a_name_of_the_guide_is_where_the_guide_has_it(home: str, name: str) -> None:
    module = importlib.import_module(home)
    assert getattr(module, name) is not None
    if (home, name) in set(made()):
        assert name in getattr(module, "__all__", [name])


def test_an_alias_of_the_guide_is_the_model_that_it_stands_for() -> None:
    aliases = [
        node for node in sketched("__init__").body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
    ]
    assert len(aliases) == 2
    for node in aliases:
        name, model = ast.unparse(node.targets[0]), ast.unparse(node.value)
        assert getattr(experiments, name) is getattr(experiments, model)


def test_client_and_tracer_are_names_of_the_core() -> None:
    assert core.HoneyHive is HoneyHive
    assert core.HoneyHiveTracer is HoneyHiveTracer


# --- signatures ------------------------------------------------------------------------------------------------------

BY_PLACE = inspect.Parameter.POSITIONAL_OR_KEYWORD


def assert_takes_what_the_guide_gives(ours: Callable[..., Any], theirs: Callable[..., Any]) -> None:
    """Every parameter of the guide's, with its kind, its place and its default; ours may have more, all optional."""
    own, guides = inspect.signature(ours).parameters, inspect.signature(theirs).parameters
    for name, parameter in guides.items():
        assert own[name].kind is parameter.kind, name
        if parameter.default is not inspect.Parameter.empty:
            assert own[name].default == parameter.default, name
    placed = [name for name, parameter in guides.items() if parameter.kind is BY_PLACE]
    assert list(own)[: len(placed)] == placed
    more = {name: parameter.default for name, parameter in own.items() if name not in guides}
    assert inspect.Parameter.empty not in more.values(), more


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("core", "evaluate"),
        ("context", "ExperimentContext"),
        ("context", "ExperimentContext.to_tracer_config"),
        ("context", "ExperimentContext.to_run_request"),
        ("dataset", "create_external_dataset"),
        ("dataset", "generate_datapoint_id"),
        ("dataset", "fetch_honeyhive_dataset"),
    ],
)
def test_the_signature_is_the_guides(module: str, name: str) -> None:
    first, *rest = name.split(".")
    ours, theirs = getattr(experiments, first), sketch(module)[first]
    for part in rest:
        ours, theirs = getattr(ours, part), getattr(theirs, part)
    assert_takes_what_the_guide_gives(ours, theirs)


# --- behaviour -------------------------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
own_ids = st.text(max_size=6) | st.integers() | st.from_regex(r"\AEXT-\w{0,4}\Z")
datapoints = st.one_of(
    st.fixed_dictionaries({"inputs": values}, optional={"ground_truth": values, "id": own_ids}),
    st.dictionaries(st.text(max_size=5), values, max_size=4),
)


def guides_id(datapoint: dict[str, Any]) -> str:
    found: str = sketch("dataset")["generate_datapoint_id"](datapoint)
    return found


@functools.cache
def shown_again() -> Callable[[dict[str, Any]], str]:
    """The function that makes ids, as the guide shows it a second time."""
    (block,) = snippets("def generate_datapoint_id")
    function: Callable[[dict[str, Any]], str] = ran(block, **sketch("dataset"))["generate_datapoint_id"]
    return function


@settings(deadline=None)
@given(datapoint=datapoints)
def test_a_datapoint_has_the_id_that_the_guide_gives_it(datapoint: dict[str, Any]) -> None:
    assert dataset.generate_datapoint_id(datapoint) == guides_id(datapoint) == shown_again()(datapoint)


@settings(deadline=None)
@given(
    rows=st.lists(datapoints, max_size=6, unique_by=guides_id),
    custom=st.none() | st.text(max_size=6) | st.just("EXT-mine"),
)
def test_a_dataset_has_the_ids_that_the_guide_gives_it(rows: list[dict[str, Any]], custom: str | None) -> None:
    assert dataset.create_external_dataset(rows, "p", custom) == sketch("dataset")["create_external_dataset"](
        rows, "p", custom
    )


@pytest.mark.parametrize("given", [None, "rows", {"inputs": {}}, ({},), [1], [{}, None]], ids=repr)
def test_what_is_no_dataset_is_refused_as_by_the_guide(given: Any) -> None:
    for create in (dataset.create_external_dataset, sketch("dataset")["create_external_dataset"]):
        with pytest.raises(ValueError, match=r"must be (a list|dictionaries)"):
            create(given, "p")


def test_a_dataset_of_the_platform_is_fetched_as_by_the_guide() -> None:
    truths: list[Any] = [{"answer": "a"}, None, {}, {"answer": 0}]
    rows = [{"id": f"dp{at}", "inputs": {"q": at}, "ground_truth": truth} for at, truth in enumerate(truths)]
    with PlatformServer() as server, HoneyHive(server.key, server_url=server.url) as client:
        server.add_dataset("ds1", rows)
        asked: dict[str, Any] = {"client": client, "dataset_id": "ds1", "project": "p"}
        fetched = experiments.fetch_honeyhive_dataset(**asked)
        assert fetched == sketch("dataset")["fetch_honeyhive_dataset"](**asked)
        assert server.violations == []
    assert fetched[1] == ["dp0", "dp1", "dp2", "dp3"]


@settings(deadline=None)
@given(
    metadata=st.none() | st.dictionaries(st.text(max_size=4), values, max_size=2),
    managed=st.booleans(),
    status=st.sampled_from(["pending", "running", "completed"]),
)
def test_a_context_says_the_same_to_tracer_and_platform(
    metadata: dict[str, Any] | None, managed: bool, status: Any
) -> None:
    known: dict[str, Any] = {"run_id": "r", "project": "p", "dataset_id": "ds1", "use_honeyhive_dataset": managed}
    ours = experiments.ExperimentContext(**known, metadata=metadata)
    guides = sketch("context")["ExperimentContext"](**known, metadata=metadata)
    assert ours.to_tracer_config("d") == guides.to_tracer_config("d")
    own, theirs = ours.to_run_request("n", status).to_wire(), guides.to_run_request("n", status).to_wire()
    assert (own.pop("run_id"), own) == (
        "r",
        theirs,
    )  # ours chooses the run's id, so that a request sent twice is one run
