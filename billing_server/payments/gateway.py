"""Stripe, as the payments see it. The one file that imports stripe; its values are our own."""

import stripe

API_VERSION = "2026-10-28.endive"


class Gateway:
    """A Stripe account, or the simulator at `base_url`."""

    def __init__(
        self,
        secret_key: str,
        webhook_secrets: tuple[str, ...],
        *,
        base_url: str | None = None,
        timeout_s: float = 20.0,
        retries: int = 1,
    ) -> None:
        """Connects nothing yet.

        Args:
            secret_key: sk_test_... or sk_live_...; says which mode this is.
            webhook_secrets: whsec_...; several while they are rotated.
            base_url: Of the simulator.
            timeout_s: Until an answer is no longer waited for.
            retries: Of the SDK, with the same idempotency key.
        """
        self.livemode = secret_key.startswith(("sk_live_", "rk_live_"))
        client = stripe.RequestsClient(timeout=timeout_s)
        self._client = stripe.StripeClient(
            secret_key,
            stripe_version=API_VERSION,
            base_addresses={"api": base_url} if base_url else {},
            max_network_retries=retries,
            http_client=client,
        )
        self._secrets = webhook_secrets
