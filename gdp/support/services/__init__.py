"""Services on the net that cost money: what asks them, at which pace, from which budget."""
