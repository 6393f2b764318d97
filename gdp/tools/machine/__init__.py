"""`gdp doctor` without a run: what of this installation works, and what this machine is good for.

Each file tells of one thing, as `Fact`s: `software`, `hardware`, `places` (caches and disks) and `speed`.
"""
