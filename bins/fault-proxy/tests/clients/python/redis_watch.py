"""Transactions of redis-py whose EXEC is lost. Arguments: port of the proxy, port of the server.

Prints, for each transaction, whether another client has changed the watched key, what the client sees, and the value on the server. The
last one is a pipeline that redis-py repeats, although the server has executed it.
"""

import sys

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

proxy, server = map(int, sys.argv[1:])
direct = redis.Redis(port=server)


def client(retries):
    return redis.Redis(port=proxy, retry=Retry(NoBackoff(), retries))


for is_changed in True, False:
    with client(retries=0).pipeline() as pipeline:
        pipeline.watch("balance")
        if is_changed:
            direct.set("balance", 100)
        pipeline.multi()
        pipeline.incrby("balance", 1)
        try:
            seen = pipeline.execute()
        except redis.RedisError as error:
            seen = type(error).__name__
    print("changed" if is_changed else "unchanged", seen, direct.get("balance").decode())

print("repeated", client(retries=1).pipeline().incrby("balance", 1).execute(), direct.get("balance").decode())
