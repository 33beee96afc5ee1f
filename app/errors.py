"""What goes wrong, in one tree: each error carries its status, a stable slug and a title (RFC 9457)."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec


class AppError(Exception):
    """Base of all errors a caller may see. `members` are added to the problem document."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(self, detail: str = "", *, headers: dict[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = headers or {}
        self.members = members

    def document(self) -> bytes:
        """Return the problem document (application/problem+json)."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            body["detail"] = self.detail
        return msgspec.json.encode(body | self.members)


class MalformedRequestError(AppError):
    """The request does not fit its description; `errors` point at the fields."""

    status = 422
    slug = "malformed-request"
    title = "The request does not fit its description"


class NotSignedInError(AppError):
    """No valid API key or session came with the request."""

    status = 401
    slug = "not-signed-in"
    title = "An API key or a signed-in browser is needed"


class ForbiddenError(AppError):
    """The key or session lacks the scope."""

    status = 403
    slug = "missing-scope"
    title = "This key may not do that"


class NotFoundError(AppError):
    """There is no such thing."""

    status = 404
    slug = "not-found"
    title = "There is no such thing here"


class MethodNotAllowedError(AppError):
    """The path exists, the method does not."""

    status = 405
    slug = "method-not-allowed"
    title = "This path does not take that method"


class WrongStateError(AppError):
    """The thing is in a state in which this can't happen; nothing was changed."""

    status = 409
    slug = "wrong-state"
    title = "That can't happen in the present state"


class OfferGoneError(AppError):
    """The offer was answered, ran out or was revoked."""

    status = 409
    slug = "offer-gone"
    title = "The offer is not pending any more"


class NotEligibleError(AppError):
    """The agent can't take that contact now."""

    status = 409
    slug = "not-eligible"
    title = "The agent can't take that contact"


class UnknownReferenceError(AppError):
    """The body names a team, agent or ticket that does not exist."""

    status = 422
    slug = "unknown-reference"
    title = "The request names something that does not exist"


class InvalidPolicyError(AppError):
    """The policy has faults; `findings` lists them."""

    status = 422
    slug = "invalid-policy"
    title = "The policy can't be published"


class InvalidImportError(AppError):
    """A file has bad lines; nothing was imported."""

    status = 422
    slug = "invalid-import"
    title = "The file has faults; nothing was imported"


class IdempotencyMismatchError(AppError):
    """The same Idempotency-Key came with another request."""

    status = 422
    slug = "idempotency-mismatch"
    title = "This Idempotency-Key was used for another request"


class BodyTooLargeError(AppError):
    """The body exceeds the limit."""

    status = 413
    slug = "body-too-large"
    title = "The request body is too large"


class OverloadedError(AppError):
    """Too many commands wait; nothing was done."""

    status = 503
    slug = "overloaded"
    title = "Too much at once; try again shortly"


class NewerReleaseError(AppError):
    """The log holds events of a newer release; this replica takes no commands any more."""

    status = 503
    slug = "newer-release"
    title = "This replica is too old for what a newer one has written; nothing was done"


class StorageUnavailableError(AppError):
    """The database did not take the transaction; nothing was done."""

    status = 503
    slug = "storage-unavailable"
    title = "The database is not available; nothing was done"


class AnswerLostError(AppError):
    """The replica that decides went away before it had answered."""

    status = 503
    slug = "answer-lost"
    title = "The answer is lost; with an Idempotency-Key ask again, without one look first"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class NoHistoryError(AppError):
    """A team has no recorded contacts before the days that are to be forecast."""

    status = 409
    slug = "no-history"
    title = "There is no history to forecast from"


class CannotPlanError(AppError):
    """What is known does not allow the forecast, requirement or roster that was asked for."""

    status = 422
    slug = "cannot-plan"
    title = "This can't be planned from what is known"


class WorkerLostError(AppError):
    """The process that did the work ended before it was done."""

    status = 500
    slug = "worker-lost"
    title = "The worker stopped while it did this"
