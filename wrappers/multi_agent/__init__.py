"""Rewards of teams: what one agent's action was worth to all, and shaping that differs from agent to agent.

All of it works on a PettingZoo ``ParallelEnv`` and on a multi-agent batch (``payoff.multi_agent_vec``). For the
sequential API wrap the parallel environment and convert that, ``pettingzoo.utils.parallel_to_aec(wrap(env, method))``:
what an agent earns is added up until its next ``last()``. An ``AECEnv`` itself is refused: where players truly take
turns, one step of all of them is not defined.
"""
