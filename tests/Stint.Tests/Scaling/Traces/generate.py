#!/usr/bin/python3
"""Makes the traces beside it: calls in each second, one number a line. Run once, in this folder; with the same Python (3.11) it makes the same files again, which is how one can see where they come from.

  step     30 calls a second for five minutes, then 600 for five, then 30 for five: no noise but that of independent callers
  noise    220 a second for an hour, callers independent of each other (Poisson)
  diurnal  a day in two hours: a sine from 20 at night to 400 at noon, two small peaks on its shoulders, Poisson noise, 10 % of slow drift
  bursty   an hour of on and off with heavy tails, as edge devices call: off for Pareto(1.2) x 8 s, on for Pareto(1.5) x 3 s (both at most 600 s) at a level that is lognormal around 150
"""
import math
import random


def poisson(rng, mean):
    count = 0
    while mean > 0:
        limit, product = math.exp(-min(20.0, mean)), rng.random()
        while product > limit:
            count += 1
            product *= rng.random()
        mean -= 20
    return count


def step(rng):
    return [poisson(rng, 600 if 300 <= t < 600 else 30) for t in range(900)]


def noise(rng):
    return [poisson(rng, 220) for _ in range(3600)]


def diurnal(rng):
    seconds, level, out = 7200, 1.0, []
    for t in range(seconds):
        hour = 24 * t / seconds
        mean = 210 - 190 * math.cos(2 * math.pi * hour / 24)
        mean += 60 * math.exp(-((hour - 8) ** 2) / 0.5) + 80 * math.exp(-((hour - 18) ** 2) / 0.5)
        level += (1.0 - level) * 0.01 + rng.gauss(0, 0.01)
        out.append(poisson(rng, max(1.0, mean * level)))
    return out


def bursty(rng):
    out, on = [], False
    while len(out) < 3600:
        length = int(min(600, rng.paretovariate(1.5 if on else 1.2) * (3 if on else 8)))
        level = rng.lognormvariate(math.log(150), 0.7) if on else 0
        out += [poisson(rng, level) for _ in range(length)]
        on = not on
    return out[:3600]


for number, make in enumerate([step, noise, diurnal, bursty]):
    with open(make.__name__ + ".trace", "w", encoding="ascii") as file:
        file.write("\n".join(map(str, make(random.Random(20161 + number)))) + "\n")
