"""The interfaces that plugins implement, a module a kind. Importing this package imports torch."""
