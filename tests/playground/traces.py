"""What JAX traces and compiles in this process, whichever thread asks for it."""

from contextlib import contextmanager

import jax

_EVENTS = []
jax.monitoring.register_event_duration_secs_listener(lambda event, duration, **more: _EVENTS.append(event))


@contextmanager
def traced():
    """A list that holds afterwards what was traced and compiled meanwhile."""
    before, found = len(_EVENTS), []
    yield found
    found += [event for event in _EVENTS[before:] if event.startswith("/jax/core/compile")]
