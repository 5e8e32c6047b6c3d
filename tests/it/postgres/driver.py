"""Checks of the Postgres wire with psycopg 3. The argument is a file with the port and what to expect."""

import datetime
import decimal
import json
import sys
import threading

import psycopg

given = json.load(open(sys.argv[1]))
connection = psycopg.connect(host="127.0.0.1", port=given["port"], user="me", dbname="paygrain", autocommit=True)


def one(query, parameters=None, **options):
    return connection.execute(query, parameters, **options).fetchone()[0]


def same(found, expected, what):
    assert found == expected, f"{what}: {found!r}, expected {expected!r}"


def told(row):
    return [format(value, "f") if isinstance(value, decimal.Decimal) else str(value) for value in row]


# Every digit, in text and in binary.
names = ("memory_mb", "cost", "wide", "records", "first")
expected = [[str(row[name]) for name in names] for row in given["exact"]]
for binary in (False, True):
    rows = connection.execute(given["exact_query"], binary=binary).fetchall()
    same([told(row) for row in rows], expected, f"exact, binary={binary}")
    same([type(value) for value in rows[0]], [int, decimal.Decimal, decimal.Decimal, int, datetime.date], "types")

# Parameters, as text, in binary, and with the type that the query makes of them.
midnight = datetime.datetime(2026, 10, 1, tzinfo=datetime.timezone.utc)
for condition, value, count in [
    ("billed_ms >= {}", 0, 50),
    ("billed_ms > {}", decimal.Decimal("-0.5"), 50),
    ("billed_ms < {}", -0.5, 0),
    ("date >= {}", datetime.date(2026, 10, 1), 50),
    ("date >= {}", "2026-10-01", 50),
    ("started_at >= {}", midnight, 50),
    ("started_at < {}", midnight, 0),
    ("resource = {}", "f", 50),
    ("resource = {}", "'; DROP TABLE invocations; --", 0),
    ("{}", True, 50),
    ("region = {}", None, 0),
]:
    for mark in ("%s", "%t", "%b"):
        if mark == "%b" and value is None:
            continue
        query = "SELECT count(*) FROM invocations WHERE " + condition.format(mark)
        for binary in (False, True):
            same(one(query, (value,), binary=binary), count, f"{query} {value!r}")
same(one("SELECT %s::int + 1", (4,)), 5, "a parameter that is cast")
same(one("SELECT started_at FROM invocations ORDER BY started_at LIMIT %s", (1,)).tzinfo is not None, True, "time zone")
same(one("SELECT %s", ("Straße ' \\ \" ☃",)), "Straße ' \\ \" ☃", "text comes back")
same(one("SELECT NULL"), None, "null")
for _ in range(3):
    same(one("SELECT count(*) FROM invocations WHERE billed_ms >= %s", (0,), prepare=True), 50, "prepared")
with connection.pipeline():
    first, second = connection.execute("SELECT 1"), connection.execute("SELECT %s::int", (2,))
same((first.fetchone(), second.fetchone()), ((1,), (2,)), "pipeline")

# Parts of an answer.
with connection.transaction(), connection.cursor(name="parts") as cursor:
    cursor.itersize = 7
    cursor.execute("SELECT billed_ms FROM invocations WHERE billed_ms >= %s ORDER BY billed_ms", (0,))
    same(len(list(cursor)), 50, "cursor")

# What fails has a code, and the session goes on.
for attack, codes in given["attacks"]:
    try:
        connection.execute(attack, prepare=True)
        raise AssertionError(f"not refused: {attack[:80]}")
    except psycopg.Error as error:
        assert error.sqlstate in codes, f"{attack[:80]}: {error.sqlstate} {error}"
    same(one("SELECT count(*) FROM invocations"), 50, attack[:80])
try:
    connection.execute("SELECT 1; SELECT %s", (2,))
    raise AssertionError("two statements in one")
except psycopg.errors.SyntaxError:
    pass
try:
    one("SELECT count(*) FROM invocations WHERE billed_ms > %s", ("many",))
    raise AssertionError("text is no number")
except psycopg.errors.DataError:
    pass

# Transactions: nothing is written, but drivers have them.
with psycopg.connect(host="127.0.0.1", port=given["port"], user="me", dbname="paygrain") as other:
    same(other.execute("SELECT 1").fetchone(), (1,), "in a transaction")
    try:
        other.execute("SELECT 1 / 0")
    except psycopg.errors.DivisionByZero:
        pass
    try:
        other.execute("SELECT 1")
        raise AssertionError("the transaction has failed")
    except psycopg.errors.InFailedSqlTransaction:
        pass
    other.rollback()
    with other.transaction():
        try:
            with other.transaction():
                other.execute("SELECT nothing")
        except psycopg.errors.UndefinedColumn:
            pass
        same(other.execute("SELECT 2").fetchone(), (2,), "behind a savepoint")

# Settings.
connection.execute("SET application_name = 'test'")
same(one("SHOW application_name"), "test", "a setting")
same(connection.info.parameter_status("application_name"), "test", "a setting is told")
for name, value in [("DateStyle", "German"), ("client_encoding", "LATIN1")]:
    try:
        connection.execute(f"SET {name} = '{value}'")
        raise AssertionError(f"{name} is not kept")
    except psycopg.errors.InvalidParameterValue:
        pass
notices = []
connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
connection.execute("SET TimeZone = 'Europe/Berlin'")
same(notices, ["times are told in UTC whatever the time zone is"], "time zone")
same(one("SHOW TimeZone"), "UTC", "time zone")
connection.execute("DISCARD ALL")

# Cancelled on request: the session goes on.
endless = "SELECT count(*) FROM generate_series(1, 1000000000000) WHERE value % 7 = 3"
stop = threading.Event()


def cancel():
    while not stop.wait(0.2):
        connection.cancel()


thread = threading.Thread(target=cancel)
thread.start()
try:
    connection.execute(endless.replace("%", "%%"), ())
    raise AssertionError("not cancelled")
except psycopg.errors.QueryCanceled as error:
    assert "user request" in str(error), error
finally:
    stop.set()
    thread.join()
for attempt in range(3):
    try:
        same(one("SELECT 1"), 1, "after a cancellation")
        break
    except psycopg.errors.QueryCanceled:
        # The last request came late.
        assert attempt < 2
connection.close()
