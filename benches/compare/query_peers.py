#!/usr/bin/env python3
"""One other engine on one job: `query_peers.py ENGINE JOB DATA OUTPUT` writes the answer and prints how long it took.

Each is used as its own documentation and long use suggest: two threads, only the columns that are needed, results handed
over in the engine's own columns and not as Python objects. The jobs and the columns of their answers are in README.md;
every number is whole, no float is anywhere. Engines whose name ends in `+sums` are given the sums and histograms of
query_data.py as tables in memory, so that they are asked what paygrain is asked when it answers from its own."""
import json, os, pathlib, resource, sys, time

os.environ.update(POLARS_MAX_THREADS="2", OMP_NUM_THREADS="2")
engine, job, data, target = sys.argv[1:5]
repeat = int(sys.argv[5]) if len(sys.argv) > 5 else 3

# The month's prices: of a GB-s in 10^-10 USD by tier, after what is free. All limits are those of AWS, made smaller so that
# a million rows cross each. A billed MB-ms is 1/1,024,000 of a GB-s, so charges count 10^-10/1,024,000 USD.
FREE, UP_TO = 4_000 * 1_024_000, (60_000 * 1_024_000, 150_000 * 1_024_000)
PRICES, FREE_REQUESTS = (166_667, 150_000, 133_334), 100_000
SIZES = [128, 256, 512, 1024, 1536, 1769, 2048, 3008, 4096, 10240]
LAST_WEEK_US, LAST_WEEK_DAY = 1_779_667_200_000_000, 20_598  # 2026-05-25, a Monday
FUNCTION = "image-image-0009"  # the tenth of the functions by calls
MONTH = (493_776, 493_776 + 744)  # the hours of May 2026
ENDLESS = 9_000_000_000_000_000_000
RULES = ["by_1ms", "by_100ms", "by_1s", "by_minute"]
RULE_MS = [1, 100, 1000, 1000]
# What a job asks of the sums and histograms of query_data.py.
TABLES = {"j2c": ["sums_day"], "q1": ["sums_day"], "q2": ["sums_day"], "q3": ["month_ms"], "q4": ["sums_hour"], "q5": ["sums_day", "day_ms"],
          "j4a": ["sums_day"], "j4b": ["month_10us"]}


