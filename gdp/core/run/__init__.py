"""A run: its stages in order, each repeated only when its content key says so.

`pipeline.execute` does a run. `session` builds what the recipe names, when it is first needed; `steps` knows the stages
and their keys; `recipes` reads a run's recipe, `opening` opens its pairs; `judging` walks pairs through the chain of
filters.
"""
