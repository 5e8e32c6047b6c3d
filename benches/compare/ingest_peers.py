"""One other engine on one file: `ingest_peers.py ENGINE JOB FILE OUTPUT` prints the CPU seconds of the work.

Each is used as its own documentation and long use suggest: types declared, no inference, two threads, order not kept,
Zstandard Parquet in row groups of half a million; lines are taken apart by separators where that is faster than by
patterns. All write the same columns: ids as UUIDs or 16 bytes where the engine has a type for it."""
import os, resource, sys

os.environ.update(POLARS_MAX_THREADS="2", OMP_NUM_THREADS="2")
engine, job, source, target = sys.argv[1:5]
kind = job.split(".")[0]


def by_duckdb():
    import duckdb
    c = duckdb.connect()
    c.execute("set threads = 2; set TimeZone = 'UTC'; set preserve_insertion_order = false").fetchall()
    if kind == "csv":
        types = dict(request_id="UUID", started_at="TIMESTAMPTZ", team="VARCHAR", function="VARCHAR", memory_mb="INTEGER",
                     duration_ms="DECIMAL(12,2)", init_ms="DECIMAL(12,2)", used_mb="INTEGER", status="VARCHAR")
        query = f"""select request_id id, started_at happened, team, function fn, memory_mb, (duration_ms * 1000)::bigint duration_us,
            (init_ms * 1000)::bigint init_us, used_mb used, status
            from read_csv('{source}', header = true, auto_detect = false, delim = ',', quote = '"', columns = {types})"""
    elif kind == "ndjson":
        types = dict(requestId="UUID", startedAt="TIMESTAMPTZ", team="VARCHAR", function="VARCHAR", memoryMB="INTEGER",
                     durationMs="DECIMAL(12,2)", initMs="DECIMAL(12,2)", usedMB="INTEGER", status="VARCHAR")
        query = f"""select "requestId" id, "startedAt" happened, team, function fn, "memoryMB" memory_mb, ("durationMs" * 1000)::bigint duration_us,
            ("initMs" * 1000)::bigint init_us, "usedMB" used, status
            from read_json('{source}', format = 'newline_delimited', columns = {types})"""
    elif kind == "report":
        # The reader of CSV splits at tabs; only REPORT lines have any. `TIME /aws/lambda/NAME REPORT RequestId: ID`.
        columns = {name: "VARCHAR" for name in "head duration billed memory used more most rest end".split()}
        query = f"""with parts as (
                select head, duration, memory, used, coalesce(more, '') more, coalesce(most, '') most
                from read_csv('{source}', header = false, auto_detect = false, delim = '\t', quote = '', escape = '',
                    null_padding = true, strict_mode = false, columns = {columns}) where duration is not null)
            select right(head, 36)::uuid id, left(head, 24)::timestamptz happened, substring(head, 38, length(head) - 92) fn,
                substring(memory, 14, length(memory) - 16)::integer memory_mb, (substring(duration, 11, length(duration) - 13)::decimal(12,2) * 1000)::bigint duration_us,
                case when starts_with(more, 'Init') then (substring(more, 16, length(more) - 18)::decimal(12,2) * 1000)::bigint end init_us,
                substring(used, 18, length(used) - 20)::integer used,
                case when starts_with(more, 'Status: ') then substring(more, 9) when starts_with(most, 'Status: ') then substring(most, 9) else 'success' end status
            from parts"""
    else:
        names = """owner bucket day zone ip requester request_id operation key uri status error sent size total turn referer
            agent version host signature cipher auth endpoint tls arn acl""".split()
        columns = {name: "VARCHAR" for name in names}
        query = f"""select bucket, strptime(day[2:], '%d/%b/%Y:%H:%M:%S') happened, ip, requester, request_id,
                case when operation = 'REST.GET.BUCKET' then 'LIST' else split_part(operation, '.', 2) end operation, key,
                status::smallint status, nullif(error, '-') error, try_cast(sent as bigint) sent, try_cast(size as bigint) size,
                try_cast(total as integer) total, try_cast(turn as integer) turn, agent
            from read_csv('{source}', header = false, auto_detect = false, delim = ' ', quote = '"', escape = '"',
                columns = {columns}, null_padding = false, strict_mode = false)"""
    c.execute(f"copy ({query}) to '{target}' (format parquet, compression zstd, row_group_size 500000, parquet_version v2)").fetchall()


