"""Named views into a row of numbers, for compiled code: a record, or an array of records, that starts at a column.

A copy of a game is one row of float64, so that a snapshot is a copy of one array; rules see names instead of columns.
These functions are the whole bridge. They allocate nothing and check nothing: columns and lengths come from
:class:`payoff.envs.core.state.Layout`, which lays out the row.

The last four cross from one compiled function to another that it does not know when it is compiled: what is handed
over are addresses, whole numbers, and what lies there is named again on the other side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic as numba_intrinsic
from numba.np.arrayobj import make_array, populate_array

__all__ = ["address_of", "array_of", "call", "parts_at", "record_at", "record_of", "slice_at"]


def intrinsic(function: Callable[..., Any]) -> Any:
    """Numba's decorator; what it makes is called without the first argument."""
    return numba_intrinsic(function)


def _address(context: Any, builder: Any, kind: Any, row: Any, column: Any) -> Any:
    return builder.gep(make_array(kind)(context, builder, row).data, [column])


def _array(context: Any, builder: Any, kind: Any, pointer: Any, lengths: list[Any], steps: list[Any] | None) -> Any:
    """An array of type ``kind`` at ``pointer``; ``steps`` in bytes, None where it is contiguous."""
    made = make_array(kind)(context, builder)
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    if steps is None:
        steps, step = [], itemsize
        for length in reversed(lengths):
            steps.insert(0, step)
            step = builder.mul(step, length)
    pointer = builder.bitcast(pointer, made.data.type)
    populate_array(made, data=pointer, shape=lengths, strides=steps, itemsize=itemsize, meminfo=None)
    return made._getvalue()


@intrinsic
def record_at(typing: Any, row: Any, column: Any, dtype: Any) -> Any:
    """``record_at(row, column, dtype)``: the record of this dtype that starts at a column of ``row`` ``(S,)``."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pointer = _address(context, builder, signature.args[0], given[0], given[1])
        return builder.bitcast(pointer, context.get_value_type(signature.return_type))

    return dtype.dtype(row, types.intp, dtype), build


@intrinsic
def slice_at(typing: Any, row: Any, column: Any, shape: Any, steps: Any) -> Any:
    """``slice_at(row, column, shape, steps)``: every so many columns of ``row`` as an array; steps in columns."""
    kind = types.Array(row.dtype, len(shape), "A")
    numbers = types.UniTuple(types.intp, len(shape))

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pointer = _address(context, builder, signature.args[0], given[0], given[1])
        lengths = cgutils.unpack_tuple(builder, given[2])
        width = context.get_constant(types.intp, 8)
        apart = [builder.mul(step, width) for step in cgutils.unpack_tuple(builder, given[3])]
        return _array(context, builder, kind, pointer, lengths, apart)

    return kind(row, types.intp, numbers, numbers), build


@intrinsic
def parts_at(typing: Any, row: Any, places: Any, like: Any) -> Any:
    """``parts_at(row, places, like)``: arrays that lie in ``row``, one for each array of the tuple ``like``.

    ``places`` ``(len(like), 4)`` int64 holds the first column of each and its up to three lengths; rank and dtype of
    each are those of the array in ``like``, whose content does not matter.
    """
    kinds = [types.Array(part.dtype, part.ndim, "C") for part in like]
    result = types.Tuple(kinds)

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        table = make_array(signature.args[1])(context, builder, given[1])
        made = []
        for k, kind in enumerate(kinds):

            def number(j: int, k: int = k) -> Any:
                place = context.get_constant(types.intp, 4 * k + j)
                return builder.load(builder.gep(table.data, [place]))

            pointer = _address(context, builder, signature.args[0], given[0], number(0))
            made.append(_array(context, builder, kind, pointer, [number(1 + j) for j in range(kind.ndim)], None))
        return context.make_tuple(builder, signature.return_type, made)

    return result(row, places, like), build


@intrinsic
def address_of(typing: Any, what: Any) -> Any:
    """``address_of(what)``: where a record, or the first element of an array, lies."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind, pointer = signature.args[0], given[0]
        if isinstance(kind, types.Array):
            pointer = make_array(kind)(context, builder, pointer).data
        return builder.ptrtoint(pointer, context.get_value_type(types.intp))

    return types.intp(what), build


@intrinsic
def record_of(typing: Any, address: Any, dtype: Any) -> Any:
    """``record_of(address, dtype)``: the record of this dtype at an address."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.inttoptr(given[0], context.get_value_type(signature.return_type))

    return dtype.dtype(types.intp, dtype), build


@intrinsic
def array_of(typing: Any, address: Any, shape: Any, dtype: Any) -> Any:
    """``array_of(address, shape, dtype)``: the contiguous array at an address."""
    kind = types.Array(dtype.dtype, len(shape), "C")

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pointer = builder.inttoptr(given[0], context.get_data_type(kind.dtype).as_pointer())
        return _array(context, builder, kind, pointer, cgutils.unpack_tuple(builder, given[1]), None)

    return kind(types.intp, types.UniTuple(types.intp, len(shape)), dtype), build


@intrinsic
def call(typing: Any, function: Any, given: Any) -> Any:
    """``call(function, given)``: call the compiled function at an address; see :func:`payoff.envs.core.jit.address`.

    It takes whole numbers, as many as the tuple ``given`` has, and returns nothing; nobody checks that.
    """
    takes = (types.intp,) * len(given)

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = context.call_conv.get_function_type(types.none, takes)
        pointer = builder.inttoptr(values[0], kind.as_pointer())
        arguments = cgutils.unpack_tuple(builder, values[1])
        status, _ = context.call_conv.call_function(builder, pointer, types.none, takes, arguments)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.none(types.intp, types.UniTuple(types.intp, len(given))), build
