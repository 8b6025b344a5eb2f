"""What can go wrong with chat history. Chainlit answers a request with the status that each carries."""

from __future__ import annotations

from fastapi import HTTPException


class ChatDataError(HTTPException):
    """Base of every refusal and failure of `ChatData`."""

    status = 500
    message = "The conversation could not be read or saved."

    def __init__(self) -> None:
        super().__init__(self.status, self.message)

    def __str__(self) -> str:
        return self.message


class NotSignedIn(ChatDataError):
    """Nobody is signed in who could own what is asked for."""

    status = 401
    message = "Your session has ended. Sign in again."


class NotFound(ChatDataError):
    """There is no such thing, or it is another user's: the two look alike."""

    status = 404
    message = "There is no such conversation, message or rating, or it is not yours."


class TooLarge(ChatDataError):
    """An element is larger than what is kept."""

    status = 413
    message = "This attachment is too large to be kept with the conversation."


class StorageFailed(ChatDataError):
    """The disk or the database refused; nothing was changed."""

    status = 503
    message = "The conversation could not be saved. Try again; if it happens again, tell an administrator."