class DuckDB:
    """The SQL of the jobs, and what DuckDB calls things; the other engines of SQL change names."""

    invocations, raw = f"'{data}/clean.parquet'", f"'{data}/raw.parquet'"
    at_us, day, hour = "epoch_us(started_at)", "(epoch_us(started_at) // 86400000000)::integer", "(epoch_us(started_at) // 3600000000)::integer"
    last_week = "started_at >= timestamptz '2026-05-25 00:00:00+00'"
    hours = f"select unnest(range({MONTH[0]}, {MONTH[1]})) as hour"

    def divide(self, dividend, divisor):
        return f"({dividend}) // {divisor}"

    def sum(self, expression):
        return f"sum({expression})::bigint"

    def long(self, expression):
        return f"({expression})::bigint"

    def wide(self, expression):
        return f"({expression})::hugeint"

    def wide_answer(self, expression):
        return f"({expression})::decimal(38, 0)"

    def connect(self):
        import duckdb, pyarrow  # pyarrow so that the first repetition does not load it
        self.c = duckdb.connect(f"{data}/clean.duckdb", read_only=True) if engine == "duckdb-file" else duckdb.connect()
        if engine == "duckdb-file":
            self.invocations = "invocations"
        self.c.execute(f"set threads = 2; set memory_limit = '12GB'; set TimeZone = 'UTC'; set temp_directory = '{target}.tmp'").fetchall()
        self.c.execute("set preserve_insertion_order = false").fetchall()
        if engine.endswith("+sums"):
            for name in TABLES[job]:
                self.c.execute(f"create table {name} as from '{data}/{name}.parquet'")

    def run(self):
        return self.c.sql(self.query()).to_arrow_table()

    def rows(self, answer):
        return zip(*(column.to_pylist() for column in answer.columns))

    # The jobs.

    def query(self):
        return getattr(self, ("sums_" if engine.endswith("+sums") else "") + job)()

    def billed(self):
        return f"{self.divide('duration_us + 99999', 100000)} * 100 * {self.long('memory_mb')}"

    def ms(self, column="duration_us"):
        return self.divide(f"{column} + 999", 1000)

    def rated(self, sums):
        """Charges of each day and function, given requests and MB-ms of each, in the order of day and function."""
        tier = lambda x, low, high: f"(least(greatest({x} - {FREE}, {low}), {high}) - {low})"
        charge = lambda x: "(" + " + ".join(f"{self.wide(tier(x, low, high))} * {price}" for low, high, price in
                                            zip((0, *UP_TO), (*UP_TO, ENDLESS), PRICES)) + ")"
        requests = lambda x: f"(greatest({x} - {FREE_REQUESTS}, 0) * 2)"
        so_far = lambda x: self.long(f"sum({x}) over (order by day, function rows between unbounded preceding and current row)")
        return f"""with sums as ({sums}), so_far as (select day, function, n, billed, {so_far('billed')} as all_billed, {so_far('n')} as all_n from sums)
            select day, function, n, billed, {self.wide_answer(f"{charge('all_billed')} - {charge('all_billed - billed')}")} as charge,
                {requests('all_n')} - {requests('all_n - n')} as request_charge from so_far"""

    def by_day_and_function(self, source):
        return f"select {self.day} as day, function, {self.long('count(*)')} as n, {self.sum(self.billed())} as billed from {source} group by 1, 2"

    def j2a(self):
        return self.rated(self.by_day_and_function(f"(select distinct request_id, started_at, function, memory_mb, duration_us from {self.raw}) as invocations"))

    def j2b(self):
        return self.rated(self.by_day_and_function(self.invocations))

    def q1(self):
        return f"select team, function, {self.day} as day, count(*) as n, {self.sum(self.billed())} as billed from {self.invocations} group by 1, 2, 3"

    def q2(self):
        return f"select function, {self.sum(self.billed())} as billed from {self.invocations} where {self.last_week} group by 1 order by 2 desc, 1 limit 20"

    def q3(self):
        return f"""select function, n, {self.ms('p[1]')}, {self.ms('p[2]')}, {self.ms('p[3]')} from (
            select function, count(*) as n, quantile_disc(duration_us, [0.5, 0.95, 0.99]) as p from {self.invocations} group by 1)"""

    def q4(self):
        return f"select {self.hour} as hour, count(*) as n, {self.sum('duration_us')} as busy_us from {self.invocations} group by 1"

    def q5(self):
        return f"""select day, n, billed, {self.ms('p')} from (select {self.day} as day, count(*) as n, {self.sum(self.billed())} as billed,
            quantile_disc(duration_us, 0.95) as p from {self.invocations} where function = '{FUNCTION}' group by 1)"""

    def rule(self, at, value, scale=1):
        rounded = self.divide(f"{value} + {RULE_MS[at] * 1000 * scale - 1}", RULE_MS[at] * 1000 * scale)
        return [rounded, f"{rounded} * 100", f"{rounded} * 1000", f"greatest(60000, {rounded} * 1000)"][at]

    def j4a(self):
        sums = ", ".join(f"{self.sum(self.rule(at, 'duration_us'))} as b{at}" for at in range(4))
        return f"select function, {sums} from {self.invocations} group by 1"

    def j4b(self):
        work = f"duration_us * {self.long('memory_mb')}"
        sums = ", ".join(f"{self.sum(self.rule(at, 'work', size))} as b{size}_{at}" for size in SIZES for at in range(4))
        return f"select function, {sums} from (select function, {work} as work from {self.invocations}) as invocations group by 1"

    def j4c(self):
        # What runs at the full hour is an event of its own: after the ends of that moment, before its starts.
        events = f"""select {self.at_us} as moment, 1 as change from {self.invocations} union all
            select {self.at_us} + duration_us + coalesce(init_us, 0) as moment, -1 as change from {self.invocations} union all
            select {self.long('hour')} * 3600000000 as moment, 0 as change from ({self.hours}) as hours"""
        return f"""select {self.divide('moment', 3600000000)} as hour, max(running) as peak from (select moment, change,
                sum(change) over (order by moment, change rows between unbounded preceding and current row) as running from ({events}) as events) as swept
            where change >= 0 and moment < {MONTH[1]} * 3600000000 group by 1"""

    # The same from sums and histograms.

    def sums_j2c(self):
        return self.rated(f"select day, function, {self.sum('n')} as n, {self.sum('by_100ms * memory_mb')} * 100 as billed from sums_day group by 1, 2")

    def sums_q1(self):
        return f"select team, function, day, {self.sum('n')} as n, {self.sum('by_100ms * memory_mb')} * 100 as billed from sums_day group by 1, 2, 3"

    def sums_q2(self):
        return f"select function, {self.sum('by_100ms * memory_mb')} * 100 as billed from sums_day where day >= {LAST_WEEK_DAY} group by 1 order by 2 desc, 1 limit 20"

    def weighted(self, source, group, ranks):
        """A rank of a histogram: where the numbers so far first reach it."""
        found = ", ".join(f"min(ms) filter (so_far >= {self.divide(f'n * {rank} + 99', 100)}) as p{rank}" for rank in ranks)
        return f"""select {group}, any_value(n) as n, {found} from (select {group}, ms,
                sum(n) over (partition by {group} order by ms rows between unbounded preceding and current row) as so_far,
                sum(n) over (partition by {group}) as n from {source}) group by 1"""

    def sums_q3(self):
        return self.weighted("month_ms", "function", [50, 95, 99])

    def sums_q4(self):
        return f"select hour, {self.sum('n')} as n, {self.sum('busy_us')} as busy_us from sums_hour group by 1"

    def sums_q5(self):
        ranks = self.weighted(f"(select * from day_ms where function = '{FUNCTION}') as one", "day", [95])
        return f"""select day, s.n, billed, p95 from ({ranks}) as p join (select day, {self.sum('n')} as n, {self.sum('by_100ms * memory_mb')} * 100 as billed
            from sums_day where function = '{FUNCTION}' group by 1) as s using (day)"""

    def sums_j4a(self):
        return f"select function, {', '.join(f'{self.sum(rule)} * {ms} as b_{rule}' for rule, ms in zip(RULES, RULE_MS))} from sums_day group by 1"

    def sums_j4b(self):
        work = f"{self.long('hundredths')} * 10 * memory_mb"
        sums = ", ".join(self.sum(f"({self.rule(at, 'work', size)}) * n") + f" as b{size}_{at}" for size in SIZES for at in range(4))
        return f"select function, {sums} from (select function, {work} as work, n from month_10us) as histogram group by 1"


