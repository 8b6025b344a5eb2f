"""A small chat on Chainlit with Parley's accounts and history: `python chat_server.py FOLDER PORT`.

Chainlit loads this same file for its handlers.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER = Path(os.environ.setdefault("CHAT_SERVER_FOLDER", sys.argv[1]))
os.environ["CHAINLIT_APP_ROOT"] = str(FOLDER)

from app.auth.sessions import Sessions, acting_account  # noqa: E402
from app.auth.settings import AuthSettings  # noqa: E402
from app.auth.users import Accounts  # noqa: E402
from app.secret import Secret  # noqa: E402

accounts = Accounts.open(FOLDER / "chat.db", AuthSettings())
sessions = Sessions(accounts, Secret.load(FOLDER / "secret"))
os.environ["CHAINLIT_AUTH_SECRET"] = sessions.signing_key

import chainlit as cl  # noqa: E402
from chainlit.data import get_data_layer  # noqa: E402

from app.chat.data import ChatData  # noqa: E402


def note(*words: object) -> None:
    with (FOLDER / "told.txt").open("a") as file:
        print(*words, file=file)


@cl.data_layer
def data_layer() -> ChatData:
    return ChatData.open(
        FOLDER / "chat.db",
        accounts,
        redact=lambda text: text.replace("4111 1111 1111 1111", "[card]"),
        on_rated=lambda rating, user_id: note("rated", rating.turn_id, rating.score, rating.comment, user_id),
        on_unrated=lambda rating_id: note("unrated", rating_id),
    )


@cl.password_auth_callback
async def never_called(name: str, password: str) -> None:
    """Makes Chainlit ask for a password; `POST /login` of `app.auth` answers."""


@cl.on_chat_start
async def start() -> None:
    await cl.Message("Welcome.").send()


@cl.on_chat_resume
async def resume(thread: dict) -> None:
    pass


@cl.on_message
async def answer(message: cl.Message) -> None:
    acting = acting_account()
    account = sessions.account_of(cl.user_session.get("user"))
    if acting is None or account is None:
        await cl.Message("Your session has ended.").send()
        return
    run = cl.context.current_run.id
    note_element = cl.Text(name="[1]", content="the passage", display="side")
    await cl.Message(f"{acting.name}/{account.name} in {run}", elements=[note_element]).send()


def main() -> None:
    import uvicorn
    from chainlit.utils import mount_chainlit
    from fastapi import Depends, FastAPI

    from app.auth.middleware import SessionMiddleware
    from app.auth.signin import signin_router
    from app.chat.elements import elements_router

    app = FastAPI()
    app.include_router(signin_router(sessions))

    @app.get("/ops", dependencies=[Depends(sessions.require_role("analyst", "admin"))])
    async def ops() -> str:
        return "ops"

    mount_chainlit(app=app, target=__file__, path="/")
    # Chainlit has loaded this file a second time, and that copy's data layer is the one in use.
    chat = FastAPI()
    chat.include_router(elements_router(get_data_layer(), sessions))
    chat.mount("/", app)
    chat.add_middleware(SessionMiddleware, sessions=sessions)
    uvicorn.run(chat, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")


if __name__ == "__main__":
    main()
