"""Publishing a trained student in a repository of a model hub: what is sent, what must not be, and the sending.

`gdp.core.publishing.push` is the way in. This package's `__init__` imports nothing, for light modules use
`places`.
"""
