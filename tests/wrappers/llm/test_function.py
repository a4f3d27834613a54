"""Functions: their value is what Python gives, their text is their own, and nothing else is let in."""

from __future__ import annotations

import ast
import math
import random
import time
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payoff.files import save_arrays
from payoff.wrappers import (
    ExpressionReward,
    PotentialShaping,
    check_expression,
    from_expression,
    load_reward,
    observation_names,
    save_reward,
    wrap,
)
from payoff.wrappers.llm.expression import FUNCTIONS, MOST_LETTERS, Read
from payoff.wrappers.llm.function import MOST_PARTS, Function, from_python, run, to_python
from payoff.wrappers.llm.reward_text import evaluate, parse, reads_of, unparse

ROWS = 6
X = [0.0, 1.0, -2.0, 0.5, 3.0, -0.25]
Y = [3.0, -1.0, 0.25, 0.0, 2.0, 0.5]
ACTION = [0.0, 1.0, 2.0, 3.0, 1.0, 0.0]
PROGRESS = [0.0, 0.25, 0.5, 1.0, 0.75, 0.125]
ENDS = [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]
ALL = np.ones(ROWS, dtype=bool)


def read(what):
    """Columns of a step with two numbers in an observation, called x and y."""
    match what:
        case Read("obs", "x", ()) | Read("obs", "", (0,)):
            return np.array(X)
        case Read("obs", "y", ()) | Read("obs", "", (1,)):
            return np.array(Y)
        case Read("next_obs", "", (0 | 1 as i,)):
            return np.array([X, Y][i]) + 1.0
        case Read("action", "", (0,) | ()):
            return np.array(ACTION)
        case Read("info", "progress", ()):
            return np.array(PROGRESS)
        case Read("info", "trust", (i, j)):
            return np.full(ROWS, 10.0 * i + j)
        case Read("terminated"):
            return np.array(ENDS)
    raise ValueError(f"no such number: {unparse(what)}")


def value(body, arguments="obs, action, next_obs, info, terminated"):
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    return run(from_python(f"def reward({arguments}):\n{lines}"), read, ALL).tolist()


# -- what Python gives -----------------------------------------------------------------------------------------------


class NothingError(Exception):
    """An operation has no finite value."""


def finite(x):
    if not math.isfinite(x):
        raise NothingError
    return x


def product(base, exponent):
    if exponent == 0.5:
        return math.sqrt(base)
    found = base
    for _ in range(int(exponent) - 1):
        found = finite(found * base)
    return found


class Floats(ast.NodeTransformer):
    """What the language says differs from Python: numbers are floats, powers products, and what is not finite ends."""

    def visit_Constant(self, node):
        exact = isinstance(node.value, int) and not isinstance(node.value, bool)
        return ast.copy_location(ast.Constant(float(node.value)), node) if exact else node

    def visit_Subscript(self, node):
        return node

    def visit_For(self, node):  # the range stays; the variable may be used as a number, where it is exact
        node.body = [self.visit(statement) for statement in node.body]
        return node

    def wrapped(self, name, *arguments):
        return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])

    def visit_BinOp(self, node):
        if isinstance(node.op, ast.Pow):
            return self.wrapped("product", self.visit(node.left), node.right)
        return self.wrapped("finite", self.generic_visit(node))

    def visit_Call(self, node):
        node.args = [self.visit(x) for x in node.args]
        return self.wrapped("finite", node)

    def visit_AugAssign(self, node):
        place = ast.Name(node.target.id, ast.Load())
        return ast.Assign([node.target], self.visit(ast.BinOp(place, node.op, node.value)))


class Entries:
    """Numbers with names and places; as an array of several numbers, it is no number itself."""

    def __init__(self, numbers):
        self.numbers = numbers

    def __getitem__(self, name):
        return self.numbers[name]

    __getattr__ = __getitem__

    def __bool__(self):
        raise TypeError

    __eq__ = __ne__ = __hash__ = lambda self, other=None: bool(self)


def numpys(function):
    """numpy's bits, as Python's float, and the error that Python's own function gives."""

    def call(*numbers):
        with np.errstate(all="ignore"):
            return finite(float(function(*map(float, numbers))))

    return call


