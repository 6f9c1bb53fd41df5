#!/usr/bin/python3
"""A rebuild goes on after the array was stopped, after everything was killed, and after the controller
that ran it was killed; the old image is never trusted, whichever image a configuration names."""
import os
import random
import signal

from rebuilding import (SAID, configured_image, fields, is_right_without, job, load, members,
                        reconnect, replace, safe, verb, wait_for_position, work_until_over)
from testarray import (DISK, LONG, MEMORY, MIB, NO_TAKEOVER, Array, check, folders, libnbd, note, run, same,
                       wait_until)

SLOWLY = {'rate': '16MiB'}
LARGE = 80 * MIB  # so that some of it becomes durable on the way


def failed_and_replaced(array, places, index):
    """What the golden model wrote before, and while the member was away."""
    model = load(array)
    verb(array, 'fail', f'disk{index}')
    model.do(150)
    old = array.fields['elements'][index]['image']
    new = os.path.join(places[DISK], f'new{index}.img')
    replace(array, index, new)
    return model, old, new


def goes_on_from(array, model, victim, position, others, *options):
    """At the next start, at least from there; and to its end."""
    array.start(*options)
    same(members(array)[f'm{victim}'], 'rebuilding', 'the member after the start')
    check(job(array)['position'] >= position, f'it goes on: {job(array)}')
    reconnect(model, array)
    work_until_over(array, model)
    is_right_without(array, model, others)


def goes_on_after_a_stop(places, layout, count, victim, others):
    with Array(places, expected=SAID,
               **fields(places, layout, count, rebuild=SLOWLY)) as array:
        model, _, _ = failed_and_replaced(array, places, victim)
        model.do(50)
        wait_for_position(array, 4 * MIB)
        for host in model.hosts:
            host.shutdown()
        array.stop()
        goes_on_from(array, model, victim, 4 * MIB, others)
    note(f'{layout}: goes on after a stop')


def goes_on_after_everything_was_killed(places, layout, count, victim, others):
    """From where it was durable; and what was answered meanwhile is on the new image too."""
    with Array(places, expected=SAID,
               **fields(places, layout, count, size=LARGE, rebuild={'rate': '128MiB'})) as array:
        model, _, _ = failed_and_replaced(array, places, victim)
        while job(array)['position'] < 36 * MIB:
            model.do(20)
        array.kill()
        goes_on_from(array, model, victim, 32 * MIB, others, '--force')
    note(f'{layout}: goes on after everything was killed')


def killed_at_any_instant(places, layout, count, victim, others):
    """In whatever step: nothing that was answered is lost, and the rebuild ends at last."""
    with Array(places, expected=SAID, **fields(places, layout, count, size=8 * MIB,
                                               rebuild={'rate': '0'})) as array:
        model, _, _ = failed_and_replaced(array, places, victim)
        for _ in range(random.randrange(8)):
            model.do(4)
        array.kill()
        array.start('--force')
        reconnect(model, array)
        model.compare_all(0)
        if members(array)[f'm{victim}'] == 'failed':  # it had not begun
            verb(array, 'fail', f'disk{victim}')
            verb(array, 'replace', f'disk{victim}')
        state = job(array)['state']
        over = safe(array)['state'] == 'online' and state not in ('waiting', 'running')
        work_until_over(array, model, state if over else 'done')
        same(safe(array)['state'], 'online', 'the volume')
        is_right_without(array, model, others)


def the_old_image_is_not_trusted(places):
    """The configuration was not changed, or is changed back: what the old image holds is stale."""
    with Array(places, expected=SAID, **fields(places, 'raid5', 3, rebuild=SLOWLY)) as array:
        model, old, new = failed_and_replaced(array, places, 1)
        wait_for_position(array, 2 * MIB)
        for kill in (True, False):
            if kill:
                array.kill()
            else:
                array.stop()
            configured_image(array, 1, old)
            array.start('--force')
            same(members(array)['m1'], 'failed', 'the member on the old image')
            reconnect(model, array)
            model.do(100)
            model.compare_all(2)
            array.stop()
            configured_image(array, 1, new)
            array.start('--force')
            same(members(array)['m1'], 'failed', 'the member on the new image')
            reconnect(model, array)
            model.compare_all(0)
            verb(array, 'fail', 'disk1')
            verb(array, 'replace', 'disk1')
        work_until_over(array, model)
        is_right_without(array, model, [0])
    note('the image of before is stale, and so is the one that was away meanwhile')


def another_controller_goes_on(places):
    """The one that rebuilds is killed, and one of the members with it: the others do the rest."""
    with Array(places, expected=SAID + '|controller . ', takeover=NO_TAKEOVER,
               **fields(places, 'raid6', 5, rebuild=SLOWLY)) as array:
        model = load(array)
        verb(array, 'fail', 'disk0')
        verb(array, 'fail', 'disk1')
        model.do(100)
        for index in (0, 1):
            replace(array, index, os.path.join(places[DISK], f'new{index}.img'))
        wait_until(lambda: job(array)['state'] == 'running', 'it runs')
        same(job(array)['controller'], 0, 'who rebuilds')
        wait_for_position(array, 2 * MIB)
        os.kill(array.controller(0)['pid'], signal.SIGKILL)
        model.hosts = model.hosts[2:]  # the front may have been its, and c0 was
        wait_until(lambda: members(array)['m1'] != 'failed', 'the other member is rebuilt')
        work_until_over(array, model)
        same(members(array), {'m0': 'failed', 'm1': 'online', 'm2': 'online', 'm3': 'online',
                              'm4': 'online'}, 'the members')
        is_right_without_one_more(array, model)
    note('another controller goes on')


def is_right_without_one_more(array, model):
    verb(array, 'fail', 'disk3')
    model.compare_all(0)
    model.do(100)
    model.compare_all(1)


CASES = [('mirror', 2, 1, [0]), ('raid5', 3, 0, [2]), ('raid6', 4, 2, [0, 3]),
         ('raid10', 4, 3, [2])]


def main():
    libnbd()
    for part in (goes_on_after_a_stop, goes_on_after_everything_was_killed):
        for case in CASES if LONG else random.sample(CASES, 1):
            with folders() as places:
                part(places, *case)
    for _ in range(60 if LONG else 2):
        with folders() as places:
            killed_at_any_instant(places, *random.choice(CASES))
    note('killed at any instant')
    for part in (the_old_image_is_not_trusted, another_controller_goes_on):
        with folders() as places:
            part(places)


run(main)
