"""A key that is shown nowhere."""

from __future__ import annotations


class Secret:
    """Holds a key; neither its repr nor its text nor its pickle shows it."""

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the key, to put it into a request."""
        return self.__value

    def hide(self, text: str) -> str:
        """Return a text that may quote the key without it."""
        return text.replace(self.__value, "***")

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> str:
        raise TypeError("a key is not to be stored")
