"""Plain fp32 implementations of what gdp trains, as the public reference repositories do it, to measure gdp against.

Contiguous (NCHW) tensors, torch's own layers and separate operators: nothing clever, nothing deliberately slow. Modules
are named as gdp's are, so that gdp's weights load as they are.
"""