class One(float):
    """A number that is an array of one number too."""

    def __getitem__(self, place):
        return (float(self),)[place]


CALLS = {name: numpys(function) for name, function in FUNCTIONS.items() if name not in ("abs", "min", "max")}
NAMES = {
    **CALLS,
    **{"abs": abs, "min": min, "max": max, "float": float, "range": range},
    **{
        "np": SimpleNamespace(**CALLS, abs=abs, absolute=abs, minimum=min, maximum=max, pi=math.pi),
        "finite": finite,
        "product": product,
    },
    "math": SimpleNamespace(**CALLS, fabs=abs, pi=math.pi),
}
NOTHING = (NothingError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError)


def by_python(text, row):
    """Value of a text of these tests in one row, by Python itself; None where it has none."""
    tree = ast.fix_missing_locations(Floats().visit(ast.parse(text)))
    names = dict(NAMES, __builtins__={})
    exec(compile(tree, "generated by a test", "exec"), names)
    step = {
        "obs": Entries({0: X[row], 1: Y[row], "x": X[row], "y": Y[row]}),
        "action": One(ACTION[row]),
        "next_obs": Entries([X[row] + 1.0, Y[row] + 1.0]),
        "info": Entries({"progress": PROGRESS[row]}),
        "terminated": ENDS[row] != 0.0,
    }
    (definition,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    try:
        return finite(names[definition.name](**{a.arg: step[a.arg] for a in definition.args.args}))
    except NOTHING:
        return None


def same_as_python(text):
    """Every row by itself, and all at once; the function that was read, as text, gives the same."""
    function = parse(text)
    assert isinstance(function, Function)
    expected = [by_python(text, row) for row in range(ROWS)]
    for one in (function, parse(unparse(function))):
        seen = []
        for row in range(ROWS):
            mask = np.arange(ROWS) == row
            if expected[row] is None:
                with pytest.raises(ValueError, match=r"has no finite value|no such number"):
                    run(one, read, mask)
            else:
                try:
                    found = run(one, read, mask)[row]
                except ValueError as error:  # an array of several numbers is no number, though Python may name it
                    assert str(error) in ("no such number: obs", "no such number: next_obs"), text
                    continue
                assert found == expected[row], text
                seen.append(found)
        if len(seen) == ROWS:
            assert run(one, read, ALL).tolist() == seen
    assert parse(unparse(function)) == function
    return expected


LEAVES = ["obs[0]", "obs.y", 'obs["x"]', "action[0]", "next_obs[1]", "info.progress", 'info["progress"]', "terminated"]
LEAVES += ["a", "b", "c", "0", "1", "2", "0.5", "-1", "1e-3", "3.25", "True", "np.pi"]
# lines for each of four ways to draw: an expression, a condition, a block of statements, and its end


@st.composite
def expressions(draw, deep=3, names=LEAVES):
    def inner():
        return draw(expressions(deep=deep - 1, names=names))

    kind = draw(st.integers(0, 9 if deep else 0))
    if kind <= 1:
        return draw(st.sampled_from(names))
    if kind <= 4:
        return f"({inner()} {draw(st.sampled_from('+-*/'))} {inner()})"
    if kind == 5:
        calls = ["abs", "np.abs", "math.fabs", "sqrt", "np.sqrt", "exp", "np.tanh", "math.log1p", "floor", "sign"]
        return f"{draw(st.sampled_from([*calls, 'float']))}({inner()})"
    if kind == 6:
        call = draw(st.sampled_from(["min", "max", "np.minimum", "np.maximum"]))
        return f"{call}({inner()}, {inner()})"
    if kind == 7:
        forms = ["({} if {} else {})", "({} {word} {} {word} {})", "np.clip({}, {}, {})", "({} < {} <= {})"]
        return draw(st.sampled_from(forms)).format(inner(), inner(), inner(), word=draw(st.sampled_from(["and", "or"])))
    if kind == 8:
        return f"(-{inner()})" if draw(st.booleans()) else f"({inner()} ** {draw(st.sampled_from(['2', '3', '0.5']))})"
    sign = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
    return f"({inner()} {sign} {inner()})" if draw(st.booleans()) else f"(not {inner()})"


@st.composite
def blocks(draw, deep=2, names=LEAVES):
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.integers(0, 8 if deep else 4))
        name = draw(st.sampled_from("abc"))
        if kind <= 2:
            lines.append(f"{name} = {draw(expressions(names=names))}")
        elif kind == 3:
            lines.append(f"{name} {draw(st.sampled_from(['+=', '-=', '*=', '/=']))} {draw(expressions(names=names))}")
        elif kind == 4:
            lines.append(f"a, b = b, {draw(expressions(deep=2, names=names))}")
        elif kind <= 7:
            lines.append(f"if {draw(expressions(deep=2, names=names))}:")
            lines += [f"    {line}" for line in draw(blocks(deep=deep - 1, names=names))]
            if draw(st.booleans()):
                lines.append(f"    return {draw(expressions(deep=1, names=names))}")
            if draw(st.booleans()):
                lines.append(draw(st.sampled_from(["else:", "elif a > b:"])))
                lines += [f"    {line}" for line in draw(blocks(deep=deep - 1, names=names))]
        else:
            lines.append(f"for i{deep} in range({draw(st.sampled_from(['1', '3', '1, 3', '2, 0, -1']))}):")
            inside = [*names, f"i{deep}", f"obs[i{deep} * 0 + 1]"]
            lines += [f"    {line}" for line in draw(blocks(deep=deep - 1, names=inside))]
    return lines


