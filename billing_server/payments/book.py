"""The payments' face."""

from .webhooks import Webhooks


class Payments(Webhooks):
    """Orders of credit packs; one for each process, used by all its threads.

    No transaction is open while Stripe is asked. What Stripe did not answer clearly is asked again
    with the same idempotency key, by `due`, until it is known. Each method may raise:

        LedgerError: as the ledger does (InvalidError, NotFoundError, KeyReusedError,
            InsufficientCreditsError, NotAllowedError; UnavailableError: the database is away).
        UnknownOutcomeError: Stripe did not answer; the same call with the same key goes on.
        RefusedError: Stripe said no.
    """
