"""The lock in front of SQLite's writers: exclusive, in order, freed by death, and never waited for for ever."""

import os
import subprocess
import sys
import threading
import time

import pytest

from deploy.sqlite.turnstile import Turnstile, TurnstileTimeout


def test_one_at_a_time(tmp_path):
    inside, most = 0, 0
    lock = threading.Lock()

    def work():
        nonlocal inside, most
        turnstile = Turnstile(tmp_path / "write.lock")
        for _ in range(20):
            turnstile.enter()
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.0005)
            with lock:
                inside -= 1
            turnstile.leave()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)


def test_who_waits_too_long_gives_up_and_the_lock_goes_on(tmp_path):
    holder, waiter, later = (Turnstile(tmp_path / "write.lock") for _ in range(3))
    holder.enter()
    with pytest.raises(TurnstileTimeout):
        waiter.enter(wait_s=0.05)
    holder.leave()
    later.enter(wait_s=5)
    later.leave()


def test_the_kernel_frees_the_lock_of_a_killed_process(tmp_path):
    path = tmp_path / "write.lock"
    code = (
        "import sys, time; from pathlib import Path; from deploy.sqlite.turnstile import Turnstile\n"
        "t = Turnstile(Path(sys.argv[1])); t.enter(); print('in', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, env=os.environ)
    assert child.stdout.readline() == b"in\n"
    mine = Turnstile(path)
    with pytest.raises(TurnstileTimeout):
        mine.enter(wait_s=0.05)
    child.kill()
    child.wait()
    mine.enter(wait_s=5)
    mine.leave()


def test_waiters_of_a_process_are_served_in_their_order_and_one_that_gave_up_is_passed_over(tmp_path):
    path = tmp_path / "write.lock"
    holder, order = Turnstile(path), []
    holder.enter()

    def wait(number, patience_s):
        turnstile = Turnstile(path)
        try:
            turnstile.enter(wait_s=patience_s)
        except TurnstileTimeout:
            order.append(f"{number} gave up")
            return
        order.append(number)
        turnstile.leave()

    threads = []
    for number, patience_s in ((1, 10), (2, 0.1), (3, 10)):
        threads.append(threading.Thread(target=wait, args=(number, patience_s)))
        threads[-1].start()
        time.sleep(0.03)
    threads[1].join()
    holder.leave()
    for thread in threads:
        thread.join()
    assert order == ["2 gave up", 1, 3]
