"""Thousands of cursors of asyncpg, each in its own transaction. Argument: port of a proxy that responds to `select 2`
with an error.

Prints what the client sees of this statement afterwards.
"""

import asyncio
import sys

import asyncpg

CURSORS = 4200


async def main():
    connection = await asyncpg.connect(
        host="127.0.0.1", port=int(sys.argv[1]), user="postgres", database="postgres", ssl=False
    )
    for _ in range(CURSORS):
        async with connection.transaction():
            cursor = await connection.cursor("select 1")
            await cursor.fetch(1)
    try:
        await connection.fetch("select 2")
        print("ok")
    except asyncpg.PostgresError as error:
        print(error.sqlstate)
    await connection.close()


asyncio.run(main())
