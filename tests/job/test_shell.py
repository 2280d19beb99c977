"""Values in commands, by what the real bash makes of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_parallel.job.syntax.shell import InvalidCommand, check_command, quoted_command

# Everything that bash reads specially, and some that it does not.
AWKWARD = "'\"`$\\(){}[];&|<>#*?~!=-+%^ \t\n\rabE0é☃"
values = st.text(st.sampled_from(AWKWARD), max_size=12)


def argv(command: str) -> list[str]:
    """What `show` is called with when bash runs the command."""
    script = "show() { printf '%s\\0' \"$@\"; }\n" + command
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert done.stderr == b""
    return [word.decode() for word in done.stdout.split(b"\0")[:-1]]


# An argument as the author writes it -> as the program gets it, X being the value.
WRITTEN = {
    "X": "X",
    '"X"': "X",
    "'X'": "X",
    "$'X'": "X",
    "--a=X": "--a=X",
    "-X-": "-X-",
    '"a b X"': "a b X",
    "'a b X'": "a b X",
    "$'a\\tb X\\''": "a\tb X'",
    "X/X.txt": "X/X.txt",
    "a'b'\"X\"c": "abXc",
    '"it\'s X"': "it's X",
    "'say \"X\"'": 'say "X"',
    "a\\ X": "a X",
    "a#X": "a#X",
    "{X}": "{X}",
}
EXPRESSION = "${{ inputs.x }}"


@settings(max_examples=120, deadline=None)
@given(st.lists(st.sampled_from(sorted(WRITTEN)), min_size=1, max_size=4), values)
def test_each_value_stays_one_argument(written: list[str], value: str) -> None:
    command = "show " + " ".join(written).replace("X", EXPRESSION)
    wanted = [WRITTEN[word].replace("X", value) for word in written]
    assert argv(quoted_command(command, {"inputs.x": value})) == wanted


@pytest.mark.parametrize(
    "command",
    [
        'y=X; show "$y"',
        'show "$(printf %s. X)"',
        'show "$(printf %s. "X")"',
        'show "`printf %s. X`"',
        'y="$(case a in a) printf %s. X;; esac)"; show "$y"',
        'y="$(case a in (a) printf %s. X;; esac)"; show "$y"',
        "if true; then show X; fi",
        'for y in X; do show "$y"; done',
        "case X in X) show X;; esac",
        "[[ X == X ]] && show X",
        "[[ X < aX && ! ( X == bX ) ]]; show X",
        "[ X = X ] && show X",
        'f() { show "$1"; }; f X',
        'a=(X b); show "${a[0]}"',
        "# it's X\nshow X",
        "show X # it's X",
        "show X 2>&1 &> /dev/stdout",
        'show "$(cat 2>&1 <<< X)" >&1',
        "true && show X || false",
        "{ show X; }",
        "(show X)",
        "Y=X eval 'show \"$Y\"'",
        'bash -c \'printf "%s\\0" "$1"\' _ X',
        'export Y=X; show "$Y"',
        'env Y=X bash -c \'printf "%s\\0" "$Y"\'',
        "mapfile -d '' y < <(printf '%s\\0' X); show \"${y[0]}\"",
        "show X \\\n  ",
        "true \"${a:-'}'}\" && show X",
        'true "${a:-"}"}" "it\'s" && show X',
        "true $(($((1 + (2))))) $[1] ${#a} && show X",
        "{ cat <<'A'; cat <<-B; } > /dev/null\n`$X\nA\n\tit's $(true X)\n\tB\nshow X",
        "cat > /dev/null <<A\nb\\\nA\nA\nshow X",
        'show "$(grep -v case <<< X; case b in b) ;; esac)"',
    ],
)
@pytest.mark.parametrize(
    "value", ["", " ", "a b", "$(echo no)", 'it\'s "so"', "-n", "*", "\\", "a\nb", "é;#`"]
)
def test_in_all_kinds_of_commands(command: str, value: str) -> None:
    shown = argv(quoted_command(command.replace("X", EXPRESSION), {"inputs.x": value}))
    assert shown in ([value], [value + "."])


@settings(max_examples=60, deadline=None)
@given(values)
def test_here_documents(value: str) -> None:
    for delimiter in ("EOF", "'EOF'", '"EOF"', "\\EOF"):
        command = f'cat <<{delimiter}\nit\'s "{EXPRESSION}".\nEOF\necho {EXPRESSION}.'
        done = subprocess.run(
            ["bash", "-c", quoted_command(command, {"inputs.x": value})], capture_output=True
        )
        assert done.stdout.decode() == f'it\'s "{value}".\n{value}.\n', delimiter
        assert done.stderr == b""


@pytest.mark.parametrize("value", ["O", "\nEOF\necho no\n", "\\", "$(echo no)"])
def test_a_value_cannot_end_a_here_document(value: str) -> None:
    command = "cat <<'EOF'\n`$HOME` \\$ \\\\ \\\nE${{inputs.x}}F\nEOF"
    done = subprocess.run(
        ["bash", "-c", quoted_command(command, {"inputs.x": value})], capture_output=True
    )
    assert done.stdout.decode() == f"`$HOME` \\$ \\\\ \\\nE{value}F\n"
    assert done.stderr == b""


# Whatever an author writes around an expression, well-formed or not.
AUTHORS = st.lists(
    st.sampled_from(
        [
            *"'\"`$(){}[];&|<>#= \n\\-X",
            *("$(", "$((", "((", "))", "${", "${a:", "<<X\n", "<<'E'\n", "\nE\n", "[[ ", " ]]"),
            *("a=", "a[", "echo ", "case ", " in ", "esac", ";;", "test ", "export ", "&>", ">&"),
            *("X", "X", "X", "X", " X", "X "),
        ]
    ),
    min_size=1,
    max_size=14,
).map("".join)
CODE = "canary"
ATTACKS = st.sampled_from(
    [
        "$(canary)",
        "`canary`",
        "; canary ;",
        "' ; canary ; '",
        '" ; canary ; "',
        ") canary (",
        "\ncanary\n",
        "\nE\ncanary\n",
        "a[$(canary)]",
        "a[`canary`]=1",
        "\\'; canary #",
        "|canary",
        "&canary&",
        "x;canary",
        "} canary {",
    ]
)


@pytest.fixture(scope="module")
def cage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which random commands run that find no program but the canary."""
    folder = tmp_path_factory.mktemp("cage")
    (folder / "bin").mkdir()
    canary = folder / "bin" / CODE
    canary.write_text(f"#!/bin/sh\n: > '{folder}/sang'\n")
    canary.chmod(0o755)
    (folder / "bin" / "bash").symlink_to("/bin/bash")
    return folder


