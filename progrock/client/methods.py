"""Makes plans methods, so that both clients have each operation and it is written once.

Of a blocking client it is a plain method or an iterator, of an asyncio one a coroutine or an
asynchronous iterator; the types say which.
"""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from progrock.client.effects import Plan, Stream

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(Protocol):
    """What performs plans while the caller waits."""

    is_asynchronous: bool

    def perform(self, plan: Plan[T]) -> T:
        """Return what a plan returns."""

    def iterate(self, plan: Stream[T]) -> Iterator[T]:
        """Give what a plan emits."""


class Asynchronous(Protocol):
    """What performs plans on the running event loop."""

    is_asynchronous: bool

    async def perform(self, plan: Plan[T]) -> T:
        """Return what a plan returns."""

    def iterate(self, plan: Stream[T]) -> AsyncIterator[T]:
        """Give what a plan emits."""


class operation(Generic[P, T]):  # noqa: N801 - a decorator
    """Make a plan a method that performs it."""

    def __init__(self, plan: Callable[Concatenate[Any, P], Plan[T]]) -> None:
        self._plan = plan
        self.__doc__ = plan.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: Blocking, kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, owner: Asynchronous, kind: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:
            return self
        plan = self._plan

        @functools.wraps(plan)
        def perform(*args: P.args, **kwargs: P.kwargs) -> Any:
            return owner.perform(plan(owner, *args, **kwargs))

        return perform


class stream(Generic[P, T]):  # noqa: N801 - a decorator
    """Make a plan that emits a method that gives an iterator."""

    def __init__(self, plan: Callable[Concatenate[Any, P], Stream[T]]) -> None:
        self._plan = plan
        self.__doc__ = plan.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: Blocking, kind: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, owner: Asynchronous, kind: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:
            return self
        plan = self._plan

        @functools.wraps(plan)
        def iterate(*args: P.args, **kwargs: P.kwargs) -> Any:
            return owner.iterate(plan(owner, *args, **kwargs))

        return iterate
