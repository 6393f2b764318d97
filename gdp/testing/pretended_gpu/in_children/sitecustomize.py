"""Python imports a module of this name when it starts: with its folder on the path a process sees the pretended GPU."""

from gdp.testing.pretended_gpu.child import stay_on_pretended_gpu

stay_on_pretended_gpu()