def by_polars():
    import polars as pl
    text = pl.String

    def id_of(column):
        return pl.col(column).str.replace_all("-", "", literal=True).str.decode("hex").alias("id")

    def us(expression, name):
        return (expression.cast(pl.Float64) * 1000).round(0).cast(pl.Int64).alias(name)

    def time(expression, digits):
        return expression.str.to_datetime(f"%Y-%m-%dT%H:%M:%S%.{digits}fZ", time_unit="us", time_zone="UTC").alias("happened")

    if kind == "csv":
        schema = dict(request_id=text, started_at=text, team=text, function=text, memory_mb=pl.Int32, duration_ms=pl.Float64,
                      init_ms=pl.Float64, used_mb=pl.Int32, status=text)
        frame = pl.scan_csv(source, schema=schema).select(
            id_of("request_id"), time(pl.col("started_at"), 6), "team", pl.col("function").alias("fn"), "memory_mb",
            us(pl.col("duration_ms"), "duration_us"), us(pl.col("init_ms"), "init_us"), pl.col("used_mb").alias("used"), "status")
    elif kind == "ndjson":
        schema = dict(requestId=text, startedAt=text, team=text, function=text, memoryMB=pl.Int32, durationMs=pl.Float64,
                      initMs=pl.Float64, usedMB=pl.Int32, status=text)
        frame = pl.scan_ndjson(source, schema=schema).select(
            id_of("requestId"), time(pl.col("startedAt"), 6), "team", pl.col("function").alias("fn"),
            pl.col("memoryMB").alias("memory_mb"), us(pl.col("durationMs"), "duration_us"), us(pl.col("initMs"), "init_us"),
            pl.col("usedMB").alias("used"), "status")
    else:
        lines = pl.scan_csv(source, has_header=False, separator="\x01", quote_char=None, schema=dict(line=text))
        lines = lines.filter(pl.col("line").str.contains(" REPORT RequestId: ", literal=True))
        parts = lines.select(pl.col("line").str.splitn("\t", 7).struct.unnest())
        head, more = pl.col("field_0"), pl.concat_str(pl.col("field_5").fill_null(""), pl.lit("\t"), pl.col("field_6").fill_null(""))
        number = lambda field, begin: pl.col(field).str.slice(begin).str.head(-3)
        frame = parts.select(
            head.str.slice(-36).str.replace_all("-", "", literal=True).str.decode("hex").alias("id"), time(head.str.slice(0, 24), 3),
            head.str.slice(37).str.head(-55).alias("fn"), number("field_3", 13).cast(pl.Int32).alias("memory_mb"),
            us(number("field_1", 10), "duration_us"), us(more.str.extract(r"Init Duration: ([0-9.]+)", 1), "init_us"),
            number("field_4", 17).cast(pl.Int32).alias("used"), more.str.extract(r"Status: (\w+)", 1).fill_null("success").alias("status"))
    frame.sink_parquet(target, compression="zstd", row_group_size=500_000)


def by_chdb():
    import chdb
    settings = """SETTINGS max_threads = 2, output_format_parquet_compression_method = 'zstd', output_format_parquet_row_group_size = 500000,
        engine_file_truncate_on_insert = 1, date_time_input_format = 'best_effort', session_timezone = 'UTC'"""
    common = """toInt64({d} * 1000) duration_us, toInt64({i} * 1000) init_us"""
    if kind == "csv":
        types = """request_id UUID, started_at DateTime64(6, ''UTC''), team LowCardinality(String), function LowCardinality(String), memory_mb Int32,
            duration_ms Decimal(12, 2), init_ms Nullable(Decimal(12, 2)), used_mb Int32, status LowCardinality(String)"""
        query = f"""select request_id id, started_at happened, team, function fn, memory_mb, {common.format(d='duration_ms', i='init_ms')}, used_mb used, status
            from file('{source}', 'CSVWithNames', '{types}')"""
    elif kind == "ndjson":
        types = """requestId UUID, startedAt DateTime64(6, ''UTC''), team LowCardinality(String), function LowCardinality(String), memoryMB Int32,
            durationMs Decimal(12, 2), initMs Nullable(Decimal(12, 2)), usedMB Int32, status LowCardinality(String)"""
        query = f"""select requestId id, startedAt happened, team, function fn, memoryMB memory_mb, {common.format(d='durationMs', i='initMs')}, usedMB used, status
            from file('{source}', 'JSONEachRow', '{types}')"""
    elif kind == "report":
        query = f"""with splitByChar('\\t', line) as p
            select toUUID(right(p[1], 36)) id, parseDateTime64BestEffort(left(p[1], 24), 3, 'UTC') happened, substring(p[1], 38, length(p[1]) - 92) fn,
                toInt32(substring(p[4], 14, length(p[4]) - 16)) memory_mb,
                toInt64(toDecimal64(substring(p[2], 11, length(p[2]) - 13), 2) * 1000) duration_us,
                if(startsWith(p[6], 'Init'), toInt64(toDecimal64(substring(p[6], 16, length(p[6]) - 18), 2) * 1000), null) init_us,
                toInt32(substring(p[5], 18, length(p[5]) - 20)) used,
                multiIf(startsWith(p[6], 'Status: '), substring(p[6], 9), startsWith(p[7], 'Status: '), substring(p[7], 9), 'success') status
            from file('{source}', 'LineAsString', 'line String') where position(line, ' REPORT RequestId: ') > 0"""
    else:
        pattern = r'^\S+ (\S+) \[(\S+) \S+ (\S+) (\S+) (\S+) (\S+) (\S+) "[^"]*" (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) "[^"]*" "([^"]*)"'.replace("\\", "\\\\")
        query = f"""with extractGroups(line, '{pattern}') as g
            select g[1] bucket, parseDateTimeInJodaSyntax(g[2], 'dd/MMM/yyyy:HH:mm:ss', 'UTC') happened, g[3] ip, g[4] requester, g[5] request_id,
                if(g[6] = 'REST.GET.BUCKET', 'LIST', splitByChar('.', g[6])[2]) operation, g[7] key, toInt16(g[8]) status, nullIf(g[9], '-') error,
                toInt64OrNull(g[10]) sent, toInt64OrNull(g[11]) size, toInt32OrNull(g[12]) total, toInt32OrNull(g[13]) turn, g[14] agent
            from file('{source}', 'LineAsString', 'line String')"""
    chdb.query(f"INSERT INTO FUNCTION file('{target}', 'Parquet') {query} {settings}", "CSV")


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


work = {"duckdb": by_duckdb, "polars": by_polars, "chdb": by_chdb}[engine]
__import__(engine)
before = cpu()
work()
print(cpu() - before)
