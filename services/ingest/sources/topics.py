"""What an adapter says of a genuine delivery that it cannot read yet."""

from shared.kernel.errors import QuintantError


class UnknownTopicError(QuintantError):
    """Genuine, but of a type that the adapter does not know: it waits in the quarantine, since a refusal is retried."""

    slug = "unknown-topic"
