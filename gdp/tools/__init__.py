"""What is done with a run, or before one: a folder a tool. No tool knows another; they meet in the run folder."""
