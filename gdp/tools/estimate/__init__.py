"""`gdp estimate`: what a run will take in time, memory, disk, calls and money, from a probe of each of its stages."""
