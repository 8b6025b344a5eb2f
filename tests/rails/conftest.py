from __future__ import annotations

import pytest

from rails import Rails, RailsSettings


@pytest.fixture(scope="session")
def rails() -> Rails:
    rails = Rails.build(RailsSettings())
    rails.warm()
    return rails
