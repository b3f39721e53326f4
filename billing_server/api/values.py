"""What the API takes, exactly; and what it gives: values of ours, amounts also as text."""

from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
)

from ..keys import SCOPES
from ..ledger import in_credits
from ..ledger.values import MAX_AMOUNT, MAX_GPU_MS, MAX_ID, MAX_RATE, MAX_TEXT
from ..usage import BY

# Fields of micro-credits besides those whose name ends in _micro.
MONEY = {"amount", "available", "held", "frozen", "waiting", "returned", "spent_day", "spent_month"}
MONEY |= {"per_run", "per_day", "per_month"}
MICRO = "_micro"
FIRST_YEAR, LAST_YEAR = 2000, 9000  # the same time in another zone must be one, too


# What goes out


@cache
def model(of: type, *omit: str) -> type[BaseModel]:
    """Makes the schema of a NamedTuple of ours: an amount `x` is `x_micro` and `x` in credits."""
    fields: dict[str, Any] = {}
    for name, kind in get_type_hints(of).items():
        inner = next(iter(get_args(kind)), None)
        if name in omit or kind is bytes:
            continue
        if name in MONEY or name.endswith(MICRO):
            plain = name.removesuffix(MICRO)
            text = str if kind is int else str | None
            fields |= {plain + MICRO: (kind, ...), plain: (text, Field(examples=["8.5"]))}
        elif hasattr(kind, "_fields"):
            fields[name] = (model(kind), ...)
        elif hasattr(inner, "_fields"):
            fields[name] = (list[model(inner)], ...)  # type: ignore[misc]
        else:
            fields[name] = (kind, ...)
    return create_model(of.__name__, **fields)


def view(value: Any) -> Any:
    """Writes a value as its schema says."""
    if hasattr(value, "_fields"):
        fields: dict[str, Any] = {}
        for name, one in value._asdict().items():
            if name in MONEY or name.endswith(MICRO):
                plain = name.removesuffix(MICRO)
                fields |= {plain + MICRO: one, plain: None if one is None else in_credits(one)}
            else:
                fields[name] = view(one)
        return fields
    return [view(one) for one in value] if isinstance(value, tuple | list) else value


def listed(name: str, of: type[BaseModel], **more: Any) -> type[BaseModel]:
    """Makes the schema of a list under its name, as an answer is an object that can grow."""
    fields: dict[str, Any] = {name: (list[of], ...), **more}  # type: ignore[valid-type]
    return create_model(f"{name.capitalize()}Of{of.__name__}", **fields)


# What comes in


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be printable characters")
    return text


def _written(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError("must be a time like 2026-03-14T12:00:00Z")
    return value


def _near(time: datetime) -> datetime:
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise ValueError(f"must be a time of the years {FIRST_YEAR} to {LAST_YEAR}")
    return time


class In(BaseModel):
    """Takes exactly its fields, each of exactly its type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Query(BaseModel):
    """Takes exactly its parameters, which are texts."""

    model_config = ConfigDict(extra="forbid")


Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_printable)]
AnyText = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_printable)]
When = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_written), AfterValidator(_near)
]
Micro = Annotated[int, Field(ge=1, le=MAX_AMOUNT)]
NoMicro = Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Number = Annotated[int, Field(ge=0, le=MAX_ID)]


class Page(Query):
    """Which part of a list."""

    before: Id | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 50


class Period(Query):
    """From when until before when, and what is told apart."""

    since: When
    until: When
    by: Literal[tuple(BY)] = "day"  # type: ignore[valid-type]


class Search(Query):
    """Part of a name, and after whom to go on."""

    search: AnyText = ""
    after: Number = 0


class QuoteIn(In):
    """What a run would take."""

    gpu_class: Text
    seconds: Annotated[float, Field(ge=0, le=MAX_GPU_MS / 1000, allow_inf_nan=False, strict=False)]


class RateIn(In):
    """What GPU time costs from a time on."""

    gpu_class: Text
    micro_per_gpu_s: Annotated[int, Field(ge=0, le=MAX_RATE)]
    minimum_micro: NoMicro = 0
    step_ms: Annotated[int, Field(ge=1, le=3_600_000)] = 1
    valid_from: When | None = None


class HoldIn(In):
    """What is reserved, until when, for which run."""

    amount_micro: Micro
    expires_at: When
    run: Text | None = None
    workflow: Text | None = None
    api_key: Text | None = Field(None, description="whose budget counts: the id of a key, as text")


class ExtendIn(In):
    """More credits, a later deadline, or both."""

    amount_micro: NoMicro = 0
    expires_at: When | None = None


class CaptureIn(In):
    """What a run took, and by which rate."""

    rate: Id
    gpu_ms: Annotated[int, Field(ge=0, le=MAX_GPU_MS)]


class ReasonIn(In):
    """Why; the customer reads it."""

    reason: Text | None = None


class ReversalIn(In):
    """What is given back, all of it if no amount is told, and why."""

    reason: Text
    amount_micro: Micro | None = None


class GrantIn(In):
    """Credits that are given, and why."""

    amount_micro: Micro
    kind: Literal["promotional", "goodwill"]  # paid ones come by payments alone
    reason: Text
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    effective_at: When | None = None
    expires_at: When | None = None


class CustomerIn(In):
    """Who is a customer."""

    email: Annotated[str, Field(min_length=3, max_length=254)]
    name: AnyText = ""


class KeyIn(In):
    """What a key is called and may do."""

    name: Text
    scopes: Annotated[list[Literal[SCOPES]], Field(min_length=1, max_length=len(SCOPES))]  # type: ignore[valid-type]


class BudgetIn(In):
    """Limits; one that is left out is none."""

    api_key: AnyText = Field("", description="the id of a key, as text; empty: the whole account")
    per_run_micro: NoMicro | None = None
    per_day_micro: NoMicro | None = None
    per_month_micro: NoMicro | None = None


class CheckoutIn(In):
    """What is bought."""

    pack: Text
    save_card: bool = True


class RefundIn(In):
    """How much of a purchase goes back."""

    amount_micro: Micro


class AutoTopUpIn(In):
    """When which pack is bought, and up to which price in a month."""

    enabled: bool
    threshold_micro: NoMicro
    pack_id: Text
    monthly_cap_minor: Annotated[int, Field(ge=0, le=10**12)]