@st.composite
def functions(draw):
    body = ["a, b = 0, 1", "c = obs.x", *draw(blocks()), f"return {draw(expressions())}"]
    return "\n".join(["def reward(obs, action, next_obs, info, terminated):", *(f"    {line}" for line in body)])


@settings(max_examples=120, deadline=None)
@given(functions())
def test_the_value_is_pythons(text):
    try:
        parse(text)
    except ValueError as error:  # what was generated is of the language, but may be too long for it
        assert any(word in str(error) for word in ("parts", "deep", "characters")), error
        return
    same_as_python(text)


SEEDS = [
    """def reward(obs, action, next_obs, info, terminated):
    gap = abs(obs.x - 0.9)
    paid = gap - abs(next_obs[0] - 0.9)
    if gap < 0.1 and action[0] != 2:
        paid += 1
    elif gap < 0.5 or terminated:
        paid += 0.25
    else:
        return -1
    return np.clip(paid, -1, 1) if info["progress"] > 0 else 0.5 * paid
""",
    """def potential(obs, info):
    near, far = obs["x"] ** 2, info.progress
    for i in range(2):
        near = near + (i + 1) * obs[i]
        if near > 3:
            near = near / 2
    return max(near, far, 0) - math.sqrt(far) + (near and far)
""",
    """def f(obs, terminated):
    x = y = 0
    if terminated: return 10
    if obs.x > 0: x = 1 / obs.x
    if not x: y = x + 1
    return tanh(x) + y / 3 + (not y) + (x <= y < 2)
""",
]
ODD = [
    *("lambda: 1", "[1, 2]", "[x for x in (1, 2)]", "{1: 2}", "f'{1}'", "'text'", "b'1'", "None", "...", "(y := 2)"),
    *("obs", "obs[0][1]", "obs[-1]", "obs[0:1]", "obs.__class__", "info", "info[0]", "action.x", "terminated[0]"),
    *("x", "reward", "near", "i", "__name__", "np", "np.inf", "np.random", "math.e", "1j", "1e13", "10 ** 10"),
    *("__import__('os')", "eval('1')", "open('x')", "getattr(obs, 'x')", "f(obs)", "abs()", "abs(1, 2)", "max(1)"),
    *("max(*obs)", "abs(x=1)", "np.minimum(1, 2, 3)", "1 // 2", "1 % 2", "1 << 2", "~1", "1 is 1", "1 in obs"),
    *("obs.x ** 9", "obs.x ** -1", "obs.x ** True", "obs.x ** obs.y", "float('1')", "sum([1])", "range(3)", "1 @ 2"),
]
LINES = [
    *("import os", "from os import path", "while True: pass", "del obs", "assert obs", "raise ValueError", "global x"),
    *("with open('x') as f: pass", "try: pass\nexcept: pass", "def g(): return 1", "class A: pass", "return", "pass"),
    *("obs = 1", "obs.x = 1", "obs[0] = 1", "abs = 1", "_x = 1", "a, b = 1", "a, *b = 1, 2", "x: float", "x: os = 1"),
    *("for j in obs: pass", "for j in range(99): pass", "for j in range(0): pass", "break", "1", "print(1)", "yield 1"),
    *("for j in range(2): pass\nelse: pass", "x //= 2", "x **= 2", "match 1:\n    case _: pass", "nonlocal x", "x = y"),
]