class ClickHouse(DuckDB):
    invocations, raw = f"file('{data}/clean.parquet', 'Parquet')", f"file('{data}/raw.parquet', 'Parquet')"
    at_us, day, hour = "toUnixTimestamp64Micro(started_at)", "toInt32(toDate(started_at))", "intDiv(toUnixTimestamp64Micro(started_at), 3600000000)"
    last_week = "started_at >= toDateTime64('2026-05-25 00:00:00', 6, 'UTC')"
    hours = f"select toInt64(number) + {MONTH[0]} as hour from numbers({MONTH[1] - MONTH[0]})"
    settings = "settings max_threads = 2, session_timezone = 'UTC', max_bytes_before_external_group_by = 0, max_bytes_ratio_before_external_group_by = 0"

    def divide(self, dividend, divisor):
        return f"intDiv({dividend}, {divisor})"

    def sum(self, expression):
        return f"toInt64(sum({expression}))"

    def long(self, expression):
        return f"toInt64({expression})"

    def wide(self, expression):
        return f"toInt128({expression})"

    def wide_answer(self, expression):
        return f"toDecimal128({expression}, 0)"

    def connect(self):
        import pyarrow
        from chdb import session
        if engine == "chdb-merge-tree":
            self.c, self.invocations = session.Session(f"{data}/clean.chdb"), "usage.invocations"
        else:
            self.c = session.Session()
        if engine.endswith("+sums"):
            self.c.query("create database if not exists usage")
            for name in TABLES[job]:
                self.c.query(f"create table usage.{name} engine = Memory as select * from file('{data}/{name}.parquet', 'Parquet')")

    def run(self):
        query = self.query()
        if engine.endswith("+sums"):
            for name in TABLES[job]:
                query = query.replace(f"from {name}", f"from usage.{name}")
        return self.c.query(f"{query} {self.settings}", "ArrowStream")

    def rows(self, answer):
        import pyarrow
        table = pyarrow.ipc.open_stream(answer.bytes()).read_all()
        text = lambda value: value.decode() if isinstance(value, bytes) else value
        return zip(*([text(value) for value in column.to_pylist()] for column in table.columns))

    def q3(self):
        return f"""select function, n, {self.ms('p[1]')}, {self.ms('p[2]')}, {self.ms('p[3]')} from (
            select function, count() as n, quantilesExactWeighted(0.5, 0.95, 0.99)(duration_us, 1) as p from {self.invocations} group by 1)"""

    def q5(self):
        return super().q5().replace("quantile_disc(duration_us, 0.95)", "quantileExactWeighted(0.95)(duration_us, 1)")

    def sums_q3(self):
        return """select function, total, p[1], p[2], p[3] from (select function, toInt64(sum(n)) as total,
            quantilesExactWeighted(0.5, 0.95, 0.99)(ms, toUInt32(n)) as p from month_ms group by 1)"""

    def weighted(self, source, group, ranks):
        return f"select {group}, quantileExactWeighted(0.95)(ms, toUInt32(n)) as p95 from {source} group by 1"


