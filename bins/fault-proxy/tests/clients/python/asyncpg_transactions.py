"""Transactions of asyncpg with prepared statements. Arguments: port of a proxy that loses the response to the first commit, port of one
that responds to the first update with a deadlock, port of the server.

Prints what the client sees.
"""

import asyncio
import sys

import asyncpg


def connect(port):
    return asyncpg.connect(host="127.0.0.1", port=int(port), user="postgres", database="postgres", ssl=False)


async def lost_commit(direct):
    for _ in range(2):
        connection = await connect(lossy)
        insert = await connection.prepare("insert into orders values ($1)")
        try:
            async with connection.transaction():
                for number in range(3):
                    await insert.fetch(number)
            result = "ok"
        except (asyncpg.PostgresConnectionError, OSError):
            result = "lost"
        rows = await direct.fetchval("select count(*) from orders")
        print("commit", result, "closed" if connection.is_closed() else "open", rows)
        await connection.close()


async def deadlock(direct):
    connection = await connect(failing)
    pid = connection.get_server_pid()
    update = await connection.prepare("update orders set id = id + $1")
    for _ in range(2):
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("insert into orders values (100)")
        for statement in update, await connection.prepare("select $1::int"):
            try:
                await statement.fetch(1)
                print("ok")
            except asyncpg.PostgresError as error:
                print(error.sqlstate)
                await transaction.rollback()
                break
        else:
            await transaction.commit()
        print("rows", await direct.fetchval("select count(*) from orders"))
    same = await connection.fetchval("select pg_backend_pid()") == pid
    print("same connection" if same else "another connection")
    await connection.close()


async def main():
    direct = await connect(server)
    await direct.execute("create table orders (id int)")
    await lost_commit(direct)
    await deadlock(direct)
    await direct.close()


lossy, failing, server = sys.argv[1:]
asyncio.run(main())
