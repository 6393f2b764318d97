"""For authors of plugins: a conformance kit for each kind, and example inputs. Importing this imports no torch.

    from gdp.testing import conformance

    conformance.check("filter", "brightness", settings={"min_mean": 0.2})

`gdp.testing.conformance` checks a registered plugin, `gdp.testing.examples` holds what it is checked with: a tiny
teacher of each sort, a tiny student, pictures, pairs and datasets. `gdp.testing.pretended_gpu` lets work run where
torch finds a GPU, on machines without one.
"""
