"""Real processes of the product on real files. A release is ingested once and copied for each test that changes it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from product import Product

HANDBOOK = """# Leave

## Carry-over

At most five days of unused leave may be carried over to the next year. Days that were carried over expire on 31 March.

## Part-time staff

Part-time staff may carry over unused leave in proportion to their hours.
"""


@pytest.fixture(scope="session")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("handbook")
    (folder / "leave.md").write_text(HANDBOOK)
    return folder


@pytest.fixture(scope="session")
def ingested(handbook: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the handbook as its first release; to be copied, not to be used."""
    product = Product(tmp_path_factory.mktemp("ingested") / "data")
    product.parley("ingest", str(handbook))
    return product.data_dir


@pytest.fixture
def installed(ingested: Path, tmp_path: Path) -> Callable[..., Product]:
    """`installed(NAME="value")`: a product of its own, with the handbook in it and these variables set."""

    def install(**environment: str) -> Product:
        shutil.copytree(ingested, tmp_path / "data")
        return Product(tmp_path / "data", environment)

    return install


@pytest.fixture(scope="session")
def served(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A running product for tests that leave it running."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(ingested, folder / "data")
    product = Product(folder / "data")
    with product.running():
        yield product