@settings(max_examples=300, deadline=None)
@given(AUTHORS.filter(lambda text: "X" in text), ATTACKS)
def test_no_value_runs_as_code_however_the_author_quoted(
    cage: Path, author: str, attack: str
) -> None:
    try:
        command = quoted_command(author.replace("X", EXPRESSION), {"inputs.x": attack})
    except InvalidCommand:
        return
    work = cage / "work"
    work.mkdir(exist_ok=True)
    subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=work,
        env={"PATH": str(cage / "bin")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=240,
    )
    sang = cage / "sang"
    assert not sang.exists(), (sang.unlink(), command)


@pytest.mark.parametrize(
    "command",
    [
        "echo $((X + 1))",
        "echo $[X]",
        "((X > 1))",
        "for ((i=0; i<X; i++)); do :; done",
        "echo ${a:X}",
        'echo "${a[X]}"',
        "a[X]=1",
        "X=1",
        "a=1 bX=1",
        "a=([X]=1)",
        "echo \\X",
        "echo 'X",
        "cat <<X\nX",
        "cat <<E\n$((X))\nE",
        "cat <<'E F'\nX\nE F",
        "echo `echo \\$a X`",
        "cat << E\n$(echo X\nE",
        "echo " + "$(" * 9999 + "X",
        "echo >& X",
        "cat <&X",
    ],
)
def test_refused_where_bash_evaluates_the_place_itself(command: str) -> None:
    with pytest.raises(InvalidCommand):
        check_command(command.replace("X", "${{inputs.x}}"))


@pytest.mark.parametrize(
    "command",
    [
        "X --help",
        "$PYTHON work.py X",
        "timeout X python work.py",
        "python work.py X=1 a.X=2 'b[X]=3'",
        'eval "$y" X',
        "xargs -I{} echo {} <<< X",
        "bash -s X <<'E'\necho \"$1\"\nE",
        "echo ${a#{} $(( (1 + 2) * 3 )) X",
    ],
)
def test_what_a_program_does_with_its_arguments_is_up_to_the_author(command: str) -> None:
    check_command(command.replace("X", EXPRESSION))


def test_a_message_says_where_why_and_what_to_do() -> None:
    with pytest.raises(InvalidCommand) as refused:
        check_command("echo $((${{inputs.x}} + 1))")
    assert str(refused.value) == (
        "${{inputs.x}} is not allowed inside $(( )), where bash evaluates the text; assign it to a "
        "variable and check that first"
    )


def test_nul_is_refused() -> None:
    with pytest.raises(InvalidCommand, match="NUL"):
        quoted_command("echo ${{inputs.x}}", {"inputs.x": "a\0b"})


def test_an_optional_part_goes_away_with_its_input() -> None:
    command = "show a $[[--limit ${{inputs.x}}]] b"
    assert argv(quoted_command(command, {"inputs.x": "5 0"})) == ["a", "--limit", "5 0", "b"]
    assert argv(quoted_command(command, {}, ["inputs.x"])) == ["a", "b"]


def test_two_names_that_look_alike_keep_their_values() -> None:
    given_values = {"inputs.é": "1", "inputs.è": "2"}
    assert argv(quoted_command("show ${{inputs.é}} ${{inputs.è}}", given_values)) == ["1", "2"]
