"""``python -m hammer2_oracle`` is ``hammer2-cluster``."""

from hammer2_oracle.cli import main

main()
