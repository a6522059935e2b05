"""The shortest list of actions that still breaks a rule, by delta debugging."""

from typing import Final

TRIALS_MAX: Final = 250


def minimise(actions, is_broken, trials_max=TRIALS_MAX):
    """Leave out ever smaller pieces while `is_broken` still says so."""
    pieces, trials = 2, 0
    while len(actions) >= 2 and trials < trials_max:
        size = -(-len(actions) // pieces)
        for start in range(0, len(actions), size):
            shorter = actions[:start] + actions[start + size :]
            trials += 1
            if is_broken(shorter):
                actions, pieces = shorter, max(pieces - 1, 2)
                break
        else:
            if size == 1:
                return actions
            pieces = min(pieces * 2, len(actions))
    return actions
