#!/usr/bin/env python3
"""Every verb has a man page, which names each option that the verb's --help does and no other; and
every page that another one names is there.

    man_pages.py ANYPORT DOCS
"""

import pathlib
import re
import subprocess
import sys

VERB = re.compile(r'^  ([a-z]+) +\S', re.MULTILINE)
HELP_OPTION = re.compile(r'^ +(?:(-.), +)?(--[a-z-]+)', re.MULTILINE)
PAGE_OPTION = re.compile(r'(?<![\w-])(--?[a-zA-Z?][a-z-]*)')
OURS = re.compile(r'\*(anyport[a-z.-]*)\*\((\d)\)')


def help_of(anyport, *words):
    return subprocess.run([anyport, *words, '--help'], stdout=subprocess.PIPE, text=True,
                          check=True).stdout


def options_of_help(text):
    return {option for found in HELP_OPTION.findall(text) for option in found if option}


def options_of_page(text):
    """The options that have an entry in OPTIONS: lines that begin in its first column with *-."""
    section = re.search(r'^# OPTIONS\n(.*?)(?=^# )', text, re.MULTILINE | re.DOTALL)
    entries = re.findall(r'^\*-.*$', section.group(1), re.MULTILINE) if section else []
    return {option for entry in entries for option in PAGE_OPTION.findall(entry)}


def check_verb(anyport, docs, verb):
    page = docs / f'anyport-{verb}.1.scd'
    if not page.is_file():
        return [f'{verb}: no {page.name}']
    helped = options_of_help(help_of(anyport, verb))
    written = options_of_page(page.read_text(encoding='utf-8'))
    return ([f'{page.name}: {option} is missing' for option in sorted(helped - written)] +
            [f'{page.name}: {option} is not in --help' for option in sorted(written - helped)])


def check_names(docs, page):
    for name, section in OURS.findall(page.read_text(encoding='utf-8')):
        if not (docs / f'{name}.{section}.scd').is_file():
            yield f'{page.name}: names {name}({section}), which is not there'


def main(anyport, docs):
    docs = pathlib.Path(docs)
    verbs = VERB.findall(help_of(anyport))
    wrong = [] if verbs else ['anyport --help names no verb']
    overview = (docs / 'anyport.1.scd').read_text(encoding='utf-8')
    for verb in verbs:
        wrong += check_verb(anyport, docs, verb)
        if f'\n*{verb}*\n' not in overview:
            wrong.append(f'anyport.1.scd: {verb} is missing')
    for page in docs.glob('*.scd'):
        wrong += check_names(docs, page)
    print('\n'.join(wrong) if wrong else f'{len(verbs)} verbs')
    return 1 if wrong else 0


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