class DataFusion(DuckDB):
    invocations, raw = "invocations", "raw"
    at_us, day, hour = "cast(started_at as bigint)", "cast(cast(started_at as date) as int)", "cast(started_at as bigint) / 3600000000"
    last_week = "started_at >= timestamp '2026-05-25 00:00:00'"
    hours = f"select unnest(range({MONTH[0]}, {MONTH[1]})) as hour"

    def divide(self, dividend, divisor):
        return f"({dividend}) / {divisor}"

    def sum(self, expression):
        return f"sum({expression})"

    def long(self, expression):
        return f"cast({expression} as bigint)"

    def wide(self, expression):
        return f"cast({expression} as decimal(38, 0))"

    def wide_answer(self, expression):
        return expression

    def connect(self):
        import datafusion, pyarrow
        self.c = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(2))
        self.c.register_parquet("invocations", f"{data}/clean.parquet")
        self.c.register_parquet("raw", f"{data}/raw.parquet")

    def run(self):
        return self.c.sql(self.query()).to_arrow_table()

    def ranks(self, group, ranks, more=""):
        found = ", ".join(f"{self.ms(f'max(case when place = (n * {rank} + 99) / 100 then duration_us end)')} as p{rank}" for rank in ranks)
        return f"""select {group}, max(n) as n{more}, {found} from (select {group}, duration_us, billed,
            row_number() over (partition by {group} order by duration_us) as place, count(*) over (partition by {group}) as n"""

    def q3(self):
        return f"{self.ranks('function', [50, 95, 99])} from (select function, duration_us, 0 as billed from invocations)) group by 1"

    def q5(self):
        return f"""{self.ranks('day', [95], ', sum(billed) as billed')} from (select {self.day} as day, duration_us, {self.billed()} as billed
            from invocations where function = '{FUNCTION}')) group by 1"""


