"""The four APIs over a game, each written once: Gymnasium Env and VectorEnv, PettingZoo Parallel and AEC, arrays."""
