#!/usr/bin/env python3
"""The data of the comparison of queries: one month of invocations in every form that an engine wants, from one text.

    query_data.py --rows 10000000 --data DIR --generate /tmp/generate_usage [--seed 7] [--paygrain BINARY]

In DIR afterwards, each made once and left alone when it is there:

    usage.csv.zst    what generate_usage wrote: the only source of all others
    raw.parquet      the same rows in the same order, duplicates among them
    clean.parquet    each invocation once, sorted by function and time
    clean.duckdb     clean.parquet as a file of DuckDB
    clean.chdb       clean.parquet as a MergeTree of ClickHouse, ordered by function and time
    sums_day, sums_hour, month_ms, month_10us, day_ms (.parquet)
                     sums and histograms for who asks "and if the others had them too?"
    lake             what paygrain has ingested from usage.csv.zst

With --paygrain the lake is made and compared with clean.parquet: rows, sums, and a hash over every row.
"""
import argparse, json, pathlib, shutil, subprocess, sys, time

HERE = pathlib.Path(__file__).resolve().parent
WRITE = "(format parquet, compression zstd, parquet_version v2)"
# A column of DuckDB's types for every column of the text.
TYPES = dict(request_id="UUID", started_at="TIMESTAMPTZ", team="VARCHAR", function="VARCHAR", memory_mb="INTEGER",
             duration_ms="DECIMAL(12,2)", init_ms="DECIMAL(12,2)", used_mb="INTEGER", status="VARCHAR")
DAY, HOUR = "(epoch_us(started_at) // 86400000000)::integer", "(epoch_us(started_at) // 3600000000)::integer"
# Sums by the four rounding rules, in units of the rule: 1 ms, 100 ms, 1 s, and 1 s but at least a minute.
RULES = """sum((duration_us + 999) // 1000)::bigint by_1ms, sum((duration_us + 99999) // 100000)::bigint by_100ms,
    sum((duration_us + 999999) // 1000000)::bigint by_1s, sum(greatest(60, (duration_us + 999999) // 1000000))::bigint by_minute"""
SUMS = {
    "sums_day": f"select team, function, memory_mb, {DAY} as day, count(*) as n, {RULES} from {{clean}} group by all order by all",
    "sums_hour": f"select function, memory_mb, {HOUR} as hour, count(*) as n, sum(duration_us)::bigint busy_us, {RULES} from {{clean}} group by all order by all",
    "month_ms": "select function, ((duration_us + 999) // 1000)::integer as ms, count(*)::integer as n from {clean} group by all order by all",
    "month_10us": "select function, memory_mb, (duration_us // 10)::integer as hundredths, count(*)::integer as n from {clean} group by all order by all",
    "day_ms": f"select function, {DAY} as day, ((duration_us + 999) // 1000)::integer as ms, count(*)::integer as n from {{clean}} group by all order by all",
}


def duckdb_in(directory):
    import duckdb
    c = duckdb.connect()
    c.execute(f"set threads = 2; set TimeZone = 'UTC'; set memory_limit = '10GB'; set temp_directory = '{directory}/tmp'").fetchall()
    return c


def made(path, make):
    """Makes a file or directory under another name first, so that one cut short is never taken for whole."""
    if path.exists():
        return
    begin, part = time.time(), path.with_name("part-" + path.name)
    shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink(missing_ok=True)
    make(part)
    part.rename(path)
    print(f"{path.name}: {size(path) / 1e6:,.1f} MB in {time.time() - begin:.0f} s", flush=True)


def size(path):
    return path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def text(arguments, path):
    with open(path, "wb") as out:
        generate = subprocess.Popen([arguments.generate, "csv", str(arguments.rows), str(arguments.seed)], stdout=subprocess.PIPE)
        subprocess.run(["zstd", "-q", "-3"], stdin=generate.stdout, stdout=out, check=True)
        if generate.wait() != 0:
            sys.exit("generate_usage failed")


def raw(data, path):
    read = f"read_csv('{data}/usage.csv.zst', header = true, auto_detect = false, delim = ',', quote = '\"', columns = {TYPES})"
    duckdb_in(data).execute(f"""copy (select request_id, started_at, team, function, memory_mb, (duration_ms * 1000)::bigint duration_us,
        (init_ms * 1000)::bigint init_us, used_mb, status from {read}) to '{path}' {WRITE}""").fetchall()


def clean(data, path):
    duckdb_in(data).execute(f"""copy (select distinct * from '{data}/raw.parquet' order by function, started_at, request_id)
        to '{path}' {WRITE}""").fetchall()


