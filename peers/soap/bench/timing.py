"""Measuring in Python: CPU microseconds of one call."""

import time


def measure(work, milliseconds):
    def run(budget):
        times, begin = 0, time.process_time()
        while (spent := time.process_time() - begin) < budget / 1000:
            work()
            times += 1
        return spent / times * 1e6

    run(milliseconds / 4)
    return run(milliseconds)