class Mutation(ast.NodeTransformer):
    """Changes some nodes of a tree into others, among them many that are not allowed."""

    def __init__(self, rng):
        self.rng = rng
        self.pool = [node for text in SEEDS for node in ast.walk(ast.parse(text)) if isinstance(node, ast.expr)]

    def visit(self, node):
        node = self.generic_visit(node)
        at = self.rng.random()
        if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store) and at < 0.06:
            odd = ast.parse(self.rng.choice(ODD), mode="eval").body
            return self.rng.choice([odd, self.rng.choice(self.pool), self.rng.choice(self.pool)])
        if isinstance(node, ast.operator) and at < 0.1:
            kinds = [ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.FloorDiv, ast.BitOr]
            return self.rng.choice(kinds[:5] if self.rng.random() < 0.7 else kinds)()
        if isinstance(node, ast.cmpop) and at < 0.1:
            return self.rng.choice([ast.Lt, ast.GtE, ast.Eq, ast.NotEq, ast.Is, ast.In])()
        if isinstance(node, ast.boolop) and at < 0.2:
            return self.rng.choice([ast.And, ast.Or])()
        if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef) and at < 0.06:
            lines = ast.parse(self.rng.choice(LINES)).body if self.rng.random() < 0.3 else []
            return self.rng.choice([lines, [node, *lines], [*lines, node], [node, node]]) or ast.Pass()
        return node


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(SEEDS))
def test_a_mutated_function_is_refused_in_a_line_or_equal(seed, text):
    tree = Mutation(random.Random(seed)).visit(ast.parse(text))
    try:
        changed = ast.unparse(ast.fix_missing_locations(tree))
        ast.parse(changed)
    except (SyntaxError, ValueError):  # no text
        return
    try:
        parse(changed)
    except ValueError as error:
        said = str(error)
        assert said.startswith("not allowed: ") and said.isprintable() and len(said) < 300
    else:
        same_as_python(changed)


def test_most_mutations_are_refused_and_many_are_not():
    """The test above would say nothing if all went one way."""
    kept = 0
    for seed in range(200):
        tree = Mutation(random.Random(seed)).visit(ast.parse(SEEDS[seed % len(SEEDS)]))
        try:
            parse(ast.unparse(ast.fix_missing_locations(tree)))
            kept += 1
        except ValueError:
            pass
    assert 10 < kept < 150


# -- meaning ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "True and True",
        "1 and obs.x > 0",
        "obs.x or 0",
        "0 or obs.x",
        "not (obs.x and -0)",
        "-0 and 2 or float(1 and 3)",
    ],
)
def test_words_between_numbers(value):
    same_as_python(f"def f(obs): return {value}")


