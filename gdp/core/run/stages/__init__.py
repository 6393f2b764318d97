"""The stages of a run, a module each. A stage has a content key and is repeated only when the key changes."""