class Polars:
    def connect(self):
        import polars
        global pl
        pl = polars
        if engine.endswith("+sums"):
            self.tables = {name: pl.read_parquet(f"{data}/{name}.parquet") for name in TABLES[job]}

    def run(self):
        # The engine in memory is faster at telling duplicates apart, the streaming one at the rest.
        return getattr(self, ("sums_" if engine.endswith("+sums") else "") + job)().collect(
            engine="in-memory" if job == "j2a" or engine.endswith("+sums") else "streaming")

    def rows(self, answer):
        return answer.rows()

    def scan(self):
        duration, at_us = pl.col("duration_us"), pl.col("started_at").dt.epoch("us")
        self.billed = ((duration + 99_999) // 100_000 * 100 * pl.col("memory_mb").cast(pl.Int64)).sum().alias("billed")
        self.day, self.hour = (at_us // 86_400_000_000).cast(pl.Int32).alias("day"), (at_us // 3_600_000_000).cast(pl.Int32).alias("hour")
        return pl.scan_parquet(f"{data}/clean.parquet")

    def rated(self, sums):
        sums = sums.sort("day", "function")
        billed, n = pl.col("billed").cum_sum(), pl.col("n").cum_sum()
        tier = lambda x, low, high: ((x - FREE).clip(low, high) - low).cast(pl.Int128)
        charge = lambda x: sum(tier(x, low, high) * price for low, high, price in zip((0, *UP_TO), (*UP_TO, ENDLESS), PRICES))
        requests = lambda x: (x - FREE_REQUESTS).clip(lower_bound=0) * 2
        return sums.with_columns((charge(billed) - charge(billed - pl.col("billed"))).alias("charge"),
                                 (requests(n) - requests(n - pl.col("n"))).alias("request_charge"))

    def j2a(self):
        self.scan()
        distinct = pl.scan_parquet(f"{data}/raw.parquet").select("request_id", "started_at", "function", "memory_mb", "duration_us").unique(keep="any")
        return self.rated(distinct.group_by(self.day, "function").agg(pl.len().cast(pl.Int64).alias("n"), self.billed))

    def j2b(self):
        return self.rated(self.scan().group_by(self.day, "function").agg(pl.len().cast(pl.Int64).alias("n"), self.billed))

    def q1(self):
        return self.scan().group_by("team", "function", self.day).agg(pl.len().alias("n"), self.billed)

    def q2(self):
        from datetime import datetime, timezone
        week = self.scan().filter(pl.col("started_at") >= datetime(2026, 5, 25, tzinfo=timezone.utc))
        return week.group_by("function").agg(self.billed).sort(["billed", "function"], descending=[True, False]).head(20)

    def ranks(self, *ranks):
        ordered = pl.col("duration_us").sort()
        return [((ordered.get((pl.len().cast(pl.Int64) * rank + 99) // 100 - 1) + 999) // 1000).alias(f"p{rank}") for rank in ranks]

    def q3(self):
        return self.scan().group_by("function").agg(pl.len().alias("n"), *self.ranks(50, 95, 99))

    def q4(self):
        return self.scan().group_by(self.hour).agg(pl.len().alias("n"), pl.col("duration_us").sum().alias("busy_us"))

    def q5(self):
        return self.scan().filter(pl.col("function") == FUNCTION).group_by(self.day).agg(pl.len().alias("n"), self.billed, *self.ranks(95))

    def rules(self, value, scale=1):
        up = lambda ms: (value + (ms * 1000 * scale - 1)) // (ms * 1000 * scale) * ms
        return [up(1), up(100), up(1000), up(1000).clip(lower_bound=60_000)]

    def j4a(self):
        return self.scan().group_by("function").agg(rule.sum().alias(f"b{at}") for at, rule in enumerate(self.rules(pl.col("duration_us"))))

    def j4b(self):
        work = self.scan().select("function", (pl.col("duration_us") * pl.col("memory_mb")).alias("work"))
        return work.group_by("function").agg(rule.sum().alias(f"b{size}_{at}") for size in SIZES for at, rule in enumerate(self.rules(pl.col("work"), size)))

    def j4c(self):
        length = (pl.col("duration_us") + pl.col("init_us").fill_null(0)).alias("length")
        calls = self.scan().select(pl.col("started_at").dt.epoch("us").alias("at"), length)
        change = lambda number: pl.lit(number, pl.Int32).alias("change")
        hours = pl.LazyFrame({"at": [hour * 3_600_000_000 for hour in range(*MONTH)]}, schema={"at": pl.Int64}).select("at", change(0))
        events = pl.concat([calls.select("at", change(1)), calls.select(pl.col("at") + pl.col("length"), change(-1)), hours])
        swept = events.sort("at", "change").with_columns(pl.col("change").cum_sum().alias("running"))
        swept = swept.filter((pl.col("change") >= 0) & (pl.col("at") < MONTH[1] * 3_600_000_000))
        return swept.group_by((pl.col("at") // 3_600_000_000).alias("hour")).agg(pl.col("running").max())

    # The same from sums and histograms.

    def table(self, name):
        self.n, self.billed = pl.col("n").sum(), ((pl.col("by_100ms") * pl.col("memory_mb")).sum() * 100).alias("billed")
        return self.tables[name].lazy()

    def sums_j2c(self):
        return self.rated(self.table("sums_day").group_by("day", "function").agg(self.n, self.billed))

    def sums_q1(self):
        return self.table("sums_day").group_by("team", "function", "day").agg(self.n, self.billed)

    def sums_q2(self):
        week = self.table("sums_day").filter(pl.col("day") >= LAST_WEEK_DAY).group_by("function").agg(self.billed)
        return week.sort(["billed", "function"], descending=[True, False]).head(20)

    def weighted(self, table, group, ranks):
        # The histograms are sorted already, so the numbers so far are in the order of durations.
        n, so_far = pl.col("n").sum().cast(pl.Int64), pl.col("n").cum_sum().cast(pl.Int64)
        found = [pl.col("ms").filter(so_far >= (n * rank + 99) // 100).first().alias(f"p{rank}") for rank in ranks]
        return table.group_by(group).agg(n, *found)

    def sums_q3(self):
        return self.weighted(self.table("month_ms"), "function", [50, 95, 99])

    def sums_q4(self):
        return self.table("sums_hour").group_by("hour").agg(self.n, pl.col("busy_us").sum())

    def sums_q5(self):
        ranks = self.weighted(self.table("day_ms").filter(pl.col("function") == FUNCTION), "day", [95]).select("day", "p95")
        one = self.table("sums_day").filter(pl.col("function") == FUNCTION).group_by("day").agg(self.n, self.billed)
        return one.join(ranks, on="day")

    def sums_j4a(self):
        return self.table("sums_day").group_by("function").agg(pl.col(rule).sum() * ms for rule, ms in zip(RULES, RULE_MS))

    def sums_j4b(self):
        work = (pl.col("hundredths").cast(pl.Int64) * 10 * pl.col("memory_mb")).alias("work")
        sums = [(rule * pl.col("n")).sum().alias(f"b{size}_{at}") for size in SIZES for at, rule in enumerate(self.rules(pl.col("work"), size))]
        return self.table("month_10us").select("function", work, "n").group_by("function").agg(sums)


class NumPy:
    """Only the sweep: starts and ends sorted each for itself, then counted against each other."""

    def connect(self):
        import numpy, pyarrow, pyarrow.parquet
        pyarrow.set_cpu_count(2)
        self.np, self.read = numpy, pyarrow.parquet.read_table

    def run(self):
        np = self.np
        table = self.read(f"{data}/clean.parquet", columns=["started_at", "duration_us", "init_us"])
        starts = table["started_at"].combine_chunks().cast("int64").to_numpy()
        lengths = table["duration_us"].combine_chunks().to_numpy() + table["init_us"].combine_chunks().fill_null(0).to_numpy()
        ends = np.sort(starts + lengths)
        starts = np.sort(starts)
        running = np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, "right")
        hours = np.arange(*MONTH)
        peaks = np.searchsorted(starts, hours * 3_600_000_000, "left") - np.searchsorted(ends, hours * 3_600_000_000, "right")
        np.maximum.at(peaks, starts // 3_600_000_000 - MONTH[0], running)
        return hours, peaks

    def rows(self, answer):
        return zip(*(column.tolist() for column in answer))


ENGINES = {"duckdb": DuckDB, "duckdb-file": DuckDB, "duckdb+sums": DuckDB, "chdb": ClickHouse, "chdb-merge-tree": ClickHouse,
           "chdb+sums": ClickHouse, "datafusion": DataFusion, "polars": Polars, "polars+sums": Polars, "numpy": NumPy}


def main():
    work = ENGINES[engine]()
    work.connect()
    cpu, wall = [], []
    # Short jobs are repeated until their times mean something.
    while len(cpu) < repeat or (len(cpu) < 15 and sum(cpu) < 0.5):
        begin, before = time.perf_counter(), time.process_time()
        answer = work.run()
        cpu.append(time.process_time() - before)
        wall.append(time.perf_counter() - begin)
        if sum(cpu) > 10:
            break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    pathlib.Path(target).write_text("".join(",".join(map(str, row)) + "\n" for row in work.rows(answer)))
    print(json.dumps(dict(job=job, cpu_s=cpu, wall_s=wall, peak_mb=peak)))


main()
