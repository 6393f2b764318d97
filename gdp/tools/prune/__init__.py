"""`gdp prune`: take channels out of a finished run's student or of its teacher, and train what is left.

The pruned network gets a run folder of its own, which holds, beside what every run has:

  pruned.safetensors   the network to begin with
  pruning.json         what was pruned, how far, and the sizes before and after
  pruned.toml          the recipe: the finished run's, with the pruned student in it
"""
