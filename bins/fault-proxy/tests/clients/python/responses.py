"""Clients whose requests the proxy responds to. Arguments: ports of the proxies of PostgreSQL, HTTP and Redis.

Prints what each client sees.
"""

import sys

import psycopg
import redis
import requests

postgres, http, cache = map(int, sys.argv[1:])

connection = psycopg.connect(host="127.0.0.1", port=postgres, user="postgres", sslmode="disable")


def attempt(name, action):
    try:
        action()
        result = "ok"
    except psycopg.Error as error:
        result = error.sqlstate
    print(name, result, connection.info.transaction_status.name)


connection.execute("create table t (id int)")
connection.commit()
attempt("insert", lambda: connection.execute("insert into t values (1)"))
attempt("update", lambda: connection.execute("update t set id = 2"))
attempt("after the error", lambda: connection.execute("select 1"))
connection.rollback()
attempt("prepared update", lambda: connection.execute("update t set id = %s", [2], prepare=True))
connection.rollback()
attempt("insert", lambda: connection.execute("insert into t values (1)"))
attempt("commit", connection.commit)
attempt("insert", lambda: connection.execute("insert into t values (2)"))
attempt("commit", connection.commit)
print("rows", connection.execute("select id from t").fetchall())
attempt("delete", lambda: connection.execute("delete from t"))
print("closed", connection.closed)

session = requests.Session()
for method in "GET", "POST", "HEAD", "POST", "GET":
    response = session.request(method, f"http://127.0.0.1:{http}/orders", data="an order", timeout=60)
    print(method, response.status_code, response.headers.get("retry-after"), response.text)

client = redis.Redis(port=cache)
pipeline = client.pipeline(transaction=False)
first, error, last = pipeline.set("a", 1).set("session:1", 2).get("a").execute(raise_on_error=False)
print(first, type(error).__name__, last)
pipeline = client.pipeline(transaction=True)
try:
    print(pipeline.set("a", 3).set("session:1", 4).execute())
except redis.RedisError as error:
    print(type(error).__name__)
print(client.get("a"), client.get("session:1"))
