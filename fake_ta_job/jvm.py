"""What only Java reflection reaches: the Python API has no way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyflink.java_gateway import get_gateway

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject


def call(
    owner: str, method: str, target: JavaObject | None, *arguments: tuple[JavaObject, JavaObject]
) -> JavaObject:
    """Call a Java method that is not public.

    Args:
        owner: name of the class that declares it.
        method: its name.
        target: the object, None for a static method.
        arguments: pairs of declared class and value.
    """
    gateway: Any = get_gateway()
    kinds = gateway.new_array(gateway.jvm.Class, len(arguments))
    values = gateway.new_array(gateway.jvm.Object, len(arguments))
    for number, (kind, value) in enumerate(arguments):
        kinds[number], values[number] = kind, value
    found = load_class(owner).getDeclaredMethod(method, kinds)
    found.setAccessible(True)
    return found.invoke(target, values)


def load_class(name: str) -> JavaObject:
    """Return a Java class of the client's class path."""
    gateway: Any = get_gateway()
    return gateway.jvm.Thread.currentThread().getContextClassLoader().loadClass(name)