@pytest.mark.parametrize("text", SEEDS)
def test_the_functions_that_are_mutated(text):
    assert len(set(same_as_python(text))) > 2


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return obs[0]", X),
        ("return obs.y", Y),
        ("x, y = obs.x, obs.y\nx, y = y, x\nreturn x", Y),
        ("a = b = obs.x\na += 1\nreturn a - b", [1] * 6),
        ("x: float = 2\nreturn x", [2] * 6),
        ("'''words'''\n# more\npass\nreturn True", [1] * 6),
        ("paid = 0\nfor i in range(2):\n    paid += obs[i]\nreturn paid", [a + b for a, b in zip(X, Y, strict=True)]),
        ("s = 0\nfor i in range(5, 0, -2):\n    for j in range(i):\n        s += i * j\nreturn s", [59] * 6),
        ("return info.trust[1, 2] + info['trust'][3][4]", [46] * 6),
        ("for i in range(3):\n    if obs.x > i:\n        return i\nreturn -1", [-1, 0, -1, 0, 0, -1]),
        ("for i in range(3):\n    return i\n", [0] * 6),
        ("return obs.x and obs.y", [x and y for x, y in zip(X, Y, strict=True)]),
        ("return obs.x or obs.y", [x or y for x, y in zip(X, Y, strict=True)]),
        ("return (obs.x or obs.y or 7) and 5", [5] * 6),
        ("return (obs.x > 0) + (obs.x > 0 and obs.y > 0)", [0, 1, 0, 1, 2, 0]),
        ("if obs.x and obs.y: return 1\nreturn 0", [0, 1, 1, 0, 1, 1]),
        ("return -obs.x ** 2", [-(x * x) for x in X]),
        ("return (obs.x ** 2.0) ** 0.5", [abs(x) for x in X]),
        ("return 1 if 0 <= obs.x < 1 else 2 if terminated else 3", [1, 3, 2, 1, 2, 3]),
        ("if obs.x > 0:\n    y = 1\nelse:\n    y = 2\nreturn y", [2, 1, 2, 1, 1, 2]),
        ("if obs.x > 0:\n    y = 1\nelse:\n    return 9\nreturn y", [9, 1, 9, 1, 1, 9]),
        ("reward = action\nreturn float(reward)", ACTION),
    ],
)
def test_meaning(body, expected):
    assert value(body) == expected


def test_arguments_may_be_left_out_and_have_plain_annotations():
    text = "\n# first\r\n\n  # more\ndef f(info: dict, obs: np.ndarray) -> float: return obs[0] + info.progress"
    assert run(from_python(text), read, ALL).tolist() == [a + b for a, b in zip(X, PROGRESS, strict=True)]


def test_lines_are_counted_from_the_first():
    with pytest.raises(ValueError, match="not allowed: import in line 5;"):
        from_python("\n# first\r\n\ndef f(obs):\n import os")
    with pytest.raises(ValueError, match=r"not allowed: line 4; .* got invalid syntax"):
        from_python("\n# first\n\ndef f(obs): return +")


def test_a_condition_guards_and_an_assignment_does_not():
    assert value("if obs.x == 0: return 9\nreturn 1 / obs.x")[:2] == [9, 1]
    with pytest.raises(ValueError, match=r"1 / obs\.x has no finite value: it is of 1 and 0 here"):
        value("y = 1 / obs.x\nreturn y if obs.x != 0 else 0")  # ZeroDivisionError in Python too
    with pytest.raises(ValueError, match="has no finite value"):
        value("y = 1e12\nfor i in range(30):\n    y *= 1e12\nreturn 1 / y")  # Python would go on with inf


def test_time_and_size_are_those_of_the_text():
    """A value that is doubled sixty times is sixty statements, and not 2**60 parts."""
    lines = ["    x = obs.x", *["    x = x + x"] * 60, "    return x / 1048576 ** 3"]
    function = from_python("\n".join(["def f(obs):", *lines]))
    assert function.size < 260 and run(function, read, ALL).tolist() == X
    ifs = ["    x = 0", *["    if obs.x > 0: x += 1"] * 60, "    return x"]
    assert run(from_python("\n".join(["def f(obs):", *ifs])), read, ALL).tolist() == [0, 60, 0, 60, 60, 0]


# -- text and file ---------------------------------------------------------------------------------------------------


def test_the_only_form_of_a_text():
    text = "def f(obs,info):\n if obs.x>0:x=1;y=2\n elif not obs.x:x,y=3,4\n else:"
    text += "\n  pass;return info['a'][0,1]\n return x"
    assert unparse(parse(text)) == (
        "def f(obs, info):\n    if obs.x > 0:\n        x = 1\n        y = 2\n    elif not obs.x:\n        x, y = 3, 4\n"
        "    else:\n        return info.a[0,1]\n    return x"
    )
    assert [unparse(one) for one in reads_of(parse(text))] == ["obs.x", "info.a[0,1]"]


