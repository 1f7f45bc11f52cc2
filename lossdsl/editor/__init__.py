"""A text in an editor -> what is wrong with it, what its words mean, what can be written: the language server."""
