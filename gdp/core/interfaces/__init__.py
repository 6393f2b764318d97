"""The interfaces that plugins implement, a module a kind. They import no torch, so that plugins of one file stay light."""
