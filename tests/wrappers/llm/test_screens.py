"""Screens show what the names of an observation say, and no more than the crop lets them."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import payoff  # noqa: F401  registers the ids
from payoff.wrappers import NamedScreen, observation_names

ID = "payoff/KeyRoom-v0"


def room(copies=1, **settings):
    return gym.make_vec(ID, copies, "vector_entry_point", info="full", size=6, **settings)


def test_a_map_and_what_stands_beside_it():
    names = [f"{thing}[{x},{y}]" for thing in ("wall", "key", "seat") for y in (1, 2) for x in (1, 2, 3)]
    obs = np.zeros((1, 20))
    obs[0, [0, 7, 17, 18]] = 1.0
    obs[0, 19] = 0.3456
    text = NamedScreen([*names, "carries_the_key", "speed"])(obs, None)[0]
    assert text == "#k.\n..@\n#: wall, k: key, @: seat\ncarries the key, speed 0.346"
    assert NamedScreen([*names, "carries_the_key", "speed"], crop=3)(obs, None)[0] == (
        "k.#\n.@#\n###\n#: wall, k: key, @: seat\ncarries the key"
    )


def test_rows_come_as_they_are_listed():
    """KeyRoom's window lists the farthest row first, and says which coordinate is which in words."""
    env = room(observe="private", view=3)
    obs, _ = env.reset(seed=3)
    screen = NamedScreen(observation_names(env))
    cells = np.asarray(obs[0, :45]).reshape(5, 3, 3)
    drawn = screen(obs, None)[0].split("\n")[:3]
    for y in range(3):
        for x in range(3):
            assert drawn[y][x] == ("#klog"[int(cells[:, y, x].argmax())] if cells[:, y, x].any() else ".")


def test_a_game_is_seen_whole_or_around_the_seat():
    env = room()
    obs, _ = env.reset(seed=1)
    names = observation_names(env)
    whole, window = NamedScreen(names)(obs, None)[0].split("\n"), NamedScreen(names, crop=3)(obs, None)[0].split("\n")
    assert [len(line) for line in whole[:4]] == [4] * 4 and "key ahead" in whole[-1]
    assert [len(line) for line in window[:3]] == [3] * 3 and window[1][1] == "@" and "key ahead" not in window[-1]
    padded = ["######", *(f"#{line}#" for line in whole[:4]), "######"]
    (y,), (x,) = zip(*[(y, line.index("@")) for y, line in enumerate(padded) if "@" in line], strict=True)
    assert window[:3] == [line[x - 1 : x + 2] for line in padded[y - 1 : y + 2]]
    assert "heading" in window[-1]


def test_without_cells_numbers_are_listed():
    assert NamedScreen(("position", "velocity", "rest"))(np.array([[-0.12345, 2.0, 0.0]]), None) == [
        "position -0.123, velocity 2"
    ]


def test_values_of_cells_that_are_no_flags_are_told():
    assert NamedScreen(("number[1,1]", "number[1,2]"))(np.array([[1.0, 0.25]]), None)[0].split("\n")[-1] == (
        "number[1,2] 0.25"
    )


def test_every_row_has_its_own_text():
    env = room(5)
    obs, _ = env.reset(seed=2)
    screen = NamedScreen(observation_names(env), crop=3)
    assert screen(obs, None) == [NamedScreen(observation_names(env), crop=3)(row[None], None)[0] for row in obs]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"names": ()}, "names must be at least one"),
        ({"names": ("x",), "crop": 3}, "crop must be odd, and the names must have cells with a seat"),
        ({"names": ("seat[1,1]", "seat[1,2]"), "crop": 2}, "crop must be odd"),
        ({"names": ("x",), "crop": -1}, "crop must be"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        NamedScreen(**settings)
    with pytest.raises(ValueError, match="names must be one for each of 2 numbers, got 1"):
        NamedScreen(("x",))(np.zeros((3, 2)), None)
