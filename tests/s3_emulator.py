"""An S3 service on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from moto.server import ThreadedMotoServer

OLD = "ignore:Your installed version of s3fs is very old"
"""What fsspec says of the one s3fs that goes with the boto3 of the tests."""


@contextmanager
def s3_emulator(bucket: str) -> Iterator[dict[str, str]]:
    """Run a service with a bucket, and yield the variables by which it is reached, which are those of this process."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host if host != '0.0.0.0' else '127.0.0.1'}:{port}"
    variables = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            boto3.client("s3").create_bucket(Bucket=bucket)
            yield variables
    finally:
        server.stop()
