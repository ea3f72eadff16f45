"""What only S3 has, or only s3fs does (`make test-s3`)."""

import pytest

from tests.clouds.lakes import FLIGHTS, Lake, flights

pytestmark = [pytest.mark.s3, pytest.mark.parametrize("store", ["s3"], indirect=True)]


def test_an_unknown_user_is_told(cloud: Lake) -> None:
    variables, told = cloud.store.mistaken["user"]
    error = cloud.run("bronze.flights", "01", **variables)["error"]
    assert (error["kind"], told in error["message"]) == ("DataError", True)


def test_an_option_that_nobody_knows_is_told(cloud: Lake) -> None:
    cloud.store.put(FLIGHTS.format(1), flights(1))
    error = cloud.run("bronze.flights", "01", LAKE_STORAGE__OPTIONS__NOSUCH="1")["error"]
    assert (error["kind"], "unexpected keyword argument 'nosuch'" in error["message"]) == ("DataError", True)
    assert "storage.options" in error["message"]