def test_both_kinds_of_text_go_through_one_door():
    assert evaluate(parse("obs[0] + 1"), read, ALL).tolist() == [x + 1 for x in X]
    assert evaluate(parse("\n def f(obs): return obs[0] + 1".lstrip()), read, ALL).tolist() == [x + 1 for x in X]
    with pytest.raises(TypeError, match="expression must be a text"):
        parse(None)
    with pytest.raises(ValueError, match=r"^a function has at most 4000 characters, got 4028$"):
        parse(f"def f(obs): return 1\n# {'x' * 4004} ")
    with pytest.raises(TypeError, match="function must be a text"):
        from_python(b"def f(obs): return 1")


NAMED = """def reward(obs, action, next_obs):
    paid = next_obs.x - obs.x
    if action[0] >= 2: paid = -0.5
    return paid
"""


def grid(**keywords):
    return gym.make_vec("payoff/GridNav-v0", num_envs=4, vectorization_mode="vector_entry_point", **keywords)


def test_a_file_pays_the_same_as_the_expression(tmp_path):
    env = grid()
    reward = ExpressionReward(NAMED, names=observation_names(env))
    save_reward(tmp_path / "reward.safetensors", reward)
    again = load_reward(tmp_path / "reward.safetensors")
    assert isinstance(again, ExpressionReward) and again.tree == reward.tree
    assert again.settings()["text"].splitlines()[1] == "    paid = next_obs[0] - obs[0]"
    other = ExpressionReward("next_obs.x - obs.x if action[0] < 2 else -0.5", names=observation_names(env))
    one, two = wrap(env, again), wrap(grid(), other)
    one.reset(seed=0)
    two.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.integers(0, 4, 4)
        np.testing.assert_array_equal(one.step(actions)[1], two.step(actions)[1])


def test_a_forged_file_is_refused(tmp_path):
    path = tmp_path / "reward.safetensors"
    settings = {"text": "def f(obs):\n import os\n return 1", "added": False, "limit": 1.0}
    save_arrays(path, {}, {"kind": "ExpressionReward", "settings": settings}, "reward")
    with pytest.raises(ValueError, match=r"cannot be used: .*import in line 2"):
        load_reward(path)


def test_a_potential_is_a_function_of_the_state():
    names = observation_names(grid())
    how = {"gamma": 0.9, "on_truncation": "terminal"}
    text = "def potential(obs, info):\n    near = obs.x\n    return near + obs.y"
    one = wrap(grid(), PotentialShaping(from_expression(text, names=names), **how))
    two = wrap(grid(), PotentialShaping(from_expression("obs.x + obs.y", names=names), **how))
    one.reset(seed=3)
    two.reset(seed=3)
    for t in range(60):
        np.testing.assert_array_equal(one.step(np.full(4, t % 4))[1], two.step(np.full(4, t % 4))[1])
    with pytest.raises(ValueError, match=r"a potential is of a state .* got next_obs\[0\]"):
        from_expression("def f(obs, next_obs):\n    if next_obs[0]: return 1\n    return 0")


def test_the_verdict_on_a_function():
    env = grid(info="full")
    verdict = check_expression(env, NAMED, use="reward", steps=50)
    assert verdict.passed and verdict.text == unparse(parse(NAMED)).replace("obs.x", "obs[0]")
    assert verdict.findings[0].words == "12 parts"
    (finding,) = check_expression(
        env, NAMED.replace("paid = -", "other = -").replace("return paid", "return other")
    ).findings
    assert finding.words == "not allowed: 'other' in line 4; it has no value on some of the ways to this line"
    assert check_expression(env, NAMED.replace("obs.x", "obs.z"), use="reward").findings[1].name == "reads"


