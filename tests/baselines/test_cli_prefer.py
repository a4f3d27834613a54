"""``payoff prefer``: a window without a screen, a terminal, a file that is gone on with, and one line for bad input."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest

from payoff.baselines.asking import Questions, Session, play
from payoff.cli import screens
from payoff.wrappers import read_preferences
from tests.baselines.commands import call, refused

GAME = ("prefer", "Delivery-v0", "--params", "observe=minimal", "max_steps=20", "--segments", "6", "--length", "3")
SMALL = {"observe": "minimal", "max_steps": 20}


def asked(tmp_path, *keys, questions=5, **more):
    """Arguments of a call whose keys come from a script."""
    script = tmp_path / "keys.txt"
    script.write_text("\n".join(keys) + "\n")
    options = [word for name, value in more.items() for word in (f"--{name}", value)]
    return (*GAME, "--questions", questions, "--out", tmp_path / "a.jsonl", "--script", script, *options)


@pytest.fixture(autouse=True)
def no_screen(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")


@pytest.mark.parametrize("screen", ["window", "terminal"])
def test_keys_become_answers_and_a_later_call_goes_on(capsys, tmp_path, screen):
    status, out, err = call(capsys, *asked(tmp_path, "left", "right", "equal", "quit", screen=screen))
    assert status == 0 and err == "" and "3 answers more" in out and "2 of 5 questions left" in out
    found = read_preferences(tmp_path / "a.jsonl")
    assert found.answer.tolist() == [1.0, 0.0, 0.5] and found.names == ("me",)
    assert found.about["env_id"] == "payoff/Delivery-v0" and found.segments.length == 3
    status, out, _ = call(capsys, *asked(tmp_path, "s", "1", "1", screen=screen, annotator="ann"))
    assert status == 0 and "2 answers more" in out and "0 of 5 questions left" in out
    found = read_preferences(tmp_path / "a.jsonl")
    np.testing.assert_array_equal(found.answer, [1.0, 0.0, 0.5, np.nan, 1.0])
    assert found.names == ("me", "ann")
    pairs = Questions("Delivery-v0", SMALL, segments=6, length=3, questions=5).pairs()
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == pairs
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "a.segments.safetensors", "keys.txt"]


def test_a_reward_is_learned_from_the_answers(capsys, tmp_path):
    assert call(capsys, *asked(tmp_path, *["left", "right"] * 3, questions=6))[0] == 0
    few = ("--total-steps", "128", "--set", "num_steps=32", "num_envs=4", "--episodes", "1")
    status, out, err = call(
        capsys, "train", "--algo", "ppo", "--env", "Delivery-v0", "--params", "observe=minimal", "max_steps=20", *few,
        "--out", tmp_path / "out", "--reward-learner", f"preferences:file={tmp_path / 'a.jsonl'},epochs=2",
    )  # fmt: skip
    assert status == 0 and "checkpoint" in out, err


def test_a_trained_policy_plays(capsys, tmp_path):
    few = ("--total-steps", "64", "--set", "num_steps=16", "num_envs=4", "--episodes", "1")
    arguments = ("train", "--algo", "ppo", "--env", "Delivery-v0", "--params", "observe=minimal", "max_steps=20", *few)
    assert call(capsys, *arguments, "--out", tmp_path / "out")[0] == 0
    (policy,) = (tmp_path / "out" / "checkpoints").iterdir()
    assert call(capsys, *asked(tmp_path, "left", "quit", policy=policy))[0] == 0
    assert read_preferences(tmp_path / "a.jsonl").about["policy"] == str(policy)


def test_play_is_the_same_each_time_and_pictures_are_those_of_the_steps():
    questions = Questions("Delivery-v0", SMALL, segments=4, length=3, questions=2)
    one, other = play(questions), play(questions)
    np.testing.assert_array_equal(one.segments.obs, other.segments.obs)
    for number in range(4):
        frames = one.frames(number)
        assert len(frames) == 1 + one.segments.valid[number].sum()
        moved = (np.diff(one.segments.obs[number], axis=0) != 0.0).any(axis=1)
        for t, frame in enumerate(frames[1:]):
            assert (frame != frames[t]).any() == moved[t]  # the seat is drawn where it is


def test_environments_that_are_not_ours_are_played(tmp_path):
    session = Session(tmp_path / "a.jsonl", Questions("CartPole-v1", {}, segments=2, length=2, questions=1))
    assert session.played.segments.obs.shape == (2, 3, 4) and session.played.frames(0)[0].shape[2] == 3


def test_episodes_that_time_cuts_off_fill_no_segment(monkeypatch):
    monkeypatch.setattr("payoff.baselines.asking._MOST_EPISODES", 2)
    with pytest.raises(ValueError, match="length 30 is too long: episodes are cut off before a segment is full"):
        play(Questions("MountainCar-v0", {"max_episode_steps": 5}, segments=2, length=30))


def test_a_person_at_a_terminal(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("what?\nRIGHT\n\n2\n"))
    status, out, _ = call(capsys, *GAME, "--questions", "5", "--out", tmp_path / "a.jsonl", "--screen", "terminal")
    assert status == 0 and "not an answer: 'what?'" in out and "see " in out  # the end of the input is the end
    assert read_preferences(tmp_path / "a.jsonl").answer.tolist() == [0.0, 0.0]


def test_without_a_window_the_terminal_asks(capsys, tmp_path, monkeypatch):
    import pygame

    def refuse(*size):
        raise pygame.error("no screen")

    monkeypatch.setattr(pygame.display, "set_mode", refuse)
    status, _, err = call(capsys, *asked(tmp_path, "left", "quit"))
    assert status == 0 and err == "payoff: no window can be opened (no screen); asking here\n"
    assert read_preferences(tmp_path / "a.jsonl").answer.tolist() == [1.0]


def test_closing_the_window_is_the_end(capsys, tmp_path):
    import pygame

    window = screens.Window(pygame, 1000.0, iter(()))
    window.script = None
    frames = [np.zeros((20, 20, 3), np.uint8)]
    pygame.event.clear()
    window.clock.tick()
    clear = pygame.event.clear
    try:
        pygame.event.clear = lambda: pygame.event.post(pygame.event.Event(pygame.QUIT))
        assert window.ask(frames, frames, "one") == "quit"
    finally:
        pygame.event.clear = clear
        window.close()


def test_a_png_is_read_back_by_another_reader(tmp_path):
    from matplotlib.image import imread

    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(screens.png(picture))
    np.testing.assert_array_equal((imread(tmp_path / "a.png") * 255).round().astype(np.uint8)[..., :3], picture)
    assert zlib.crc32(screens.png(picture)) == zlib.crc32(screens.png(picture.copy()))


def test_two_pictures_stand_side_by_side():
    left, right = np.full((2, 3, 3), 1, np.uint8), np.full((2, 3, 3), 2, np.uint8)
    canvas = screens.beside(left, right)
    assert canvas.shape == (2 + 32, 6 + 48, 3) and (canvas == 1).sum() == (canvas == 2).sum() == 18
    assert screens.beside(np.zeros((1300, 700, 3), np.uint8), np.zeros((1300, 700, 3), np.uint8)).shape[0] < 700
    assert screens.strip([left] * 20).shape == (2, 8 * 3 + 7 * 8, 3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["prefer"], "Missing from payoff prefer: ENV"),
        ([*GAME, "--out", "{out}/a.json"], "--out must be a file that ends in .jsonl"),
        ([*GAME, "--out", "{out}/a.jsonl", "--segments", "1"], "segments must be an integer in 2 .. 10000, got 1"),
        ([*GAME, "--out", "{out}/a.jsonl", "--policy", "nobody"], "is no file"),
        ([*GAME, "--out", "{out}/a.jsonl", "--speed", "0"], "speed must be a number in (0"),
        ([*GAME, "--out", "{out}/a.jsonl", "--annotator", ""], "--annotator must be a name"),
        ([*GAME, "--out", "{out}/a.jsonl", "--script", "{out}/no.txt"], "No such file"),
        ([*GAME, "--out", "{out}/bad.jsonl"], "bad.jsonl holds no preferences"),
        (["prefer", "Deliver-v0", "--out", "{out}/a.jsonl"], "did you mean"),
    ],
)
def test_bad_input_gets_one_line(capsys, tmp_path, arguments, text):
    (tmp_path / "bad.jsonl").write_text("{}\n")
    assert text in refused(capsys, *(a.format(out=tmp_path) for a in arguments))
    assert not (tmp_path / "a.jsonl").exists()


def test_a_file_of_other_segments_and_a_script_of_no_keys(capsys, tmp_path):
    assert call(capsys, *asked(tmp_path, "left"))[0] == 0
    assert "was begun with other segments" in refused(capsys, *asked(tmp_path, "left", seed="1"))
    assert "line 2: must be one of left, right, equal, skip, quit, got 'up'" in refused(
        capsys, *asked(tmp_path, "left", "up")
    )
    before = (tmp_path / "a.jsonl").read_bytes()
    assert len(before.splitlines()) == 2
