from tests.tables.conftest import lake

__all__ = ["lake"]
