"""The door through which plugins' answers come: held against their kind's contract, told in the plugin's name.

`watching` makes a class of a plugin's own whose members are watched, `rules` are the contracts of core's kinds,
`asking` is what rules are written with. Importing any of it imports no torch.
"""
