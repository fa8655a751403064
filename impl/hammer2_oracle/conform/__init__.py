"""``hammer2-cluster conform``: asks an implementation in any language, over its standard input and output."""

from typing import Final

DIRECTORY: Final = "divergences"
"""Where divergences are kept unless another place is named."""
