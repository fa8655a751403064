"""Contracts of small functions, which `make verify` has CrossHair confirm for all arguments.

That done once, nothing is gained by asserting them in every call, and these functions are called often: they are
asserted only where the environment variable ICONTRACT_SLOW is set.
"""

from functools import partial

import icontract

require = partial(icontract.require, enabled=icontract.SLOW)
ensure = partial(icontract.ensure, enabled=icontract.SLOW)
snapshot = partial(icontract.snapshot, enabled=icontract.SLOW)
