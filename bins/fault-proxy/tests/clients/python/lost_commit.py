"""Commits through a proxy that loses the responses to some commits. Arguments: port of the proxy, port of the server.

Prints, for each way of committing, whether the client got an error, and how many rows are there.
"""

import sys

import psycopg


def connect(port, **options):
    sslmode = "disable" if port == proxy else "prefer"
    return psycopg.connect(host="127.0.0.1", port=port, user="postgres", sslmode=sslmode, **options)


def in_transaction(connection):
    connection.execute("insert into orders values (1)")
    connection.commit()


def in_one_query(connection):
    # without parameters, psycopg sends one simple query
    connection.execute("begin; insert into orders values (1); commit")


def prepared(connection):
    connection.execute("insert into orders values (%s)", [1], prepare=True)
    connection.commit()


proxy, server = sys.argv[1:]
for commit in in_transaction, in_one_query, prepared:
    with connect(server, autocommit=True) as direct:
        direct.execute("drop table if exists orders")
        direct.execute("create table orders (id int)")
    for attempt in range(2):
        connection = connect(proxy, autocommit=commit is in_one_query)
        try:
            commit(connection)
            result = "ok"
        except psycopg.OperationalError:
            assert connection.broken, "the client is left without a connection"
            result = "lost"
        connection.close()
        with connect(server) as direct:
            rows = direct.execute("select count(*) from orders").fetchone()[0]
        print(commit.__name__, result, rows)
