"""Several processes, each on a device of its own, that train together: who starts them, how they meet, who does what.

`launching` starts the processes of `--devices N` and ends them all where one ends; `places` reads which of them this
one is, which torchrun says in the same way; `company` calls the others to a training. Rank 0 does the whole command;
the others wait until it trains, compute their part, and write nothing.
"""
