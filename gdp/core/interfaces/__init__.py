"""The interfaces that plugins implement, a module a kind; they import no torch, so one-file plugins stay light."""
