"""The demo in its parts: `tour` tells their order; `place` is where it runs, `api` its doors, `show` its tables."""
