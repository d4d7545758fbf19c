"""Which changes matter to an experiment: as in .gitignore, and never by guessing."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from honeyhive.ci.paths import LONGEST_NAME, LONGEST_PATTERN, is_relevant
from honeyhive.errors import ConfigError

PATTERNS = ("bot/**", "evals/*.py", "!bot/README.md")
ALWAYS = ("honeyhive.yml", "evals/qa.jsonl")


def matters(name: str, *patterns: str) -> bool:
    return is_relevant([name], patterns, ()).relevant


def why(changed: list[str] | None, patterns: tuple[str, ...] = PATTERNS) -> str:
    return is_relevant(changed, patterns, ALWAYS).reason


# --- what matters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("bot/**", "bot/a/b.py", "bots/a.py"),
        ("bot/", "src/bot/a.py", "bot"),
        ("/bot", "bot/a.py", "src/bot/a.py"),
        ("bot", "src/bot/a.py", "src/bot.py"),
        ("*.py", "a/b/c.py", "a/b/c.pyi"),
        ("bot/*.py", "bot/a.py", "bot/a/b.py"),
        ("**/prompts/*.md", "a/b/prompts/c.md", "a/prompts/b/c.md"),
        ("prompt-[0-9].md", "bot/prompt-1.md", "prompt-a.md"),
        ("\\!odd", "!odd", "odd"),
    ],
)
def test_a_pattern_means_what_it_means_in_gitignore(pattern: str, yes: str, no: str) -> None:
    assert matters(yes, pattern)
    assert not matters(no, pattern)


def test_the_last_pattern_that_matches_a_file_decides() -> None:
    assert not matters("bot/README.md", "bot/**", "!*.md")
    assert matters("bot/README.md", "!*.md", "bot/**")
    assert matters("bot/prompt.md", "bot/**", "!*.md", "prompt.md")


def test_a_file_that_always_matters_does_so_whatever_the_patterns_say() -> None:
    patterns = ("bot/**", "!**/*.jsonl", "!*.yml")
    assert is_relevant(["evals/qa.jsonl"], patterns, ALWAYS).relevant
    assert is_relevant(["honeyhive.yml"], patterns, ["./evals/../honeyhive.yml"]).relevant
    assert not is_relevant(["other/honeyhive.yml"], patterns, ALWAYS).relevant


def test_one_file_that_matters_is_enough() -> None:
    assert is_relevant([*(f"docs/{number}.md" for number in range(3_000)), "bot/a.py"], PATTERNS, ALWAYS).relevant


def test_without_patterns_every_change_matters() -> None:
    assert is_relevant([], (), ALWAYS).relevant
    assert is_relevant(["README.md"], (), ALWAYS).relevant


def test_what_is_not_known_to_have_changed_matters() -> None:
    assert is_relevant(None, PATTERNS, ALWAYS).relevant


# --- why -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (["docs/a.md", "bot/a.py"], "`bot/a.py` has changed, which matches `bot/**`"),
        (["evals/qa.jsonl"], "`evals/qa.jsonl` has changed"),
        (None, "it is not known which files have changed"),
        ([], "no file has changed"),
        (
            ["README.md"],
            (
                "`README.md`, the only file that changed, does not match its `paths` "
                "(`bot/**`, `evals/*.py`, `!bot/README.md`)"
            ),
        ),
    ],
)
def test_the_reason_names_the_file_and_the_pattern(changed: list[str] | None, reason: str) -> None:
    assert why(changed) == reason


def test_the_reason_counts_what_does_not_matter() -> None:
    assert why(["a", "b", "c"], ("bot/**",)) == "none of the 3 files that changed matches `bot/**`"
    many = tuple(f"bot{number}/**" for number in range(5))
    expected = "none of the 2 files that changed matches its `paths` (`bot0/**`, `bot1/**`, `bot2/**` and 2 more)"
    assert why(["a", "b"], many) == expected
    assert why(["a"], ()) == "every change matters to it: it has no `paths`"


def test_the_reason_is_the_same_for_the_same_files_in_any_order() -> None:
    assert why(["bot/b.py", "bot/a.py"]) == why(["bot/a.py", "bot/b.py"])


# --- hostile names and patterns --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "--output=x",
        "-rf",
        "../../etc/passwd",
        "a\nb",
        "::error::x",
        "\\",
        "[",
        "(a+)+",
        "\ud800",
        "\x1b[2J",
        "!x",
        "#x",
    ],
)
def test_a_hostile_name_is_only_a_name(name: str) -> None:
    assert not matters(name, "bot/**")
    assert matters(f"bot/{name}", "bot/**")


@given(st.text(min_size=1, max_size=300))
def test_no_name_breaks_out_of_the_reason(name: str) -> None:
    for found in (is_relevant([name], ("bot/**",), ()), is_relevant([f"bot/{name}"], ("bot/**",), ())):
        assert found.reason.isprintable()
        assert found.reason.count("`") == 4
        assert len(found.reason) < 300


def test_a_backslash_in_a_name_is_part_of_it() -> None:
    assert not matters("bot\\a.py", "bot/**")


def test_a_name_too_long_to_be_looked_at_matters() -> None:
    name = "a/" * LONGEST_NAME
    assert is_relevant([name], ("bot/**",), ()).relevant
    assert "too long" in is_relevant([name], ("bot/**",), ()).reason


def test_a_name_made_to_be_slow_is_not() -> None:
    started = time.process_time()
    for pattern in ("*a*a*a*x", "**/a/**/a/**/x", "**/*a*a*x"):
        for name in ("a" * LONGEST_NAME, "a/" * (LONGEST_NAME // 2)):
            assert not matters(name, pattern)
    assert time.process_time() - started < 20  # it is hours where the stars are not counted


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("!", "is no pattern"),
        ("bot\\", "is no pattern"),
        ("[z-a].py", "is no pattern"),
        ("[[:alpha:]].py", "is no pattern"),
        ("#bot", "matches no file"),
        ("[", "matches no file"),
        ("/", "matches no file"),
        ("a\x00b", "cannot be seen"),
        ("a\u202eb", "cannot be seen"),
        ("a*b*c*d*e*f", "more than 4 `*`"),
        ("a" * (LONGEST_PATTERN + 1), "too long"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused_by_name(pattern: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=r"^paths: ") as caught:
        is_relevant(["bot/a.py"], ("bot/**", pattern), ())
    assert complaint in caught.value.message
    assert caught.value.hint
    assert caught.value.message.isprintable()


def test_patterns_that_only_take_away_are_refused() -> None:
    with pytest.raises(ConfigError, match="no change would ever matter"):
        is_relevant(["bot/a.py"], ("!docs/**", "!*.md"), ())


def test_a_wrong_pattern_is_told_also_where_nothing_is_known_of_the_change() -> None:
    with pytest.raises(ConfigError):
        is_relevant(None, ("!",), ())


# --- against git itself ----------------------------------------------------------------------------------------------

SEGMENTS = st.sampled_from(["a", "b", "ab", "a.py", "b.md"])
NAMES = st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join)
GLOBS = st.lists(st.sampled_from(["a", "*", "**", "a*", "*.py", "?", "[ab]"]), min_size=1, max_size=3).map("/".join)


@given(pattern=st.builds("{}{}{}".format, st.sampled_from(["", "/"]), GLOBS, st.sampled_from(["", "/"])), name=NAMES)
def test_one_pattern_matches_what_git_ignores_by_it(git_folder: Path, pattern: str, name: str) -> None:
    assume(pattern.count("*") <= 4 and not pattern.endswith("**/"))  # `a/**/` means `a/**` to the library
    (git_folder / ".git" / "info" / "exclude").write_text(pattern + "\n", encoding="utf-8")
    asked = ["git", "check-ignore", "--quiet", "--no-index", "--", name]
    done = subprocess.run(asked, cwd=git_folder, check=False)
    assert done.returncode in (0, 1)
    assert matters(name, pattern) == (done.returncode == 0)


@pytest.fixture(scope="module")
def git_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    (folder / ".git" / "info").mkdir(exist_ok=True)
    return folder