def duckdb_file(data, path):
    # Names as enums, which DuckDB groups by faster than by text; in the order of the text.
    columns, c = ["team", "function", "status"], duckdb_in(data)
    c.execute(f"attach '{path}' as made; use made")
    for column in columns:
        c.execute(f"create type {column}_name as enum (select distinct {column} from '{data}/clean.parquet' order by 1)")
    names = ", ".join(f"{column}::{column}_name as {column}" for column in columns)
    c.execute(f"create table invocations as select * replace ({names}) from '{data}/clean.parquet'")
    c.execute("checkpoint; use memory; detach made")


def merge_tree(data, path):
    # In a process of its own: the engine keeps the directory until it ends.
    code = f"""
import time
from chdb import session
s = session.Session({str(path)!r})
s.query("create database if not exists usage")
s.query('''create table usage.invocations (request_id UUID, started_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    team LowCardinality(String), function LowCardinality(String), memory_mb Int32 CODEC(ZSTD(1)), duration_us Int64 CODEC(ZSTD(1)),
    init_us Nullable(Int64) CODEC(ZSTD(1)), used_mb Int32 CODEC(ZSTD(1)), status LowCardinality(String))
    engine = MergeTree order by (function, started_at) settings old_parts_lifetime = 1''')
s.query('''insert into usage.invocations select * from file('{data}/clean.parquet', 'Parquet')
    settings max_threads = 2, max_insert_threads = 1''')
s.query("optimize table usage.invocations final")
# Parts that were merged into others are removed before the directory counts as made.
while s.query("select count() from system.parts where not active", "CSV").bytes().strip() != b"0":
    time.sleep(1)
s.close()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def sums(data, name, path):
    duckdb_in(data).execute(f"copy ({SUMS[name].format(clean=repr(str(data / 'clean.parquet')))}) to '{path}' {WRITE}").fetchall()


def lake(paygrain, data, path):
    command = [paygrain, "--lake", path, "ingest", "--format", "json", "--mapping", HERE / "csv.toml", data / "usage.csv.zst"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def check(paygrain, data):
    """The lake holds what the others have: sums by the product's own SQL, and a hash of every row of its files."""
    query = """select count(*) as rows, sum(duration_us) as duration, sum(init_us) as init, sum(memory_mb) as memory,
        sum(memory_used_mb) as used, count(distinct resource) as functions, count(distinct account) as teams from invocations"""
    answer = subprocess.run([paygrain, "--lake", data / "lake", "sql", "--format", "csv", query], capture_output=True, text=True)
    if answer.returncode != 0:
        sys.exit(answer.stderr)
    ours = tuple(int(number) for number in answer.stdout.split("\n")[1].split(","))
    c = duckdb_in(data)
    theirs = c.execute(f"""select count(*), sum(duration_us), sum(init_us), sum(memory_mb), sum(used_mb), count(distinct function),
        count(distinct team) from '{data}/clean.parquet'""").fetchone()
    hashed = """bit_xor(hash(concat_ws('|', replace(request_id::text, '-', ''), epoch_us(started_at), {team}, {function}, memory_mb,
        duration_us, coalesce(init_us, -1), {used}, status)))"""
    ours += c.execute(f"""select {hashed.format(team='account', function='resource', used='memory_used_mb')}
        from read_parquet('{data}/lake/invocations/**/*.parquet', hive_partitioning = false)""").fetchone()
    theirs += c.execute(f"select {hashed.format(team='team', function='function', used='used_mb')} from '{data}/clean.parquet'").fetchone()
    if ours != theirs:
        sys.exit(f"the lake differs from clean.parquet:\n  {ours}\n  {theirs}")
    print("lake and clean.parquet are equal:", json.dumps(ours))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--data", required=True, help="directory; made if it is not there")
    parser.add_argument("--generate", help="program made from examples/generate_usage.rs")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--paygrain", help="program that makes the lake")
    arguments = parser.parse_args()
    data = pathlib.Path(arguments.data).resolve()
    data.mkdir(parents=True, exist_ok=True)
    makers = {"usage.csv.zst": lambda path: text(arguments, path), "raw.parquet": lambda path: raw(data, path),
              "clean.parquet": lambda path: clean(data, path), "clean.duckdb": lambda path: duckdb_file(data, path),
              "clean.chdb": lambda path: merge_tree(data, path),
              **{f"{name}.parquet": lambda path, name=name: sums(data, name, path) for name in SUMS}}
    for name, make in makers.items():
        made(data / name, make)
    if arguments.paygrain:
        made(data / "lake", lambda path: lake(arguments.paygrain, data, path))
        check(arguments.paygrain, data)
    shutil.rmtree(data / "tmp", ignore_errors=True)


if __name__ == "__main__":
    main()
