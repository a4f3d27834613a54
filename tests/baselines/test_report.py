"""Tables, figures and the page: the numbers in them, and that the page needs nothing but itself."""

from __future__ import annotations

import base64
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from payoff.baselines import figures
from payoff.baselines.cells import arrange
from payoff.baselines.report import by_game, compare, tables, write_report

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
    table = by_game(TWO)
    assert [line[:3] for line in table.lines] == [
        ("A-v0", "private", "2"),
        ("A-v0", "cooperative", "2"),
        ("B-v0", "private", "2"),
        ("B-v0", "cooperative", "2"),
    ]
    assert table.header[:4] == ("environment", "reward", "seeds", "welfare (range of seeds)")
    assert table.lines[0][3] == "130 (120 to 140)" and table.lines[3][3] == "2700 (2600 to 2800)"
    assert [line[4] for line in table.lines] == ["0.300", "0.550", "0.300", "0.850"]
    assert "no confidence interval" in " ".join(table.notes)


def test_one_seed_gets_neither_interval_nor_range_nor_chance():
    rows = [r for r in TWO if r["seed"] == 1]
    table = by_game(rows)
    assert table.header[3] == "welfare" and [line[3] for line in table.lines] == ["120", "180", "1400", "2800"]
    compared = compare(rows, "reward")
    assert compared.title == "By reward: score"
    # IQM of two scores is their mean: (0.2 + 0.2) / 2, (0.8 + 0.9) / 2
    assert compared.lines[-1] == ("IQM of all", "0.200", "0.850")
    assert not any(mark in cell for line in (*table.lines, *compared.lines) for cell in line for mark in "[(")
    assert compared.notes[0].startswith("One seed: nothing is known")


