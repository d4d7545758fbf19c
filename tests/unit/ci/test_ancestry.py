"""Distances and merge bases, held to their definitions on histories of any shape."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.ci.ancestry import distances, merge_base
from honeyhive.ci.gitobjects import Commit
from honeyhive.errors import RepositoryError

Graph = Mapping[str, Commit]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Commits that follow earlier ones, each at its time or, where a clock was wrong, a little before."""
    made: dict[str, Commit] = {}
    for at in range(draw(st.integers(1, 12))):
        parents = draw(st.lists(st.sampled_from(sorted(made)), max_size=2, unique=True)) if made else []
        time = 100 + at * 10 - draw(st.integers(0, 9))
        made[f"{at:02}"] = Commit(tree="t", parents=tuple(parents), time=time)
    return made


def _behind(graph: Graph, commit: str) -> set[str]:
    return {commit}.union(*(_behind(graph, parent) for parent in graph[commit].parents))


@given(graphs(), st.data())
def test_a_merge_base_is_a_common_ancestor_that_is_behind_no_other(graph: Graph, data: st.DataObject) -> None:
    one, other = (data.draw(st.sampled_from(sorted(graph))) for _ in range(2))
    common = _behind(graph, one) & _behind(graph, other)
    best = {name for name in common if not any(name in _behind(graph, above) - {above} for above in common)}

    found = merge_base(one, other, graph.get)

    assert found in best if best else found is None


@given(graphs(), st.data())
def test_the_distance_is_that_of_the_shortest_way(graph: Graph, data: st.DataObject) -> None:
    start = data.draw(st.sampled_from(sorted(graph)))

    found = distances(start, graph.get)

    assert found.keys() == _behind(graph, start)
    for name, distance in found.items():
        children = [child for child in found if name in graph[child].parents]
        assert distance == (0 if name == start else 1 + min(found[child] for child in children))


def test_where_history_ends_nothing_is_said_of_what_lies_behind() -> None:
    here = {"c": Commit(tree="t", parents=("b",), time=3), "d": Commit(tree="t", parents=("b",), time=4)}

    assert distances("c", here.get) == {"c": 0, "b": 1}
    assert distances("a", here.get) == {}
    assert merge_base("c", "d", here.get) is None
    assert merge_base("c", "a", here.get) is None
    assert merge_base("c", "c", here.get) == "c"


def test_a_history_that_is_too_long_is_said() -> None:
    line = {str(at): Commit(tree="t", parents=(str(at - 1),) if at else (), time=at) for at in range(100)}
    line["other"] = Commit(tree="t", parents=(), time=-1)

    for ask in (distances("99", line.get, most=100), merge_base("99", "0", line.get, most=100)):
        assert ask
    with pytest.raises(RepositoryError, match="longer than 50 commits"):
        distances("99", line.get, most=50)
    with pytest.raises(RepositoryError, match="longer than 50 commits"):
        merge_base("99", "other", line.get, most=50)
