"""Settings of accounts and sessions."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class AuthSettings(BaseModel):
    """How people sign in, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    session_hours: float = Field(default=14 * 24, gt=0)
    """How long a sign-in lasts; disabling an account or changing its password ends it at once."""
    login_attempts: int = Field(default=5, ge=1)
    """Wrong passwords allowed per name and address within the window; ten times as many per address."""
    login_window_s: float = Field(default=300, gt=0)
    """Length of that window."""
    cookie_secure: Literal["auto", "always", "never"] = "auto"
    """Whether the session cookie is for HTTPS only; auto says yes to requests that came by HTTPS."""
