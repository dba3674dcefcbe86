"""What is not known yet, which is not the same as nothing."""


class Unknown(Exception):
    """A fact that an amount depends on is missing. Its words become `waits_for`; it never leaves the domain."""
