"""Tables, figures and the page: the numbers in them, and that the page needs nothing but itself."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest

from payoff.baselines import figures
from payoff.baselines.report import across_games, by_game, write_report

GAMES = {"payoff/A-v0": (100.0, 200.0), "payoff/B-v0": (1000.0, 3000.0)}  # random, best constant
COMMAND = "payoff ablate --rewards private 'svo:0.5' <&> --out results"


def row(env_id="payoff/A-v0", reward="private", seed=1, welfare=150.0, **changes):
    low, high = GAMES[env_id]
    steps = [1000.0, 2000.0, 3000.0]
    return {
        "run_id": f"{env_id}{reward}{seed}",
        "status": "ok",
        "message": None,
        "env_id": env_id,
        "reward": reward,
        "algo": "ippo",
        "seed": seed,
        "hyperparameters": '{"learning_rate": 0.001}',
        "payoffs": [welfare / 2, welfare / 2],
        "welfare": welfare,
        "welfare_random": low,
        "welfare_best": high,
        "best_kind": "constant",
        "score": (welfare - low) / (high - low),
        "welfare_ratio": welfare / high,
        "fairness_jain": 1.0,
        "fairness_worst_off": welfare / 2,
        "cooperation": 0.4,
        "cooperation_by_step": [0.4] * 10,
        "episode_length": 10.0,
        "evaluation_episodes": 10,
        "steps": 3000,
        "wall_seconds": 2.0,
        "cpu_seconds": 1.5,
        "curve_step": steps,
        "curve_welfare": [welfare / 4, None, welfare],
        "payoff_version": "0.1.0",
        "python_version": "3.11.7",
        "numpy_version": "2.4.6",
        "numba_version": "0.68.1",
        "torch_version": None,
        "gymnasium_version": "1.4.0",
        "cpu_model": "a processor",
        "cores": 2,
        **changes,
    }


def failed(**changes):
    empty = dict.fromkeys(
        ("payoffs", "welfare", "score", "evaluation_episodes", "steps", "wall_seconds", "cpu_seconds")
    )
    return row() | {"status": "failed", "message": "NotFiniteError: <loss> is nan\nTraceback ...", **empty, **changes}


TWO = [
    row("payoff/A-v0", "private", 1, 120.0),
    row("payoff/A-v0", "private", 2, 140.0),
    row("payoff/A-v0", "cooperative", 1, 180.0),
    row("payoff/A-v0", "cooperative", 2, 130.0),
    row("payoff/B-v0", "private", 1, 1400.0),
    row("payoff/B-v0", "private", 2, 1800.0),
    row("payoff/B-v0", "cooperative", 1, 2800.0),
    row("payoff/B-v0", "cooperative", 2, 2600.0),
]


def test_by_game_by_hand():
    lines = by_game(TWO).lines
    assert [line[:3] for line in lines] == [
        ("A-v0", "private", "2"),
        ("A-v0", "cooperative", "2"),
        ("B-v0", "private", "2"),
        ("B-v0", "cooperative", "2"),
    ]
    # Two seeds: each extreme has a quarter of the resamples, so the 95 % interval is [min, max].
    assert lines[0][3] == "130 [120, 140]" and lines[3][3] == "2700 [2600, 2800]"
    assert [line[4] for line in lines] == ["0.300", "0.550", "0.300", "0.850"]


def test_across_games_by_hand():
    table = across_games(TWO)
    assert table.title == "Across 2 games"
    # private: 0.2, 0.4, 0.2, 0.4; cooperative: 0.8, 0.3, 0.9, 0.8; the middle two are averaged.
    assert [(line[0], line[1], line[2].split()[0]) for line in table.lines] == [
        ("private", "4", "0.300"),
        ("cooperative", "4", "0.800"),
    ]
    # Pairs in which cooperative scores higher: 3 of 4 in A, 4 of 4 in B.
    assert [line[3] for line in table.lines] == ["", "0.88"]
    assert table.header[3] == "P(better than private)"


def test_a_game_that_lacks_a_reward_is_left_out_of_the_comparison_across_games():
    table = across_games([r for r in TWO if (r["env_id"], r["reward"]) != ("payoff/B-v0", "cooperative")])
    assert table.title == "Across 1 game"
    assert [line[2].split()[0] for line in table.lines] == ["0.300", "0.550"]


def test_failed_runs_are_in_no_mean():
    assert by_game([row(seed=1, welfare=150.0), failed(seed=2)]).lines[0][2:4] == ("1", "150 [150, 150]")
    assert by_game([failed()]).lines == () and across_games([failed()]).lines == ()


def test_undefined_measures_are_left_empty():
    (line,) = by_game([row(cooperation=None, fairness_jain=None, score=None, welfare_ratio=None)]).lines
    assert (line[4], line[5], line[7], line[8]) == ("", "", "", "")


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.images, self.open, self.words = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.links += [found[k] for k in ("src", "href") if k in found]
        if tag == "img":
            self.images.append(found)
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_page_is_whole_and_self_contained(tmp_path):
    rows = [*TWO, failed(seed=3)]
    text = write_report(tmp_path, rows, COMMAND).read_text()
    page = Page(text)
    assert page.open == []
    assert len(page.images) == 3 and all(image["alt"] for image in page.images)
    assert all(link.startswith("data:image/svg+xml;base64,") for link in page.links)
    assert not re.search(r"@import|url\(|<script|<link", text)
    svg = base64.b64decode(page.images[0]["src"].partition(",")[2])
    assert svg.startswith(b"<?xml") and b"<svg" in svg
    words = " ".join(page.words)
    for expected in (COMMAND, "NotFiniteError: <loss> is nan", "a processor", "0.68.1", "2700 [2600, 2800]"):
        assert expected in words
    assert "each played 10 episodes without exploration" in words
    assert "Traceback" not in words and "(welfare - random) / (best - random)" in words
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["cooperation_within_episode.png", "learning_curves.png", "welfare_by_reward.png"]


def test_page_of_nothing_but_failures(tmp_path):
    text = write_report(tmp_path, [failed()], COMMAND).read_text()
    assert "1 run(s) failed" in text and "<img" not in text


def lines_of(figure, label):
    return [line for axes in figure.axes for line in axes.get_lines() if line.get_label() == label]


def test_learning_curve_is_the_mean_over_seeds_and_bridges_points_without_episodes():
    figure = figures.learning_curves(figures.cells(TWO[:2]))
    (line,) = lines_of(figure, "private")
    assert line.get_xdata() == pytest.approx([1.0, 2.0, 3.0])  # thousands
    # (120 + 140) / 2 = 130 at the end, a quarter of it at the start, the middle interpolated
    assert line.get_ydata() == pytest.approx([32.5, 81.25, 130.0])
    assert lines_of(figure, "random")[0].get_ydata()[0] == 100.0
    assert lines_of(figure, "best constant")[0].get_ydata()[0] == 200.0


def notes(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_random_play_far_away_does_not_flatten_the_rest():
    # Policies and best constant span 120 .. 200; random play at 100 is near, at -900 it is named and left outside.
    near = figures.welfare_by_reward(figures.cells(TWO[:4]))
    assert notes(near) == [] and near.axes[0].get_ylim()[0] < 100
    far = figures.welfare_by_reward(figures.cells([r | {"welfare_random": -900.0} for r in TWO[:4]]))
    assert notes(far) == ["random: -900 ↓"] and 90 < far.axes[0].get_ylim()[0] < 120


def test_names_that_do_not_fit_below_the_axis_are_in_the_legend():
    long = [row(reward=f"inequity_aversion:0.{k},0.315") for k in range(3)]
    figure = figures.welfare_by_reward(figures.cells(long))
    assert {label.get_text() for label in figure.axes[0].get_xticklabels()} == {""}
    assert {text.get_text() for text in figure.legends[0].get_texts()} >= {r["reward"] for r in long}


def test_one_reward_has_one_colour_in_all_figures():
    groups = figures.cells(TWO)
    colours = {}
    for draw in (figures.learning_curves, figures.cooperation_within_episode):
        for name in ("private", "cooperative"):
            colours.setdefault(name, set()).update(line.get_color() for line in lines_of(draw(groups), name))
    assert all(len(found) == 1 for found in colours.values()) and colours["private"] != colours["cooperative"]


def test_mean_cooperation_stops_where_the_first_episode_ends():
    rows = [row(seed=1, cooperation_by_step=[0.2] * 10), row(seed=2, cooperation_by_step=[0.6] * 4)]
    figure = figures.cooperation_within_episode(figures.cells(rows))
    (mean,) = lines_of(figure, "private")
    assert mean.get_ydata() == pytest.approx([0.4] * 4)
    assert sorted(len(line.get_xdata()) for line in figure.axes[0].get_lines()) == [4, 4, 10]


def test_games_without_shares_have_no_cooperation_figure():
    assert figures.cooperation_within_episode(figures.cells([row(cooperation_by_step=None)])) is None


def test_seven_games_fill_three_columns_and_same_rows_give_the_same_file():
    rows = [row(reward=reward) | {"env_id": f"payoff/G{k}-v0"} for k in range(7) for reward in ("private", "svo:0.5")]
    groups = figures.cells(rows)
    figure = figures.welfare_by_reward(groups)
    assert [axes.get_visible() for axes in figure.axes] == [True] * 7 + [False] * 2
    again = figures.welfare_by_reward(groups)
    assert figures.encode(figure, "svg") == figures.encode(again, "svg")
    assert figures.encode(figure, "png").startswith(b"\x89PNG\r\n\x1a\n")
