"""Figures of SimFaaS (Mahmoudi & Khazaei, arXiv 2102.08904), the simulator that `simfaas.rs` compares with.

    python3 -m venv /tmp/simfaas && /tmp/simfaas/bin/pip install simfaas==0.2.2
    /tmp/simfaas/bin/python replay/tests/simfaas_figures.py > replay/tests/simfaas.json

`poisson` are runs of the program as it is: arrivals and durations are random, so they agree within a sampling error.
`trace` gives it arrivals and durations that both sides make up in the same way, and lets the idle instance that was used
last serve (SimFaaS takes the one created last): then every count and every sum is the same. Times of a trace are whole
microseconds, which its floats hold exactly; arrivals are even and ends are odd, so no two kinds of event coincide.
It takes about a minute.
"""
import json
from importlib.metadata import version

import numpy
from simfaas.ServerlessSimulator import ServerlessSimulator
from simfaas.SimProcess import SimProcess


def poisson(rate, requests, tail_s, warm_s, cold_s, seed):
    numpy.random.seed(seed)
    simulator = ServerlessSimulator(arrival_rate=rate, warm_service_rate=1 / warm_s, cold_service_rate=1 / cold_s,
                                    expiration_threshold=tail_s, max_time=requests / rate)
    simulator.generate_trace()
    return {
        "rate": rate, "tail_s": tail_s, "warm_s": warm_s, "cold_s": cold_s, "seed": seed,
        "requests": simulator.total_req_count, "cold": simulator.total_cold_count,
        "mean_instances": round(float(simulator.get_average_server_count()), 5),
        "mean_running": round(float(simulator.get_average_server_running_count()), 5),
    }


class Numbers:
    """The same numbers as in `simfaas.rs`."""

    def __init__(self, seed):
        self.state = seed

    def below(self, end):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % end


class Listed(SimProcess):
    def __init__(self, draw):
        super().__init__()
        self.generate_trace = draw


class LastUsedFirst(ServerlessSimulator):
    def schedule_warm_instance(self, t):
        return max((s for s in self.servers if s.is_ready()), key=lambda s: s.next_departure)


def trace(requests, gap_us, duration_us, start_us, tail_us, limit, seed):
    numbers = Numbers(seed)
    gaps, durations = [], []
    for _ in range(requests):
        # Now and then nothing comes for a while, so that instances go.
        rare = 40 if numbers.below(50) == 0 else 1
        gaps.append(float(2 * (1 + numbers.below(gap_us * rare))))
        durations.append(float(2 * numbers.below(duration_us) + 1))
    at = sum(gaps)
    end = at + duration_us * 2 + start_us + tail_us + 10
    coming, position = iter(gaps + [end]), [0]

    def gap():
        # SimFaaS asks for the next arrival when one arrives: the one that arrives is the one before.
        position[0] += 1
        return next(coming)

    simulator = LastUsedFirst(
        arrival_process=Listed(gap), warm_service_process=Listed(lambda: durations[position[0] - 2]),
        cold_service_process=Listed(lambda: durations[position[0] - 2] + start_us),
        expiration_threshold=tail_us, max_time=end, maximum_concurrency=limit)
    # It stops at the first event that is not before the end: the one after the last tail.
    simulator.trace_condition = lambda t: simulator.total_req_count < requests or simulator.has_server()
    simulator.generate_trace()
    lengths = [int(after - before) for before, after in zip(simulator.hist_times, simulator.hist_times[1:])]
    return {
        "requests": requests, "gap_us": gap_us, "duration_us": duration_us, "start_us": start_us, "tail_us": tail_us,
        "limit": limit, "seed": seed, "cold": simulator.total_cold_count, "rejected": simulator.total_reject_count,
        "peak_instances": max(simulator.hist_server_count), "peak_running": max(simulator.hist_server_running_count),
        "up_us": sum(n * t for n, t in zip(simulator.hist_server_count, lengths)),
        "running_us": sum(n * t for n, t in zip(simulator.hist_server_running_count, lengths)),
    }


figures = {
    "simfaas": version("simfaas"),
    "trace": [
        trace(20_000, 1_000_000, 1_500_000, 250_000, 10_000_000, 1000, 1),
        trace(20_000, 100_000, 1_500_000, 800_000, 3_000_000, 1000, 2),
        trace(20_000, 100_000, 1_500_000, 800_000, 3_000_000, 12, 3),
        trace(20_000, 5_000_000, 300_000, 2_000_000, 7_000_000, 1000, 4),
    ],
    "poisson": [
        poisson(0.9, 3_000_000, 600, 1.991, 2.244, 5),
        poisson(0.002, 1_000_000, 600, 1.991, 2.244, 6),
        poisson(0.001, 1_000_000, 600, 1.991, 2.244, 7),
        poisson(0.0005, 1_000_000, 600, 1.991, 2.244, 8),
    ],
}
print(json.dumps(figures, indent=1))
