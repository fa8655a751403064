"""One instruction that numba has no word for: fetch what will be needed soon into the cache."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def prefetch(_typing: Any, array: Any, index: Any) -> Any:  # noqa: ANN401  # numba's own types
    """Fetch array[index] into the cache; it never faults and changes nothing."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401  # numba's own types
        values = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        place = builder.gep(values.data, [arguments[1]])
        byte = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")  # type: ignore[no-untyped-call]  # numba has no types here
        builder.call(function, [builder.bitcast(place, byte), number(0), number(1), number(1)])
        return context.get_dummy_value()

    return types.void(array, index), generate
