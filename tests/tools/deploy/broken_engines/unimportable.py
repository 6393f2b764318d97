"""Fails before it can tell what it is, by what is no `Exception`."""


class PanicError(BaseException):
    pass


raise PanicError("at registration")
