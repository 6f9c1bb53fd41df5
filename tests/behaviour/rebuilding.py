"""
What the tests of rebuilding share: a redundant volume over an element at each controller, verbs on
its elements, and the golden model as the load meanwhile.
"""
import os
import random

from golden import GoldenModel
from testarray import (ANYPORT, DISK, MEMORY, MIB, PATIENCE, check, command, same, wait_until,
                       write_config)

LAYOUTS = {'mirror': {}, 'raid10': {'chunk': '64KiB'}, 'raid5': {'chunk': '32KiB'},
           'raid6': {'chunk': '16KiB'}}
SAID = (r'element \w+ failed: |failed; the volume|is rebuilt|failed while it was|is stale|'
        r'its job has failed|cannot begin')


def fields(places, layout, members, size=24 * MIB, kinds=(MEMORY, DISK), **more):
    """One virtual volume, `safe`, with a member at each controller."""
    elements = [{'name': f'disk{i}', 'controller': i, 'size': str(size),
                 'image': os.path.join(places[kinds[i % len(kinds)]], f'{layout}{i}.img')}
                for i in range(members)]
    volumes = [{'name': f'm{i}', 'element': f'disk{i}'} for i in range(members)]
    safe = {'name': 'safe', 'layout': layout, 'members': [f'm{i}' for i in range(members)],
            **LAYOUTS[layout]}
    return {'controllers': members, 'elements': elements, 'volumes': volumes + [safe], **more}


def verb(array, *words, fails=False):
    """`anyport element WORDS`; what it says."""
    return command(ANYPORT, 'element', *words, array.run_dir, fails=fails)


def refused(array, says, *words):
    said = verb(array, *words, fails=True)
    for text in says:
        check(text in said, f'{words}: {text!r} is not in {said}')
    same(said.count('\n'), 1, f'lines of {said}')


def safe(array):
    return next(one for one in array.state()['volumes'] if one['name'] == 'safe')


def members(array):
    """{name: state} of the members."""
    return {member['name']: member['state'] for member in safe(array)['members']}


def job(array):
    return safe(array).get('job', {'state': 'none', 'position': 0})


def configured_image(array, index, image):
    """What the user writes into the configuration after a replacement."""
    array.fields['elements'][index] = dict(array.fields['elements'][index], image=image)
    write_config(array.home, array.fields)


def replace(array, index, image):
    said = verb(array, 'replace', f'disk{index}', '--image', image)
    check('disk' in said and image in said, said)
    configured_image(array, index, image)


def load(array, most_bytes=MIB, operations=300):
    """The golden model through all ports, begun."""
    model = GoldenModel([array.uri('safe', port) for port in array.ports], 'safe',
                        random.getrandbits(32), most_bytes)
    model.hosts[0].zero(model.size, 0)
    model.do(operations)
    return model


def reconnect(model, array):
    """After a restart: the same bytes are expected."""
    for index, port in enumerate(array.ports):
        host = model.nbd.NBD()
        host.connect_uri(array.uri('safe', port))
        model.hosts[index] = host


def work_until_over(array, model, state='done'):
    """Hosts work on while members are rebuilt."""
    while job(array)['state'] in ('waiting', 'running'):
        model.do(60)
    same(job(array)['state'], state, f'the job: {job(array)}')


def is_right_without(array, model, victims):
    """What was rebuilt is what is read now."""
    for victim in victims:
        verb(array, 'fail', f'disk{victim}')
    same([name for name, state in members(array).items() if state != 'online'],
         [f'm{victim}' for victim in sorted(victims)], 'failed members')
    model.compare_all(0)
    model.do(150)
    for port in range(len(model.hosts)):
        model.compare_all(port)


def wait_for_position(array, bytes_):
    wait_until(lambda: job(array)['position'] >= bytes_ or job(array)['state'] == 'done',
               f'{bytes_} are rebuilt', PATIENCE)
