"""``hammer2-cluster conform``: asks an implementation in any language, over its standard input and output."""
