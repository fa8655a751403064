"""A port in which one module is another one.

    mutated.py MODULE FILE PORT [ARGUMENT...]

FILE is run in the place of the module that is called MODULE.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from runpy import run_path

_, name, file, *rest = sys.argv
spec = spec_from_file_location(name, file)
assert spec is not None
assert spec.loader is not None
sys.modules[name] = module_from_spec(spec)
spec.loader.exec_module(sys.modules[name])
sys.argv[:] = rest
run_path(rest[0], run_name="__main__")
