"""The ledger: SQL and values. It knows neither Flask nor Stripe."""

from .book import Ledger as Ledger
from .values import CREDIT as CREDIT
from .values import Balance as Balance
from .values import Budget as Budget
from .values import BudgetExceededError as BudgetExceededError
from .values import EndedError as EndedError
from .values import Grant as Grant
from .values import InsufficientCreditsError as InsufficientCreditsError
from .values import InvalidError as InvalidError
from .values import KeyReusedError as KeyReusedError
from .values import LedgerError as LedgerError
from .values import Line as Line
from .values import Movement as Movement
from .values import NotAllowedError as NotAllowedError
from .values import NotFoundError as NotFoundError
from .values import Request as Request
from .values import UnavailableError as UnavailableError
from .values import in_credits as in_credits
