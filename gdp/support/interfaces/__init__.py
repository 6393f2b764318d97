"""The interfaces of kinds that no recipe chooses, a module a kind: tools ask for them, and core never does."""
