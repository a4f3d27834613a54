"""Rendering for the single-copy views: an RGB picture, or a window that shows it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from payoff.envs.core.state import Array
from payoff.envs.views.engine import Engine
from payoff.extras import require

__all__ = ["METADATA", "Drawn"]

METADATA: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": 8}


class Drawn:
    """``render`` and ``close`` of a view over a batch of one."""

    engine: Engine
    render_mode: str | None
    _window: Any = None
    _clock: Any = None

    def render(self) -> Array | None:
        """The state as an RGB picture ``(H, W, 3)`` uint8 (``rgb_array``), or None after showing it (``human``).

        Raises:
            ImportError: ``human`` without pygame; the message names the extra.
        """
        if self.render_mode is None:
            gym.logger.warn("render() was called without a render_mode; pass render_mode='rgb_array' or 'human'")
            return None
        engine = self.engine
        picture = engine.game.frame(engine.rows[0], engine.state[0])
        if self.render_mode == "rgb_array":
            return picture
        self._show(picture)
        return None

    def _show(self, picture: Array) -> None:
        pygame = require("pygame", extra="play")
        size = (picture.shape[1], picture.shape[0])
        if self._window is None or pygame.display.get_surface() is not self._window:
            pygame.display.init()  # not pygame.init(), which opens the sound device as well
            self._window = pygame.display.set_mode(size)
            pygame.display.set_caption(self.engine.game.id)
            self._clock = pygame.time.Clock()
        self._window.blit(pygame.surfarray.make_surface(picture.swapaxes(0, 1)), (0, 0))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(METADATA["render_fps"])

    def show_if_human(self) -> None:
        """Gymnasium's convention: in ``human`` mode every reset and step draws."""
        if self.render_mode == "human":
            self.render()

    def close(self) -> None:
        """Close the window, if any."""
        if self._window is not None:
            display = require("pygame", extra="play").display
            if display.get_init() and display.get_surface() is self._window:  # another env may show its own by now
                display.quit()
            self._window = None
