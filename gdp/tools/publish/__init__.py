"""Publishing a trained student in a repository of a model hub: what is sent, what must not be, and the sending.

`gdp.tools.publish.hub` is the way in. This package's `__init__` imports nothing, for light modules use `places`,
and the command line needs the variable's name.
"""

HUB_VARIABLE = "HF_TOKEN"
"""Environment variable that holds the hub's token, where the user names no other."""
