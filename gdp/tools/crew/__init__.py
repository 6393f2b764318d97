"""Workers of an executor that make and judge the pairs of a run, by ranges of their numbers.

`work` is what a worker does; `handing` how encoded pairs get from a process to another, as WebDataset tars; `crew` what
this process does, which alone writes the pair store.
"""