def test_what_is_too_long_when_written_out_is_refused_before_use():
    name = "n" * 80
    text = f"def f(info):\n x = 0\n for i in range(64): x += info.{name}[i]\n return x"
    with pytest.raises(ValueError, match=r"not allowed: \d+ characters with loops written out; there may be 4000"):
        ExpressionReward(text)
    message = "with indices for names, a text must have at most 4000 characters, got"
    with pytest.raises(ValueError, match=message):  # one that can be read, whose only form has many more brackets
        ExpressionReward(f"max({','.join(['-info.' + 'n' * 25 + '/1'] * 105)})")
    names = [*(f"x{i}" for i in range(10_000)), "y"]
    text = f"max({','.join(['obs.y'] * 490)})"
    assert not (verdict := check_expression(grid(info="full"), text, names=names)).passed
    assert verdict.findings[-1].name == "reads" and message in verdict.findings[-1].words


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import os\nreturn 1", "not allowed: import in line 2; a function has assignments, if, for over range, pass"),
        ("return nothing", "not allowed: 'nothing' in line 2; unknown name; here are obs, action"),
        ("paid = 1\nreturn paib", r"'paib' in line 3; unknown name \(did you mean 'paid'\?\); here are obs"),
        ("if obs.x: y = 1\nreturn y", "'y' in line 3; it has no value on some of the ways to this line"),
        ("y += 1\nreturn y", "'y' in line 2; unknown name"),
        ("pass", "'reward' in line 1; every way through a function must end with return"),
        ("if obs.x: return 1", "every way through a function must end with return"),
        ("return 1\nreturn 2", "return in line 3; nothing may follow a return"),
        ("return", "return must be followed by a number"),
        ("return obs.x // 2", "not allowed: floor div in line 2; write floor"),
        ("return obs.x % 2", r"not allowed: mod in line 2; write a - b \* floor"),
        ("return obs.x ** 9", "an exponent is a plain number, 1 .. 8 or 0.5"),
        ("return obs.x is 1", "not allowed: is in line 2; comparisons are < <= > >= == !="),
        ("return abs(1, 2)", "not allowed: 'abs' in line 2; abs takes 1 argument, got 2"),
        ("return np.minimum(1, 2, 3)", "'minimum' in line 2; it takes 2 numbers"),
        ("return np.mim(1, 2)", r"'mim' in line 2; calls are of abs, min, .* \(did you mean 'min'\?\)"),
        ("return sum(obs)", "'sum' in line 2; calls are of abs, min"),
        ("return max(1, key=2)", "'key' in line 2; arguments of a call have no names"),
        ("return obs[-1]", "an index is a whole number, 0 or more"),
        ("return obs[obs.x]", "an index or a range is of whole numbers and variables of loops"),
        ("return obs.__class__", "'__class__' in line 2; an entry has one name, which begins with a letter"),
        ("return action.x", "name must be empty or a word, and is of obs, next_obs or info"),
        ("return info", "info needs the name of an entry"),
        ("return 1e13", r"numbers are at most 1e\+12 in size"),
        ("for i in range(65): pass\nreturn 1", "a loop has 1 to 64 turns"),
        ("for i in range(0): pass\nreturn 1", "a loop has 1 to 64 turns"),
        ("for i in range(0, 5, 0): pass\nreturn 1", "the step of a range must not be 0"),
        ("for i in obs: pass\nreturn 1", r"a loop is over range\(...\) of plain numbers"),
        ("for i in range(3): i = 1\nreturn 1", "the variable of a loop cannot be assigned to"),
        ("i = 0\nfor i in range(3): pass\nreturn i", "the variable of a loop must have a name of its own"),
        ("for i in range(3): pass\nreturn i", "'i' in line 3; unknown name"),
        ("for i in range(3): break\nreturn 1", "break in line 2; a function has"),
        ("abs = 1\nreturn 1", "abs has a meaning already"),
        ("obs = 1\nreturn 1", "obs has a meaning already"),
        ("_x = 1\nreturn 1", "a name begins with a letter"),
        ("x, y = 1\nreturn 1", "only a name can be assigned to"),
        ("x, y = 1, 2, 3\nreturn 1", "there must be as many names as values"),
        ("x: os.path.join = 1\nreturn 1", "an annotation is a name"),
        ("x = 1\ndef g(): return 1\nreturn 1", "'g' in line 3; a function has"),
        ("return 1 +", "not allowed: line 2; the text must be one def and nothing else, got invalid syntax"),
        ("return '\u0430'", r"not allowed: '\\u0430' in line 2; letters, digits and signs of ASCII alone"),
        ("return " + "-" * 3000 + "1", "Python cannot read it; it is nested too deeply"),
        ("return " + "not " * 200 + "1", "a function is at most 100 deep"),
        ("return " + "1+" * 90 + "1", "in line 2; an expression is at most 64 deep"),
    ],
)
def test_reasons(body, message):
    with pytest.raises(ValueError, match=message):
        value(body)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(x): return 1", r"'x' in line 1; arguments are some of obs, next_obs, action, info, terminated"),
        ("def f(obz): return 1", r"arguments are some of .* \(did you mean 'obs'\?\)"),
        ("def f(obs=1): return 1", "arguments have no defaults"),
        ("def f(obs=print('x')): return 1", "arguments have no defaults"),
        ("def f(*obs): return 1", "arguments are some of"),
        ("def f(**obs): return 1", "arguments are some of"),
        ("def f(*, obs=1): return 1", "arguments are some of"),
        ("def f(obs, /): return 1", "arguments are some of"),
        ("def f(obs, obs): return 1", "an argument stands there once"),
        ("def f(obs: print('x')): return 1", "an annotation is a name"),
        ("def f(obs: 'x'): return 1", "an annotation is a name"),
        ("@f\ndef f(obs): return 1", "'f' in line 1; a function has no decorators"),
        ("def max(obs): return 1", "max has a meaning already"),
        ("def _f(obs): return 1", "a name begins with a letter"),
        ("def f(obs): return info.x", "'info' in line 1; it is no argument of the function; here are obs"),
        ("def f(): return obs", "here are none"),
        (
            "import os\ndef f(obs): return 1",
            "line 1; the text must be one def and nothing else, got multiple statements found",
        ),
        ("def f(obs): return 1\nf(1)", "line 2; the text must be one def and nothing else"),
        ("def f(obs): return 1\ndef g(obs): return 1", "line 2; the text must be one def and nothing else"),
        ("async def f(obs): return 1", "line 1; the text must be one def and nothing else"),
        ("def f(obs): return f(obs)", "'f' in line 1; calls are of"),
    ],
)
def test_what_a_definition_may_be(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


LOOPS = "".join(f"{' ' * k}for i{k} in range(64):\n" for k in range(1, 6))


@pytest.mark.parametrize(
    "body",
    [
        LOOPS + "      pass",
        LOOPS + "      x = 1",
        " x = 1\n for i in range(64): x = " + "+".join(["x"] * 50),
        " for i in range(64): x = obs[" + "+".join(["(0+0+0+0+0)"] * 60) + "]",
        " x = " + "(" * 4 + "obs.x" + " ** 8)" * 4,
        "".join(" " + "=".join("abcdefgh" * 40) + "= obs[0]\n" for _ in range(4)),
        "".join(f" if obs[{i}]: x = 1\n" for i in range(90)) + " y = obs[0] + obs[1] * 3 / 7\n" * 60,
        " x = " + " or ".join(["(obs[0] or (obs[1] or (obs[2] or obs[3])))"] * 40),
    ],
    ids=range(8),
)
def test_what_grows_is_refused_soon(body):
    text = f"def f(obs):\n{body}\n return 1"
    began = time.process_time()
    with pytest.raises(ValueError, match=r"at most (1000|500) parts"):
        parse(text)
    assert time.process_time() - began < 0.5 and len(text) <= MOST_LETTERS and MOST_PARTS == 1000


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="def rwx(obs):\n =1+-*/<>[].,'\"#\\@if", max_size=80))
def test_any_text_is_refused_in_a_line_or_read(tail):
    for text in (tail, f"def f(obs):{tail}", f"def f(obs):\n return {tail}"):
        try:
            function = parse(text)
        except ValueError as error:
            assert str(error).isprintable() and len(str(error)) < 300
        else:
            assert parse(unparse(function)) == function


def test_to_python_is_what_from_python_reads():
    text = to_python(from_python("def f(obs):\n if obs[0]: pass\n return 1"))
    assert text == "def f(obs):\n    if obs[0]:\n        pass\n    return 1" and to_python(from_python(text)) == text