def test_from_five_seeds_on_there_is_an_interval_of_the_mean():
    scores = [0.1, 0.4, 0.5, 0.9, 1.0]
    rows = [row(seed=k, welfare=100 + 100 * x) for k, x in enumerate(scores)]
    (line,) = by_game(rows).lines
    assert by_game(rows).header[3] == "welfare [95 % bootstrap]"
    mean, low, high = map(float, re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", line[3]).groups())
    # The 3125 equally likely resamples of five, counted out.
    means = np.sort([np.mean(draw) for draw in itertools.product(scores, repeat=5)])
    exact = 100 + 100 * np.quantile(means, [0.025, 0.975])
    assert mean == pytest.approx(158.0) and [low, high] == pytest.approx(exact, abs=2.5)
    assert by_game(rows[:4]).lines[0][3] == "147.5 (110 to 190)"


def test_comparison_along_the_reward_by_hand():
    table = compare(TWO, "reward")
    assert table.title == "By reward: score (range of seeds)" and table.header == (
        "environment",
        "private",
        "cooperative",
    )
    assert table.lines[:2] == (
        ("A-v0", "0.300 (0.200 to 0.400)", "0.550 (0.300 to 0.800)"),
        ("B-v0", "0.300 (0.200 to 0.400)", "0.850 (0.800 to 0.900)"),
    )
    # private: 0.2, 0.4, 0.2, 0.4; cooperative: 0.8, 0.3, 0.9, 0.8; the middle two are averaged. By seed: private 0.2
    # and 0.4; cooperative (0.8 + 0.9) / 2 and (0.3 + 0.8) / 2.
    assert table.lines[2] == ("IQM of all", "0.300 (0.200 to 0.400)", "0.800 (0.550 to 0.850)")
    # Pairs in which cooperative scores higher: 3 of 4 in A, 4 of 4 in B.
    assert table.lines[3] == ("P(better than private)", "", "0.88")


def test_a_game_that_lacks_a_point_is_in_the_table_and_not_in_its_last_lines():
    table = compare([r for r in TWO if (r["env_id"], r["reward"]) != ("payoff/B-v0", "cooperative")], "reward")
    assert [line[0] for line in table.lines] == ["A-v0", "B-v0", "P(better than private)"]
    assert table.lines[1][2] == "" and table.lines[2][2] == "0.75"


def test_a_table_for_each_axis_that_varies_with_the_others_as_lines():
    rows = [
        row(seed=seed, welfare=welfare, bonus=bonus, partners=partners)
        for bonus, partners, values in [
            ("none", "random", (110.0, 120.0)),
            ("count:0.1", "random", (130.0, 140.0)),
            ("none", "reciprocator", (150.0, 160.0)),
            ("count:0.1", "reciprocator", (120.0, 180.0)),
        ]
        for seed, welfare in zip((1, 2), values, strict=True)
    ]
    first, by_bonus, by_partners = tables(rows)
    assert first.header[:4] == ("environment", "bonus", "partners", "seeds")
    assert first.lines[1][:4] == ("A-v0", "count:0.1", "random", "2")
    assert by_bonus.header == ("environment", "partners", "none", "count:0.1")
    assert [line[:2] for line in by_bonus.lines[:2]] == [("A-v0", "random"), ("A-v0", "reciprocator")]
    assert by_bonus.lines[0][2:] == ("0.150 (0.100 to 0.200)", "0.350 (0.300 to 0.400)")
    # with count: 4 of 4 pairs higher beside random, 2 of 4 beside reciprocator
    assert by_bonus.lines[-1] == ("P(better than none)", "", "", "0.75")
    assert by_partners.header == ("environment", "bonus", "random", "reciprocator")
    assert by_partners.title == "By partners: score (range of seeds)"


def test_parameters_and_settings_are_named_where_they_differ():
    rows = [
        row(seed=1, env_params=f'{{"max_steps": 9, "size": {size}}}', hyperparameters=f'{{"gamma": {gamma}, "lam": 1}}')
        for size in (5, 8)
        for gamma in (0.9, 0.99)
    ]
    table = by_game(rows)
    assert [line[:2] for line in table.lines] == [
        (f"A-v0 size={size}", f"ippo gamma={gamma}") for size in (5, 8) for gamma in (0.9, 0.99)
    ]
    assert compare(rows, "params").header == ("environment", "algorithm", "size=5", "size=8")


def test_failed_runs_are_in_no_mean():
    assert by_game([row(seed=1, welfare=150.0), failed(seed=2)]).lines[0][2:4] == ("1", "150")
    assert tables([failed()]) == [] and compare([failed()], "reward").lines == ()


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
    text = write_report(tmp_path, rows, COMMAND, "seeds = [1, 2]\n").read_text()
    page = Page(text)
    assert page.open == []
    assert len(page.images) == 3 and all(image["alt"] for image in page.images)
    assert all(link.startswith("data:image/svg+xml;base64,") for link in page.links)
    assert not re.search(r"@import|url\(|<script|<link", text)
    svg = base64.b64decode(page.images[0]["src"].partition(",")[2])
    assert svg.startswith(b"<?xml") and b"<svg" in svg
    words = " ".join(page.words)
    for expected in (
        COMMAND,
        "NotFiniteError: <loss> is nan",
        "a processor",
        "0.68.1",
        "2700 (2600 to 2800)",
        "seeds = [1, 2]",
    ):
        assert expected in words
    assert "each played 10 episodes without exploration" in words
    assert "Bars: smallest to largest of 2 seeds" in words
    assert "Traceback" not in words and "(welfare - random) / (best - random)" in words
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["cooperation_within_episode.png", "learning_curves.png", "welfare.png"]


def test_page_of_nothing_but_failures(tmp_path):
    text = write_report(tmp_path, [failed()], COMMAND).read_text()
    assert "1 run(s) failed" in text and "<img" not in text


def lines_of(figure, label):
    return [line for axes in figure.axes for line in axes.get_lines() if line.get_label() == label]


def test_learning_curve_is_the_mean_over_seeds_and_bridges_points_without_episodes():
    figure = figures.learning_curves(arrange(TWO[:2]))
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
    near = figures.welfare(arrange(TWO[:4]))
    assert notes(near) == [] and near.axes[0].get_ylim()[0] < 100
    far = figures.welfare(arrange([r | {"welfare_random": -900.0} for r in TWO[:4]]))
    assert notes(far) == ["random: -900 ↓"] and 90 < far.axes[0].get_ylim()[0] < 120


def test_names_that_do_not_fit_below_the_axis_are_in_the_legend():
    long = [row(reward=f"inequity_aversion:0.{k},0.315") for k in range(3)]
    figure = figures.welfare(arrange(long))
    assert list(figure.axes[0].get_xticklabels()) == []
    assert {text.get_text() for text in figure.legends[0].get_texts()} >= {r["reward"] for r in long}


def test_one_reward_has_one_colour_in_all_figures():
    groups = arrange(TWO)
    colours = {}
    for draw in (figures.learning_curves, figures.cooperation_within_episode):
        for name in ("private", "cooperative"):
            colours.setdefault(name, set()).update(line.get_color() for line in lines_of(draw(groups), name))
    assert all(len(found) == 1 for found in colours.values()) and colours["private"] != colours["cooperative"]


def test_mean_cooperation_stops_where_the_first_episode_ends():
    rows = [row(seed=1, cooperation_by_step=[0.2] * 10), row(seed=2, cooperation_by_step=[0.6] * 4)]
    figure = figures.cooperation_within_episode(arrange(rows))
    (mean,) = lines_of(figure, "private")
    assert mean.get_ydata() == pytest.approx([0.4] * 4)
    assert sorted(len(line.get_xdata()) for line in figure.axes[0].get_lines()) == [4, 4, 10]


def test_games_without_shares_have_no_cooperation_figure():
    assert figures.cooperation_within_episode(arrange([row(cooperation_by_step=None)])) is None


def test_seven_games_fill_three_columns_and_same_rows_give_the_same_file():
    rows = [row(reward=reward) | {"env_id": f"payoff/G{k}-v0"} for k in range(7) for reward in ("private", "svo:0.5")]
    groups = arrange(rows)
    figure = figures.welfare(groups)
    assert [axes.get_visible() for axes in figure.axes] == [True] * 7 + [False] * 2
    again = figures.welfare(groups)
    assert figures.encode(figure, "svg") == figures.encode(again, "svg")
    assert figures.encode(figure, "png").startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("seeds", "text", "ends"),
    [
        (1, "bars: none, one seed each", None),
        (3, "bars: smallest to largest of 3 seeds", (100.0, 120.0)),
        (5, "bars: 95 % bootstrap interval of the mean of 5 seeds", None),
    ],
)
def test_a_figure_says_what_its_bars_cover(seeds, text, ends):
    figure = figures.welfare(arrange([row(seed=k, welfare=100.0 + 10 * k) for k in range(seeds)]))
    assert figure.legends[0].get_title().get_text() == text
    (bars,) = figure.axes[0].containers
    segments = [] if not bars.has_yerr else [tuple(bars[2][0].get_segments()[0][:, 1])]
    assert len(segments) == (seeds > 1)
    if ends:
        assert segments[0] == pytest.approx(ends)


def test_two_axes_are_told_apart_by_colour_and_line_and_a_third_by_panel():
    rows = [
        row(bonus=bonus, reward=reward, partners=partners)
        for bonus in ("none", "count", "rnd")
        for reward in ("private", "cooperative")
        for partners in ("random", "reciprocator")
    ]
    # three bonuses and two rewards are drawn together; partners, with as many points as rewards, have the panels
    grid = arrange(rows)
    figure = figures.learning_curves(grid)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["A-v0 · random", "A-v0 · reciprocator"]
    looks = {
        (line.get_label(), line.get_color(), line.get_linestyle())
        for line in figure.axes[0].get_lines()
        if "·" in line.get_label()
    }
    assert len(looks) == 6 and len({look[1] for look in looks}) == 2 and len({look[2] for look in looks}) == 3
    assert {look[0] for look in looks} == {
        f"{reward} · {bonus}" for reward in ("private", "cooperative") for bonus in ("no bonus", "count", "rnd")
    }
