"""Whether time tells a hidden study from an unknown one: asks for both in turn and compares the two.

    SAMSYN_TOKEN=... python bench/hidden_timing.py http://127.0.0.1:8000 HIDDEN_STUDY_UID --calls 2000

The token is of a system that may not see the study. Prints means, medians and Welch's t of the times: below 3 in size,
nothing is told by so many calls.
"""

import argparse
import os
import random
import statistics
import time

import urllib3


def main() -> None:
    """Ask in turn, in random order within a pair."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base")
    parser.add_argument("hidden")
    parser.add_argument("--calls", type=int, default=2000)
    asked = parser.parse_args()
    pool = urllib3.PoolManager(
        headers={"Authorization": f"Bearer {os.environ['SAMSYN_TOKEN']}", "Accept": "*/*"}
    )
    times: dict[str, list[float]] = {"hidden": [], "unknown": []}
    for n in range(asked.calls + 50):
        pair = [("hidden", asked.hidden), ("unknown", make_unknown(asked.hidden))]
        for name, uid in random.sample(pair, 2):
            took = ask(pool, f"{asked.base}/dicom-web/studies/{uid}/metadata")
            if n >= 50:  # after a warm-up
                times[name].append(took)
    for name, values in times.items():
        print(f"{name:8} mean {statistics.mean(values):7.3f} ms  median {statistics.median(values):7.3f} ms")
    print(f"Welch's t {welch(times['hidden'], times['unknown']):+.2f} over {asked.calls} calls of each")


def make_unknown(uid: str) -> str:
    """Return another UID that is as long and begins alike."""
    kept = max(len(uid) - 18, 4)
    return uid[:kept] + "".join(random.choices("123456789", k=len(uid) - kept))


def ask(pool: urllib3.PoolManager, url: str) -> float:
    """Return how many milliseconds a 404 took."""
    started = time.perf_counter()
    response = pool.request("GET", url)
    took = (time.perf_counter() - started) * 1000
    assert response.status == 404, (response.status, url)
    return took


def welch(one: list[float], other: list[float]) -> float:
    """Return Welch's t of two samples, their slowest hundredth left out: those are the machine's."""
    kept = [sorted(values)[: int(len(values) * 0.99)] for values in (one, other)]
    spread = sum(map(_variance_of_mean, kept)) ** 0.5
    return (statistics.mean(kept[0]) - statistics.mean(kept[1])) / spread


def _variance_of_mean(values: list[float]) -> float:
    return statistics.variance(values) / len(values)


if __name__ == "__main__":
    main()
